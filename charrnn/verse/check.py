"""Judges regulated verse by its rules. Nothing here is shared with the automaton that writes it, but the readings.

The rules, as 王力 has them in 《詩詞格律》 (1962):

- 字數  four or eight lines of five or seven characters;
- 平仄  the second, fourth and sixth tone of a line alternate; 平平仄平仄 at the end of a line is right too;
- 句腳  an even line ends level, an odd one oblique; the first may end level, and then rhymes;
- 失對  in a couplet the second tones differ; 失黏 between couplets they agree;
- 孤平  in a line that ends level, 仄平仄仄平 has one level tone alone; 三平尾 three level tones stand at its end;
- 出韻  the even lines share a level rhyme group; 重韻 no rhyme word occurs twice.

A character with two readings has the one that is right in its place, and one that no table has passes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

from charrnn.text.forms import is_ideograph
from charrnn.verse.forms import FREE, Form, Way
from charrnn.verse.readings import Readings

LEVEL, OBLIQUE = "平", "仄"
REGULATED = {(5, 4): "五絕", (7, 4): "七絕", (5, 8): "五律", (7, 8): "七律"}
"""The regulated forms, by the characters in a line and the number of lines."""


@dataclass(frozen=True)
class Fault:
    """A rule that a poem breaks."""

    name: str
    line: int
    """From 1; 0 for the whole poem."""
    places: tuple[int, ...]
    """The characters of the line, from 1."""

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "the poem"
        return f"{self.name} ({where}{''.join(f', {place}' for place in self.places)})"


@dataclass(frozen=True)
class Judgement:
    """What the rules say of a poem."""

    lines: list[str]
    tones: list[str]
    """平, 仄, 中 (both) or ？ (unknown) for each character."""
    faults: list[Fault]
    asked: str = ""
    """The name of the form by which it was judged, if it was asked for."""

    @property
    def form(self) -> str:
        """The name of the form; empty if it is none."""
        if self.asked:
            return self.asked
        widths = {len(line) for line in self.lines}
        return REGULATED.get((widths.pop(), len(self.lines)), "") if len(widths) == 1 else ""

    @property
    def is_right(self) -> bool:
        """Whether no rule is broken."""
        return not self.faults

    def document(self) -> dict[str, Any]:
        """It as JSON."""
        faults = [{"name": fault.name, "line": fault.line, "places": list(fault.places)} for fault in self.faults]
        return {"form": self.form, "right": self.is_right, "lines": self.lines, "tones": self.tones, "faults": faults}


def divided(text: str) -> list[str]:
    """What stands between blank lines."""
    return re.split(r"\n[^\S\n]*\n\s*", text)


def poems_of(text: str) -> list[str]:
    """The poems of a text, between which there are blank lines: those that hold a Chinese character."""
    return [poem for poem in divided(text) if lines_of(poem)]


def lines_of(text: str) -> list[str]:
    """The lines of a poem: what stands between marks and line ends, in ideographs."""
    return [
        line for line in ("".join(filter(is_ideograph, part)) for part in re.split(r"[，。？！；：、\s]", text)) if line
    ]


def judge(text: str, readings: Readings) -> Judgement:
    """What the rules of regulated verse say of a poem."""
    lines = lines_of(text)
    tones = [[readings.tones(character) or frozenset({LEVEL, OBLIQUE}) for character in line] for line in lines]
    shown = ["".join(_shown(readings.tones(character)) for character in line) for line in lines]
    widths = {len(line) for line in lines}
    if len(lines) not in (4, 8) or widths not in ({5}, {7}):
        return Judgement(lines, shown, [Fault("字數", 0, ())])
    faults = [*_tone_faults(tones), *_rhyme_faults(lines, tones, readings)]
    return Judgement(lines, shown, faults)


def faults_of(text: str, form: Form, readings: Readings | None) -> dict[str, int]:
    """The names of the faults that a poem of a form has, and how many of each; without a table only 重字."""
    found: Counter[str] = Counter()
    if readings is not None:
        regulated = form.name in REGULATED.values()
        judgement = judge(text, readings) if regulated else judge_as(text, form, readings)
        found.update(fault.name for fault in judgement.faults)
    if not form.is_ci:
        found["重字"] = len(repeated("".join(lines_of(text))))
    return dict(+found)


def repeated(characters: str) -> list[int]:
    """The places of the characters of a poem that came before in it, but for those that are doubled (悠悠)."""
    return [
        place
        for place, character in enumerate(characters)
        if character in characters[:place] and characters[place - 1] != character
    ]


def judge_as(text: str, form: Form, readings: Readings) -> Judgement:
    """What a form says of a poem: its lines, its tones where it has any, and its rhymes.

    Of several ways the one with the fewest faults is taken. Rhymes in ci are those of 詞林正韻, and there a rhyme word
    may come again. A first line that the form does not have is passed over, as a title.
    """
    lines = lines_of(text)
    below = lines_of(text.strip().partition("\n")[2])
    if [len(line) for line in lines] != list(form.lines) == [len(line) for line in below]:
        lines = below
    read = [[readings.tones(character) for character in line] for line in lines]
    shown = ["".join(map(_shown, line)) for line in read]
    if [len(line) for line in lines] != list(form.lines):
        at = next((i for i, (line, n) in enumerate(zip(lines, form.lines, strict=False), 1) if len(line) != n), 0)
        return Judgement(lines, shown, [Fault("字數", at, ())], form.name)
    found = []
    for way in form.ways:
        faults = [
            min(([*_against(own, line, number)] for own in allowed), key=len)
            for number, (line, allowed) in enumerate(zip(read, way.tones, strict=False), 1)
        ]
        found.append([*chain(*faults), *_unrhymed(lines, way, readings, form.is_ci)])
    return Judgement(lines, shown, min(found, key=len), form.name)


def _against(wanted: str, line: Sequence[frozenset[str]], number: int) -> Iterator[Fault]:
    for place, (tone, own) in enumerate(zip(wanted, line, strict=True), 1):
        if own and tone in (LEVEL, OBLIQUE) and tone not in own:
            yield Fault("平仄", number, (place,))


def _unrhymed(lines: Sequence[str], way: Way, readings: Readings, in_ci: bool) -> Iterator[Fault]:
    """The lines that do not rhyme with most of their letter, and rhyme words that came before."""
    seen: set[str] = set()
    for letter in sorted(set(way.rhymes) - {FREE}):
        own = [number for number, other in enumerate(way.rhymes) if other == letter]
        ends = {way.tones[number][0][-1] for number in own} if way.tones else {LEVEL}
        tone = ends.pop() if len(ends) == 1 else "中"
        rhymes = readings.rhymes(tone, in_ci)
        groups = {number: readings.groups(lines[number][-1]) for number in own}
        fits = {name: {n for n in own if not groups[n] or groups[n] & parts} for name, parts in rhymes.items()}
        best = max(fits.values(), key=len)
        for number in own:
            if number not in best:
                yield Fault("出韻", number + 1, (len(lines[number]),))
            if lines[number][-1] in seen and not in_ci:
                yield Fault("重韻", number + 1, (len(lines[number]),))
            seen.add(lines[number][-1])


def _shown(tones: frozenset[str]) -> str:
    return "？" if not tones else "中" if len(tones) > 1 else next(iter(tones))


def _tone_faults(tones: Sequence[Sequence[frozenset[str]]]) -> list[Fault]:
    """The faults of the assignment of tones that has the fewest, line by line."""
    best: dict[tuple[str, str], list[Fault]] = {}
    for number, line in enumerate(tones, 1):
        now: dict[tuple[str, str], list[Fault]] = {}
        own: dict[tuple[str, str], list[Fault]] = {}
        for read in product(*(sorted(one) for one in line)):
            found = list(_line_faults(read, number))
            key = read[1], read[-1]
            if key not in own or len(found) < len(own[key]):
                own[key] = found
        for (second, end), found in own.items():
            for before, earlier in (best or {("", ""): []}).items():
                both = [*earlier, *found, *_between(before[0], second, number)]
                if (second, end) not in now or len(both) < len(now[second, end]):
                    now[second, end] = both
        best = now
    return min(best.values(), key=len)


def _line_faults(tones: Sequence[str], number: int) -> Iterator[Fault]:
    last = tones[-5:]
    exchanged = tuple(last) == (LEVEL, LEVEL, OBLIQUE, LEVEL, OBLIQUE)
    for place in range(1, len(tones) - 2, 2):
        at_end = place == len(tones) - 4
        if tones[place] == tones[place + 2] and not (exchanged and at_end):
            yield Fault("平仄", number, (place + 1, place + 3))
    if number % 2 == 0 and tones[-1] != LEVEL:
        yield Fault("句腳", number, (len(tones),))
    if number % 2 and number > 1 and tones[-1] != OBLIQUE:
        yield Fault("句腳", number, (len(tones),))
    if tuple(last) == (OBLIQUE, LEVEL, OBLIQUE, OBLIQUE, LEVEL):
        yield Fault("孤平", number, (len(tones) - 3,))
    if tuple(tones[-3:]) == (LEVEL,) * 3:
        yield Fault("三平尾", number, tuple(range(len(tones) - 2, len(tones) + 1)))


def _between(before: str, second: str, number: int) -> list[Fault]:
    """The fault between a line and the one before it."""
    if not before:
        return []
    if number % 2 == 0:
        return [] if before != second else [Fault("失對", number, (2,))]
    return [] if before == second else [Fault("失黏", number, (2,))]


def _rhyme_faults(
    lines: Sequence[str], tones: Sequence[Sequence[frozenset[str]]], readings: Readings
) -> Iterator[Fault]:
    words = [(number, line[-1]) for number, line in enumerate(lines, 1) if number % 2 == 0]
    if tones[0][-1] == {LEVEL}:
        words.insert(0, (1, lines[0][-1]))
    level = [(number, word, readings.groups(word) & readings.level.keys()) for number, word in words]
    known = [(number, word, groups) for number, word, groups in level if groups]
    most = max((sum(name in groups for _, _, groups in known), name) for name in readings.level)[1] if known else ""
    for number, _, groups in known:
        if most not in groups:
            yield Fault("出韻", number, (len(lines[number - 1]),))
    seen: set[str] = set()
    for number, word in words:
        if word in seen:
            yield Fault("重韻", number, (len(lines[number - 1]),))
        seen.add(word)
