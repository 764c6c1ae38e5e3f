"""Where the held-out parts of a text lie: at its end, at the end of each file, or spread over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

PIECES = 20
"""The most pieces of a held-out part: enough that each kind of place in the text is among them."""
PIECE = 2_000
"""The fewest characters of a piece, if the text has enough of them: what is read across its edges is then little."""
NEAR = 500
"""The most characters by which an edge is moved to a line end."""

Ints = npt.NDArray[np.int64]
Way = Literal["spread", "tail", "each-file"]
LineEnds = Callable[[int, int], Ints]
"""The places from one to another at which lines begin, without the first one."""


def held_out(total: int, split: Sequence[float], way: Way, files: Ints, line_ends: LineEnds) -> list[Ints]:
    """The pieces `[P, 2]` of the training, validation and test part of a text of `total` characters.

    Every character belongs to exactly one part, and nothing is drawn: the parts depend on the text and the `split`
    alone. `tail` cuts the text into the three parts, and `each-file` each of its `files`, given by their edges
    `[F + 1]`. `spread` cuts it into equal stretches, and takes the middle of each away from the training part. An edge
    is moved to a line end near it, except with `tail`, whose parts the literature gives.
    """
    train, val = split[0], split[1]
    if way == "spread":
        edges = np.linspace(0, total, stretches(total, split) + 1).round().astype(np.int64)
        fractions, labels = [train / 2, train / 2 + val, 1 - train / 2], [0, 1, 2, 0]
    else:
        edges = np.array([0, total]) if way == "tail" else files
        fractions, labels = [train, train + val], [0, 1, 2]
    lengths = np.diff(edges)
    cuts = edges[:-1, None] + (lengths[:, None] * np.array(fractions)).round().astype(np.int64)
    if way != "tail":
        cuts = _at_line_ends(cuts, edges, line_ends)
    bounds = np.append(np.concatenate([edges[:-1, None], cuts], axis=1).ravel(), total)
    owner = np.tile(labels, len(lengths))
    return [_runs(bounds, owner == label) for label in range(3)]


def stretches(total: int, split: Sequence[float]) -> int:
    """The number of stretches, each with a piece of every held-out part of at least PIECE characters if it can be."""
    smallest = min((fraction for fraction in split[1:] if fraction), default=0.0)
    return max(1, min(PIECES, int(total * smallest / PIECE)))


def _runs(bounds: Ints, mine: npt.NDArray[np.bool_]) -> Ints:
    """The intervals between `bounds` `[M + 1]` that are `mine` `[M]`, without empty ones; those that touch are one."""
    there = mine & (np.diff(bounds) > 0)
    begins, ends = bounds[:-1][there], bounds[1:][there]
    first, last = np.ones(len(begins), bool), np.ones(len(begins), bool)
    first[1:] = begins[1:] != ends[:-1]
    last[:-1] = first[1:]
    return np.stack([begins[first], ends[last]], axis=1)


def _at_line_ends(cuts: Ints, edges: Ints, line_ends: LineEnds) -> Ints:
    """The `cuts` `[U, C]` of units between `edges` `[U + 1]`, each at the line end nearest to it if that is near.

    None moves by more than a third of an interval beside it, so that all stay in order, and empty ones stay empty.
    """
    bounds = np.concatenate([edges[:-1, None], cuts, edges[1:, None]], axis=1)
    beside = np.diff(bounds, axis=1)
    moved = cuts.copy()
    for unit, column in np.ndindex(*cuts.shape):
        cut = int(cuts[unit, column])
        room = min(NEAR, int(min(beside[unit, column], beside[unit, column + 1])) // 3)
        found = line_ends(cut - room, cut + room)
        if room and len(found):
            moved[unit, column] = found[np.abs(found - cut).argmin()]
    return moved


def line_ends_of(ids: npt.NDArray[Any], newline: int | None) -> LineEnds:
    """Finds line ends in ids, of which only the places looked at are read. None: there are no lines."""

    def line_ends(first: int, last: int) -> Ints:
        if newline is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(ids[first:last] == newline) + first + 1

    return line_ends
