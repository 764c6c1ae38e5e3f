"""Texts that a program draws: named corpora that need no download, and of which the least possible loss is known.

Each document is drawn from a finite set, all of them equally likely. A perfect model therefore needs log2 M bits for a
document of a set of M, its end included, and no model needs less on average: the floor. A set is given by its size and
by a function from 0 ... M - 1 to its documents, no two of which are equal.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from string import ascii_lowercase, digits

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.text.dataset import Part
from charrnn.text.vocab import Vocabulary

VERSION = 1
"""A part of the recipe of every text. It goes up with every change after which a name means another text."""
CHARACTERS, FEWEST, MOST = 1_000_000, 2_000, 20_000
"""A text has about so many characters, but at least and at most so many documents."""
KEY = ascii_lowercase + digits
"""The characters of a key that is to be recalled."""
KEY_LENGTH = 3
BRACKETS = "()[]{}<>"
PAIRS = 64
"""The pairs of brackets in a document."""
NUMBERS = 16
"""The digits among which two are added."""
HIGHEST = 50
"""The greatest n of a document of n a and n b."""
END = ""
"""Stands for the end of a document among what may come next."""


@dataclass(frozen=True)
class Decided:
    """A place of a document at which what comes is decided by what stands before."""

    place: int
    distance: int
    """How many characters before it stands what decides it."""
    candidates: tuple[str, ...]
    """What might come there for one who does not know what decides it; `END` is the end of the document."""


@dataclass(frozen=True)
class Synthetic:
    """A set of equally likely documents."""

    name: str
    count: int
    """The size M of the set."""
    document: Callable[[int], str]
    """The documents by their numbers, from 0 to M - 1."""
    mean_length: float
    """The mean number of characters of a document, its end not included."""
    decided: Callable[[str], list[Decided]]
    """The places of a document at which accuracy is measured."""

    @property
    def bits(self) -> float:
        """The bits of a document, its end included, under a perfect model: log2 M."""
        return math.log2(self.count)

    @property
    def floor(self) -> float:
        """The bits per character of a perfect model, on average over the set. The end of a document counts as one."""
        return self.bits / (self.mean_length + 1)

    def drawn(self, how_many: int) -> Iterator[str]:
        """Documents that are drawn at random; the same ones every time."""
        draws = random.Random(f"{self.name} {VERSION}")
        return (self.document(draws.randrange(self.count)) for _ in range(how_many))

    @property
    def text(self) -> Iterator[str]:
        """The whole text: documents, each before a blank line."""
        wanted = min(MOST, max(FEWEST, round(CHARACTERS / self.mean_length)))
        return (f"{document}\n\n" for document in self.drawn(wanted))


def synthetic(name: str) -> Synthetic | None:
    """The set of a name such as `recall-16`, `recall-4-128`, `brackets-2-4`, `adding` or `count`; None for other names.

    Raises CharrnnError where the name is one of these with a number out of bounds, or without its numbers.
    """
    family, *numbers = name.split("-")
    if family not in FAMILIES:
        return None
    shape, make = FAMILIES[family]
    told = f"corpus.name: {name}: {shape} was expected"
    if not all(re.fullmatch("[1-9][0-9]{0,3}", number) for number in numbers):
        raise CharrnnError(told)
    try:
        return make(name, *map(int, numbers))
    except (TypeError, ValueError):
        raise CharrnnError(told) from None


def floor_of(corpus: CorpusConfig, vocabulary: Vocabulary, part: Part) -> float | None:
    """The bits per character of a perfect model on a part of a corpus, ends included; None where that is not known.

    Every document takes the same bits, whatever its length.
    """
    made = None if corpus.name is None else synthetic(corpus.name)
    if made is None or part.documents is None or not part.characters or corpus.separator != "blank-line":
        return None
    if corpus.validation is not None or not all(one in vocabulary for one in set("".join(made.drawn(50)))):
        return None
    return made.bits * len(part.documents) / (part.characters + len(part.documents))


def family_of(name: str) -> str:
    """The name under which a family is listed: `recall-T` of `recall-16`."""
    return {"recall": "recall-T", "brackets": "brackets-K-D"}.get(name.split("-")[0], name)


def _recall(name: str, shortest: int, longest: int | None = None) -> Synthetic:
    """`k7f....|k7f`: a key of three characters, and again T characters later; T is doubled from shortest to longest."""
    longest = shortest if longest is None else longest
    if not KEY_LENGTH < shortest <= longest <= 1000:
        raise ValueError
    distances = [shortest * 2**i for i in range(10) if shortest * 2**i <= longest]

    def document(index: int) -> str:
        index, which = divmod(index, len(distances))
        key = _in_base(index, KEY, KEY_LENGTH)
        return key + "." * (distances[which] - KEY_LENGTH - 1) + "|" + key

    def decided(document: str) -> list[Decided]:
        distance = len(document) - KEY_LENGTH
        return [Decided(distance + i, distance, tuple(KEY)) for i in range(KEY_LENGTH)]

    size, mean = len(KEY) ** KEY_LENGTH * len(distances), sum(distances) / len(distances) + KEY_LENGTH
    return Synthetic(name, size, document, mean, decided)


def _brackets(name: str, kinds: int, depth: int) -> Synthetic:
    """`([{}])`: 64 pairs of brackets of some kinds, never deeper than `depth`, all such texts alike."""
    if not (kinds <= len(BRACKETS) // 2 and depth <= PAIRS):
        raise ValueError

    @cache
    def ways(left: int, open_: int) -> int:
        """The number of ways in which `left` more brackets can go on, with so many open."""
        if open_ < 0 or open_ > min(depth, left):
            return 0
        return 1 if left == 0 else ways(left - 1, open_ + 1) + ways(left - 1, open_ - 1)

    def document(index: int) -> str:
        shape, which = divmod(index, kinds**PAIRS)
        kind_of = iter(_in_base(which, "0123"[:kinds], PAIRS))
        text: list[str] = []
        stack: list[int] = []
        for left in range(2 * PAIRS - 1, -1, -1):
            opening = ways(left, len(stack) + 1)
            if shape < opening:
                stack.append(2 * int(next(kind_of)))
                text.append(BRACKETS[stack[-1]])
            else:
                shape -= opening
                text.append(BRACKETS[stack.pop() + 1])
        return "".join(text)

    def decided(document: str) -> list[Decided]:
        found, open_ = [], []
        for place, bracket in enumerate(document):
            if bracket in BRACKETS[::2]:
                open_.append(place)
            else:
                found.append(Decided(place, place - open_.pop(), tuple(BRACKETS[1 : 2 * kinds : 2])))
        return found

    return Synthetic(name, ways(2 * PAIRS, 0) * kinds**PAIRS, document, 2 * PAIRS, decided)


def _adding(name: str) -> Synthetic:
    """`3 *7 1 *2=9`: digits of which two are marked, and the last digit of their sum."""
    pairs = [(i, j) for j in range(NUMBERS) for i in range(j)]

    def document(index: int) -> str:
        index, which = divmod(index, len(pairs))
        numbers = _in_base(index, digits, NUMBERS)
        first, second = pairs[which]
        marked = ["*" * (i in (first, second)) + number for i, number in enumerate(numbers)]
        return f"{' '.join(marked)}={(int(numbers[first]) + int(numbers[second])) % 10}"

    def decided(document: str) -> list[Decided]:
        return [Decided(len(document) - 1, len(document) - 2 - document.index("*"), tuple(digits))]

    return Synthetic(name, len(pairs) * 10**NUMBERS, document, len(document(0)), decided)


def _count(name: str) -> Synthetic:
    """`aaabbb`: as many b as a."""

    def decided(document: str) -> list[Decided]:
        last = len(document)  # the last b, and the end: neither too early nor too late
        return [Decided(place, place, ("b", END)) for place in (last - 1, last) if place > last // 2]

    return Synthetic(name, HIGHEST, lambda index: "a" * (index + 1) + "b" * (index + 1), HIGHEST + 1, decided)


FAMILIES: dict[str, tuple[str, Callable[..., Synthetic]]] = {
    "recall": ("recall-T or recall-T-T, such as recall-16 or recall-4-128, with T from 4 to 1000", _recall),
    "brackets": (f"brackets-K-D, such as brackets-2-4, with K kinds up to 4 and a depth D up to {PAIRS}", _brackets),
    "adding": ("adding", _adding),
    "count": ("count", _count),
}
"""The families by the first word of their names: what a name looks like, and how its set is made."""


def _in_base(number: int, symbols: str, length: int) -> str:
    """A number as so many symbols."""
    found = []
    for _ in range(length):
        number, digit = divmod(number, len(symbols))
        found.append(symbols[digit])
    return "".join(found)
