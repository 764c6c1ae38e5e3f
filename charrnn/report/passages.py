"""Passages of a text that are read side by side, half of them to choose by and half to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.report.texts import Text
from charrnn.text.dataset import Array

LENGTH = 400
"""The most characters of a passage that are looked at."""
RUN_UP = 200
"""The most characters before them that are only read."""
FEWEST = 20
"""The fewest passages, into which a short text is cut."""


@dataclass(frozen=True)
class Passage:
    """A passage of a text."""

    text: int
    """Which one of the texts."""
    start: int
    """The first character that is looked at, and the one after the last."""
    stop: int
    begin: int
    """The first character that is read."""
    ids: Array
    """What is read, without the boundary before it, `[M]`."""
    read: Array
    """The place in `ids` of the last id of each character that is read, `[stop - begin]`."""

    @property
    def places(self) -> Array:
        """The same for each character that is looked at, `[stop - start]`."""
        return self.read[self.start - self.begin :]


def passages(texts: Sequence[Text], limit: int) -> list[Passage]:
    """Passages of about `limit` characters in all, from evenly spread places; all of a text that has no more."""
    total = sum(map(len, texts))
    length = max(1, min(LENGTH, min(total, limit) // FEWEST))
    cut = [
        (i, start, min(start + length, len(text)))
        for i, text in enumerate(texts)
        for start in range(0, len(text), length)
    ]
    count = max(1, min(len(cut), round(len(cut) * limit / max(total, 1))))
    chosen = np.unique(np.linspace(0, len(cut) - 1, count).round().astype(int))
    return [_passage(texts[cut[place][0]], *cut[place]) for place in chosen.tolist()]


def _passage(text: Text, i: int, start: int, stop: int) -> Passage:
    begin = max(0, start - RUN_UP)
    first = int(text.last[begin - 1]) + 1 if begin else 0
    last = text.last[begin:stop]
    return Passage(i, start, stop, begin, text.ids[first : int(last[-1]) + 1], last - first)


def of(passages: Sequence[Passage], values: Sequence[Array]) -> Array:
    """What belongs to each character of the passages, one after the other `[N]`, of what belongs to the texts `[N]`."""
    return np.concatenate([values[one.text][one.start : one.stop] for one in passages])
