"""What a unit might follow: what is so or not so after each character of a text, found by itself in the text.

What stands before a character tells it, or, of lines that all have the same length, lets one expect it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from charrnn.report.marks import BRACKETS, QUOTES, Bools, in_line, is_in, opened, verse_of, verse_sizes
from charrnn.report.texts import Points, shown

SPEAKER = re.compile(r"^[ \t\u3000]*((?![a-z])[^\W\d_](?:[^\W\d_]|[ .'’-]){0,23})[:：]", re.MULTILINE)
"""What may be a speaker: a name before a colon at the beginning of a line."""
LINES = 20
"""The fewest lines of a text in which a place in the line is looked for."""
TURNS = 5
"""The fewest turns of a speaker, and the fewest lines with an indentation."""
NEWLINE = ord("\n")


class Words(NamedTuple):
    """The same in both languages."""

    english: str
    chinese: str


QUOTES_MARKED = Words("quotes", "引号")
BRACKETS_MARKED = Words("brackets", "括号")
LINE_ENDS = Words("line ends", "行末换行")
LINE_BEGINS = Words("the beginnings of lines", "行首")
IN_NAMES = Words("what follows in the name and after it", "人名的后续及其后")
NAMES = Words("the names of speakers", "说话人的名字")
MARKS = Words("the marks after verses, and ends", "句末标点与篇末")
RHYMES = Words("the rhymes", "韵脚")


@dataclass(frozen=True)
class Feature:
    """Something that is so or not so after each character of a text."""

    said: Words
    """What is so."""
    concerning: Words
    """The characters whose prediction should depend on it."""
    labels: list[Bools]
    """Whether it is so after each character, for each text `[N]`."""
    concerned: list[Bools]
    """Which characters those are, for each text `[N]`."""
    quoted: str = ""
    """What of the text is in its name."""

    @property
    def name(self) -> str:
        """What is so, in English."""
        return self.said.english

    @property
    def concerns(self) -> str:
        """What it concerns, in English."""
        return self.concerning.english


def features(texts: Sequence[Points]) -> list[Feature]:
    """All features that occur in some texts."""
    sizes = verse_sizes(texts)
    lines = _verse(texts, sizes) if sizes else chain(_lines(texts), _speakers(texts))
    found = [*_marks(texts), *lines]
    return [one for one in found if any(labels.any() for labels in one.labels)]


def _marks(texts: Sequence[Points]) -> Iterator[Feature]:
    quotes = [opened(one, QUOTES, straight=True) for one in texts]
    marked = [one.opens | one.closes for one in quotes]
    yield Feature(Words("inside quotes", "引号之内"), QUOTES_MARKED, [one.depth > 0 for one in quotes], marked)
    brackets = [opened(one, BRACKETS) for one in texts]
    concerned = [one.opens | one.closes for one in brackets]
    once, twice = ([one.depth > depth for one in brackets] for depth in (0, 1))
    yield Feature(Words("inside brackets", "括号之内"), BRACKETS_MARKED, once, concerned)
    yield Feature(Words("two brackets deep", "两层括号之内"), BRACKETS_MARKED, twice, concerned)


def _lines(texts: Sequence[Points]) -> Iterator[Feature]:
    places = [in_line(one) for one in texts]
    ends = [one == NEWLINE for one in texts]
    if sum(map(np.count_nonzero, ends)) >= LINES:
        middle = int(np.median(np.concatenate(places)))
        late = [(place >= middle) & ~end for place, end in zip(places, ends, strict=True)]
        said = Words(f"late in the line (from character {middle + 1})", f"行的后段（从第 {middle + 1} 字起）")
        yield Feature(said, LINE_ENDS, late, ends)
    spaces = [_leading_spaces(one, place) for one, place in zip(texts, places, strict=True)]
    first = [place <= width for place, width in zip(places, spaces, strict=True)]
    lines = [width for place, own in zip(places, spaces, strict=True) for width in own[place == own].tolist()]
    usual = [width for width, count in enumerate(np.bincount(np.array(lines, np.int64))) if width and count >= TURNS]
    for i, width in enumerate(usual[:2]):
        said = Words("in an indented line", "在缩进的行里")
        if i:
            said = Words(f"in a line indented by {width} or more", f"在缩进 {width} 格以上的行里")
        yield Feature(said, LINE_BEGINS, [one >= width for one in spaces], first)


def _leading_spaces(points: Points, place: np.ndarray) -> np.ndarray:
    """The number of spaces read so far at the beginning of the line of each character, `[N]`."""
    space = is_in(points, lambda character: character in " \t\u3000")
    begins = np.flatnonzero((place == 0) & space)
    widths = np.zeros(len(points), np.int64)
    other = np.append(np.flatnonzero(~space), len(points))
    ends = np.append(np.flatnonzero(points == NEWLINE), len(points))
    for begin in begins.tolist():
        stop = int(other[np.searchsorted(other, begin)])
        end = int(ends[np.searchsorted(ends, begin)])
        widths[begin:stop] = np.arange(1, stop - begin + 1)
        widths[stop:end] = stop - begin
    return widths


def _speakers(texts: Sequence[Points]) -> Iterator[Feature]:
    whole = ["".join(shown(point) or "\0" for point in one.tolist()) for one in texts]
    turns = [[(match.start(1), match.end(), match[1]) for match in SPEAKER.finditer(text)] for text in whole]
    counts = Counter(name for one in turns for _, _, name in one)
    if sum(counts.values()) < 4 * TURNS or not (often := {name for name, count in counts.items() if count >= TURNS}):
        return
    names = [np.zeros(len(one), np.bool_) for one in texts]
    spoken: Counter[str] = Counter()
    speeches: dict[str, list[Bools]] = {name: [np.zeros(len(one), np.bool_) for one in texts] for name in often}
    for i, (one, points) in enumerate(zip(turns, texts, strict=True)):
        for (begin, end, name), after in zip(one, [*(turn[0] for turn in one[1:]), len(points)], strict=True):
            names[i][begin : end - 1] = True
            if name in often:
                speeches[name][i][end:after] = True
                spoken[name] += after - end
    next_ = [np.concatenate([[False], one[:-1]])[: len(one)] for one in names]
    yield Feature(Words("in a speaker's name", "在说话人的名字里"), IN_NAMES, names, next_)
    for name, _ in spoken.most_common(2):
        yield Feature(Words(f"{name} speaks", f"{name} 说话"), NAMES, speeches[name], names, quoted=name)


def _verse(texts: Sequence[Points], sizes: Sequence[int]) -> Iterator[Feature]:
    verses = [verse_of(one) for one in texts]
    marks = [one.place == 0 for one in verses]
    yield Feature(
        Words("second half of a verse", "一句诗的后半"),
        MARKS,
        [(2 * one.place > one.size) & (one.place > 0) for one in verses],
        marks,
    )
    yield Feature(Words("in an even verse", "在偶数句里"), MARKS, [one.line % 2 == 0 for one in verses], marks)
    rhymes = [(one.place == one.size) & (one.line % 2 == 0) & (one.place > 0) for one in verses]
    before = [np.concatenate([one[1:], [False]])[: len(one)] for one in rhymes]
    yield Feature(Words("the rhyme comes next", "下一字是韵脚"), RHYMES, before, rhymes)
    yield Feature(Words("from the third verse on", "从第三句起"), MARKS, [one.line > 2 for one in verses], marks)
    yield Feature(Words("from the fifth verse on", "从第五句起"), MARKS, [one.line > 4 for one in verses], marks)
    if len(sizes) > 1:
        long = [one.size == sizes[1] for one in verses]
        said = Words(f"in verses of {sizes[1]}, not {sizes[0]}", f"在{sizes[1]}字句里，而非{sizes[0]}字句")
        yield Feature(said, MARKS, long, marks)
