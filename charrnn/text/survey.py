"""A survey of a text before it is learnt from: its encoding, its alphabet, its lines, and what blank lines divide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.text.encoding import Recognised, common, recognise
from charrnn.text.reader import Damage, Report, read_text
from charrnn.text.vocab import CODE_POINTS, count

LOOKED_AT = 10_000_000
"""The most characters whose lines are looked at, those of the beginning."""
BLANK = " \t\u3000"
"""What a blank line may hold."""


@dataclass(frozen=True)
class Survey:
    """What a survey of a text found."""

    files: list[Path]
    encoding: Recognised
    """The encoding of all files, or `auto` if they differ."""
    damage: Damage | None
    """The bytes that are not in it, which are left out; None if there are none."""
    counts: npt.NDArray[np.int64]
    """The number of occurrences of every code point, `[0x110000]`."""
    lengths: list[int]
    """The characters of each file."""
    blocks: list[list[str]]
    """The lines of each block between blank lines or ends of files, among those looked at."""

    @cached_property
    def characters(self) -> int:
        """The characters of the text."""
        return int(self.counts.sum())

    @cached_property
    def alphabet(self) -> int:
        """The number of different characters."""
        return int((self.counts > 0).sum())

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not blank, among those looked at."""
        return [line for block in self.blocks for line in block]

    @cached_property
    def ideographs(self) -> float:
        """The share of Chinese and Japanese characters among those that are not ASCII punctuation and spaces."""
        return float(self.counts[0x2E80:0xA000].sum() / max(1, self.counts[0x30:].sum()))


def survey(files: Sequence[Path], progress: Report = lambda _: None) -> Survey:
    """Surveys a text. Raises CharrnnError where it cannot be read, is in no known encoding, or is empty."""
    found, damage = [recognise(file) for file in files], Damage()
    counts = np.zeros(CODE_POINTS, np.int64)
    lengths, blocks, left = [], [], LOOKED_AT
    for file, one in zip(files, found, strict=True):
        before, looked_at = int(counts.sum()), []
        for piece in read_text(file, one.name, lambda data: progress(len(data)), errors="skip", damage=damage):
            count(piece, counts)
            if left > 0:
                looked_at.append(piece[:left])
                left -= len(piece)
        lengths.append(int(counts.sum()) - before)
        blocks += _blocks("".join(looked_at))
    if not counts.sum():
        raise CharrnnError(
            f"{files[0]}: the text is empty; at least a few thousand characters are needed to learn from"
        )
    return Survey(list(files), common(found), damage if damage.count else None, counts, lengths, blocks)


def _blocks(text: str) -> list[list[str]]:
    return [list(lines) for there, lines in groupby(text.split("\n"), lambda line: bool(line.strip(BLANK))) if there]


def middle(lengths: Sequence[int]) -> float:
    """The median, 0 of nothing."""
    return median(lengths) if lengths else 0.0
