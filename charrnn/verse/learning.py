"""Learns the tunes of ci from poems: the lines of each tune, their tones, and which of them rhyme."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from charrnn.text.forms import is_ideograph
from charrnn.verse.forms import FINAL, MIDDLE
from charrnn.verse.readings import Readings

AGREE = 0.9
"""The share of poems that must agree in a tone."""
RHYME = 0.6
"""The share of poems in which two lines must end in one part of 詞林正韻. By chance it is 0.1."""
PIECE = re.compile(rf"([^{MIDDLE}{FINAL}\s]+)([{MIDDLE}{FINAL}\s]*)")

Shape = tuple[tuple[int, str], ...]
"""The length of each line, and ， or 。 after it."""


@dataclass(frozen=True)
class Tune:
    """What poems to one tune have in common."""

    name: str
    lines: list[str]
    """As `forms.tune` reads them."""
    poems: int
    """The number of poems of the most frequent shape, from which it was learnt."""
    of: int
    """The number of poems to the tune."""

    @property
    def source(self) -> str:
        """From how many poems it comes, in words."""
        return f"{self.poems:,} of {self.of:,} poems"


def titled(document: str) -> tuple[str, str]:
    """The tune in a document's first line, which may be `《TUNE》AUTHOR`, and the poem below it."""
    first, _, poem = document.strip().partition("\n")
    found = re.match(r"《([^》]+)》", first)
    return (found[1] if found else first).strip(), poem


def learn(poems: Iterable[tuple[str, str]], readings: Readings, least: int = 20) -> Iterator[Tune]:
    """The tunes of poems, each given with its tune's name, the most frequent first.

    A tune is learnt from the poems of its most frequent shape, of which there must be `least`. A place has the tone in
    which nine tenths of them agree, as far as a character has one tone only. Lines rhyme whose last characters are
    mostly of one part.
    """
    known: dict[str, list[list[tuple[str, str]]]] = {}
    for name, poem in poems:
        lines = lines_of(poem)
        if lines is not None:
            known.setdefault(name, []).append(lines)
    found = []
    for name, own in known.items():
        (shape, count), *_ = Counter(map(shape_of, own)).most_common(1)
        if count >= least and len(shape) > 1:
            alike = [[line for line, _ in lines] for lines in own if shape_of(lines) == shape]
            found.append(Tune(name, _pattern(shape, alike, readings), count, len(own)))
    yield from sorted(found, key=lambda tune: -tune.poems)


def lines_of(poem: str) -> list[tuple[str, str]] | None:
    """The lines of a poem with ， or 。 after each; None where it holds anything but ideographs and marks."""
    pieces = PIECE.findall(poem)
    if not pieces or not all(is_ideograph(character) for line, _ in pieces for character in line):
        return None
    return [(line, "。" if set(marks) & set(FINAL) else "，") for line, marks in pieces]


def shape_of(lines: Sequence[tuple[str, str]]) -> Shape:
    """The lengths and the marks of lines."""
    return tuple((len(line), mark) for line, mark in lines)


def _pattern(shape: Shape, poems: Sequence[Sequence[str]], readings: Readings) -> list[str]:
    """The lines of a tune, as a file has them."""
    letters = _letters([[line[-1] for line in poem] for poem in poems], readings)
    return [
        "".join(_tone([poem[i][slot] for poem in poems], readings) for slot in range(length)) + mark + letters[i]
        for i, (length, mark) in enumerate(shape)
    ]


def _tone(characters: Sequence[str], readings: Readings) -> str:
    tones = Counter("".join(readings.tones(character)) for character in characters)
    level, oblique = tones["平"], tones["仄"]
    if max(level, oblique) < AGREE * (level + oblique) or not level + oblique:
        return "中"
    return "平" if level > oblique else "仄"


def _letters(ends: Sequence[Sequence[str]], readings: Readings) -> list[str]:
    """The letter of each line's rhyme, nothing for lines without one, from the last characters of lines of poems."""
    parts = readings.rhymes("中", in_ci=True)

    def parts_of(character: str) -> frozenset[str]:
        groups = readings.groups(character)
        return frozenset(name for name, own in parts.items() if own & groups)

    rows = [[parts_of(character) for character in poem] for poem in ends]
    count = len(rows[0])
    rhymed = list(range(count))  # for each line the first one with which it rhymes
    for i, j in combinations(range(count), 2):
        pairs = [row for row in rows if row[i] and row[j]]
        if pairs and sum(bool(row[i] & row[j]) for row in pairs) >= RHYME * len(pairs):
            rhymed = [rhymed[i] if one == rhymed[j] else one for one in rhymed]
    common = [one for one in dict.fromkeys(rhymed) if rhymed.count(one) > 1]
    names = dict(zip(common, "abcdefghijklmnopqrstuvwxyz", strict=False))
    return [names.get(one, "") for one in rhymed]
