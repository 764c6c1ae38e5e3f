"""What a text shares with the text that its model has learnt from, while it grows and shrinks at its end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from charrnn.evaluation.novelty import Ints, Learnt, runs_of


class Copying:
    """Which ids of a text stand in runs of `least` or more that the training part has too. What has not changed since
    the last look is not looked up again.
    """

    def __init__(self, learnt: Learnt, least: int) -> None:
        self.least = least
        self.longest = 0
        """The length of the longest run, which may be a shorter one."""
        self._learnt = learnt
        self._ids: Ints = np.zeros(0, np.int64)
        self._lengths: Ints = np.zeros(0, np.int64)
        """The longest run that begins at each place."""

    def follow(self, ids: Sequence[int]) -> list[bool]:
        """Takes the text as it is now, `[M]`. Gives of each id whether it is copied."""
        now, before = np.asarray(ids, np.int64), self._ids
        most = min(len(now), len(before))
        changed = np.flatnonzero(now[:most] != before[:most])
        same = int(changed[0]) if len(changed) else most
        # No run ends before one that begins further left, and one that ends before the change stays as it is.
        ends = np.arange(same) + self._lengths[:same]
        first = int(np.searchsorted(ends, same))
        self._ids = now
        self._lengths = np.concatenate([self._lengths[:first], self._learnt.suffixes.lengths(now[first:])])
        runs = runs_of(self._lengths)
        lengths = runs[:, 1] - runs[:, 0]
        self.longest = int(lengths.max(initial=0))
        edges = np.zeros(len(now) + 1, np.int64)
        np.add.at(edges, runs[lengths >= self.least, 0], 1)
        np.add.at(edges, runs[lengths >= self.least, 1], -1)
        copied: list[bool] = (edges.cumsum()[:-1] > 0).tolist()
        return copied

    def lengthen(self, beginnings: Sequence[Sequence[int]]) -> list[bool]:
        """Of each of some beginnings of what comes next whether a run of `least` or more would stand in it, or end."""
        before = self._ids[max(0, len(self._ids) - self.least + 1) :].tolist()
        apart = self._learnt.vocabulary.unknown  # which is in no run
        parts = [[*before, *ids, apart] for ids in beginnings]
        lengths = self._learnt.suffixes.lengths(np.array([one for part in parts for one in part], np.int64))
        edges = np.cumsum([0, *map(len, parts)])
        return [bool((lengths[a:b] >= self.least).any()) for a, b in pairwise(edges)]
