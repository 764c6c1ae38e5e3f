"""Kinds of places in a text: each way to divide them puts every character into exactly one kind."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.report.marks import BRACKETS, QUOTES, Ints, in_line, is_in, is_letter, opened, verse_of, verse_sizes
from charrnn.report.texts import END, Points, Text
from charrnn.text.forms import is_ideograph

EDGES = (1, 4, 16, 64)
"""Distances are counted in steps: up to each of these, and beyond."""


@dataclass(frozen=True)
class Division:
    """A way to divide the characters of some texts."""

    title: str
    kinds: list[str]
    which: list[Ints]
    """The kind of each character, for each text `[N]`."""


def divisions(texts: Sequence[Text]) -> list[Division]:
    """The ways to divide the characters of some texts, by what stands before each and by what it is."""
    points = [text.points for text in texts]
    ways = [
        _division("kind of character", CHARACTERS, [characters(one) for one in points]),
        _division("brackets and quotes", MARKS, [marks(one) for one in points]),
    ]
    if sizes := verse_sizes(points):
        names = ["mark or line end", *(f"character {i} of a verse" for i in range(1, max(sizes) + 1)), "beyond"]
        places = [np.minimum(verse_of(one).place, len(names) - 1) for one in points]
        ways.append(_division("place in the verse", names, places))
        rhymes = [_rhyme(one) for one in points]
        ways.append(_division("verse", LINES, rhymes))
    else:
        ways.append(_division("place in the line", PLACES, [_places(one) for one in points]))
    return [way for way in ways if len(way.kinds) > 1]


CHARACTERS = [
    *("end of the text", "line end", "space", "first letter of a word", "second letter", "third letter or later"),
    *("Chinese character", "digit", "mark"),
]


def characters(points: Points) -> Ints:
    """What each character is, as a number of `CHARACTERS`, `[N]`."""
    letter = is_in(points, is_letter)
    before = np.concatenate([[False], letter[:-1]])[: len(points)]
    earlier = np.concatenate([[False, False], letter[:-2]])[: len(points)]
    return np.select(
        [
            points == END,
            points == ord("\n"),
            is_in(points, str.isspace),
            letter & ~before,
            letter & ~(before & earlier),
            letter,
            is_in(points, is_ideograph),
            is_in(points, lambda character: unicodedata.category(character)[0] == "N"),
        ],
        range(8),
        8,
    )


_STEPS = ["1", "2–4", "5–16", "17–64", "65 or more"]
MARKS = [
    "outside",
    "opening mark",
    *(f"inside, {step} after it opened" for step in _STEPS),
    *(f"closing mark, {step} after it opened" for step in _STEPS),
    "just after a closing mark",
]


def marks(points: Points) -> Ints:
    """How each character stands to brackets and quotes, as a number of `MARKS`, `[N]`."""
    open_ = opened(points, QUOTES | BRACKETS, straight=True)
    before = np.concatenate([[-1], open_.since[:-1]])[: len(points)]
    after = np.concatenate([[False], open_.closes[:-1]])[: len(points)]
    return np.select(
        [open_.closes, open_.opens, after, before >= 0],
        [7 + _step(open_.gap), np.ones_like(before), np.full_like(before, 12), 2 + _step(before + 1)],
        0,
    )


PLACES = ["line end", *(f"character {step} of a line" for step in _STEPS)]


def _places(points: Points) -> Ints:
    return np.where((points == ord("\n")) | (points == END), 0, 1 + _step(in_line(points) + 1))


LINES = ["mark or line end", "odd verse", "even verse, but its last", "rhyme place: the last of an even verse"]


def _rhyme(points: Points) -> Ints:
    verse = verse_of(points)
    even, last = verse.line % 2 == 0, verse.place == verse.size
    return np.select([verse.place == 0, ~even, ~last], [0, 1, 2], 3)


def _step(distance: Ints) -> Ints:
    """The step of `EDGES` in which a distance from 1 lies."""
    return np.searchsorted(EDGES, distance)


def _division(title: str, names: Sequence[str], which: Sequence[Ints]) -> Division:
    """A division without the kinds that do not occur."""
    there = np.unique(np.concatenate([*which, np.zeros(0, np.int64)]))
    renumbered = np.zeros(len(names), np.int64)
    renumbered[there] = np.arange(len(there))
    return Division(title, [names[i] for i in there.tolist()], [renumbered[one] for one in which])
