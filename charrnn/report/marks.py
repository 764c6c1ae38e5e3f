"""Brackets, quotes and lines of a text: what stands open at each place, and where a line of verse begins and ends."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charrnn.report.texts import END, Points
from charrnn.text.forms import is_ideograph

QUOTES = {"“": "”", "「": "」", "『": "』", "«": "»", "„": "“", "﹁": "﹂", "﹃": "﹄"}
BRACKETS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "（": "）",
    "［": "］",
    "｛": "｝",
    "【": "】",
    "《": "》",
    "〈": "〉",
    "〔": "〕",
}
STRAIGHT = ord('"')
"""Opens and closes. What it opens ends with the paragraph at the latest."""

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Open:
    """What stands open after each character of a text."""

    depth: Ints
    """The number of marks that are open, an opening mark included and a closing one not, `[N]`."""
    since: Ints
    """The number of characters since the innermost one that is open, 0 at that mark itself; -1 where none is, `[N]`."""
    opens: Bools
    """Where a mark opens, `[N]`."""
    closes: Bools
    """Where a mark closes one that was open, `[N]`."""
    gap: Ints
    """At a mark that closes: how many characters after its opening one it stands, `[N]`; 0 elsewhere."""


def opened(points: Points, pairs: dict[str, str], straight: bool = False) -> Open:
    """What of `pairs` stands open after each character, in a text of its own. `straight`: also the straight quote.

    A mark that closes nothing is passed over. Nothing stays open beyond an empty line but in a bracket that is closed
    after it: who forgot to close one did not mean all the rest of the text.
    """
    ends = {ord(close): {ord(one) for one, other in pairs.items() if other == close} for close in pairs.values()}
    begins = {ord(one) for one in pairs}
    marks = np.isin(points, [*begins, *ends, *([STRAIGHT] if straight else []), ord("\n")])
    count = len(points)
    since, gap, depth = np.full(count, -1, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    opens, closes = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    stack: list[tuple[int, int]] = []  # place and code point of each open mark
    for place, after in pairwise([*np.flatnonzero(marks).tolist(), count]):
        point = int(points[place])
        if point == ord("\n"):
            if place and points[place - 1] == point:
                stack.clear()
        elif stack and (stack[-1][1] in ends.get(point, ()) or (point == STRAIGHT == stack[-1][1])):
            closes[place], gap[place] = True, place - stack.pop()[0]
        elif point in begins or point == STRAIGHT:
            stack.append((place, point))
            opens[place] = True
        if stack:
            since[place:after] = np.arange(place, after) - stack[-1][0]
            depth[place:after] = len(stack)
    since[points == END], depth[points == END] = -1, 0
    return Open(depth, since, opens, closes, gap)


def in_line(points: Points) -> Ints:
    """The place of each character in its line, from 0; the line end is the last place of its line, `[N]`."""
    places = np.arange(len(points))
    begins = np.concatenate([[True], points[:-1] == ord("\n")])[: len(points)]
    return places - np.maximum.accumulate(np.where(begins, places, 0)) if len(points) else places


@dataclass(frozen=True)
class Verse:
    """Where each character of a text stands in its verse."""

    place: Ints
    """In its line of verse, from 1; 0 for a mark between lines, `[N]`."""
    line: Ints
    """The line of verse since an empty line or the beginning, from 1; that of a mark is the line before it, `[N]`."""
    size: Ints
    """The length of the line that it belongs to, `[N]`."""


def verse_of(points: Points) -> Verse:
    """The lines of verse of a text: what stands between marks, all of it 汉字."""
    inside = is_in(points, is_ideograph)
    begins = inside & ~np.concatenate([[False], inside[:-1]])[: len(points)]
    places = np.arange(len(points))
    line = begins.cumsum()
    empty = np.concatenate([[False], (points[1:] == ord("\n")) & (points[:-1] == ord("\n"))])[: len(points)]
    start = np.maximum.accumulate(np.where(begins, places, 0)) if len(points) else places
    place = np.where(inside, places - start + 1, 0)
    size = np.bincount(line, inside, minlength=1).astype(np.int64)[line]
    poem = np.maximum.accumulate(np.where(empty, line, 0)) if len(points) else line  # the lines before it
    return Verse(place, line - poem, size)


def verse_sizes(texts: Iterable[Points]) -> list[int]:
    """The lengths of the lines of a text in verse, one or two; none for prose.

    Verse has lines of 3 to 7 characters, nearly all of them of one or two lengths, and little but lines and marks.
    """
    inside, total = np.zeros(8, np.int64), 0
    """The number of characters in lines of each length; longer ones count as 0."""
    for points in texts:
        verse = verse_of(points)
        sizes = verse.size[verse.place > 0]
        inside += np.bincount(np.where(sizes <= 7, sizes, 0), minlength=8)
        total += len(points)
    characters = int(inside.sum())
    usual = [size for size in np.argsort(-inside).tolist()[:2] if size >= 3 and inside[size] >= 0.05 * characters]
    return sorted(usual) if characters >= 0.5 * total and inside[usual].sum() >= 0.8 * characters > 0 else []


def is_in(points: Points, of: Callable[[str], bool]) -> Bools:
    """Where a property of characters holds, `[N]`: `of` is asked once for each different one. Never at an END."""
    kinds, which = np.unique(points, return_inverse=True)
    return np.array([point != END and bool(of(chr(point))) for point in kinds.tolist()], np.bool_)[which]


def is_letter(character: str) -> bool:
    """Whether a character belongs to a word that is written in letters."""
    return unicodedata.category(character)[0] in "LM" and not is_ideograph(character)
