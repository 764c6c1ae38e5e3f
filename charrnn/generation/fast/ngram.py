"""The n-gram without PyTorch. The docstring of `models.ngram.NGramModel` explains its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from charrnn.generation.filters import Doubles, Floats, Ints
from charrnn.generation.stepper import Held, Stepper
from charrnn.store.weights import Array, Table, Weights, ngram_tables

Ranks = npt.NDArray[np.int32]
"""The contexts of 1, 2, ... characters that N texts end with, `[N, order - 1]`; -1 for one that was not seen."""


class Tables:
    """The tables of an n-gram: which contexts a text has reached, and what may follow."""

    def __init__(self, order: int, vocab_size: int, weights: Mapping[str, Array]) -> None:
        """Raises CharrnnError where the tables are not those of such an n-gram."""
        self.order, self.vocab_size = order, vocab_size
        self.p_1, self.tables = ngram_tables(Weights(weights), order, vocab_size)

    def reached(self, ids: Sequence[int] = ()) -> Ranks:
        """The contexts `[1, order - 1]` with which a text ends, before which there are boundaries."""
        longest = self.order - 1
        text = [self.vocab_size - 1] * longest + list(ids)
        ranks = np.full((1, longest), -1, np.int32)
        for i in text[len(text) - longest :]:
            ranks = self.read(ranks, np.array([i]))
        return ranks

    def read(self, ranks: Ranks, ids: Ints) -> Ranks:
        """The contexts after one more character in each row, ids `[N]`."""
        after = np.empty_like(ranks)
        for row, before, i in zip(after, ranks.tolist(), ids.tolist(), strict=True):
            longer = (self._rank(table, h, i) for table, h in zip(self.tables, before, strict=True))
            row[:] = [i, *longer][: len(row)]
        return after

    def probabilities(self, ranks: Ranks) -> tuple[Doubles, Ints]:
        """p `[N, V]`, and the lengths `[N]` of the longest contexts that something followed.

        p_m(w | h) = own(hw) + gamma(h) p_{m-1}(w | h'), from m = 1 on.
        """
        p, known = np.tile(self.p_1, (len(ranks), 1)), np.zeros(len(ranks), np.int64)
        for n, (row, contexts) in enumerate(zip(p, ranks.tolist(), strict=True)):
            for h, (keys, own, gamma) in zip(contexts, self.tables, strict=True):
                if h < 0:
                    break  # a longer context was not seen either
                first, last = np.searchsorted(keys, (h * self.vocab_size, (h + 1) * self.vocab_size))
                row *= gamma[h]
                row[keys[first:last] - h * self.vocab_size] += own[first:last]
                known[n] += gamma[h] < 1
        return p, known

    def _rank(self, table: Table, h: int, w: int) -> int:
        """The rank of the context h w, or -1 if it was not seen."""
        key = h * self.vocab_size + w
        rank = int(np.searchsorted(table.keys, key))
        return rank if h >= 0 and table.keys[rank] == key else -1


class NGramStepper(Stepper):
    """A stepper that looks up the continuations of the last characters, from the shortest context to the longest."""

    def __init__(self, order: int, vocab_size: int, weights: Mapping[str, Array]) -> None:
        """Raises CharrnnError where the tables are not those of such an n-gram."""
        self._tables = Tables(order, vocab_size, weights)
        self._ranks = self._tables.reached()

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text once for `count` rows."""
        self._ranks = self._tables.reached(ids).repeat(count, axis=0)

    def state(self) -> Held:
        """The contexts that the texts have reached. Reading replaces them."""
        return (self._ranks,)

    def resume(self, state: Held, rows: Sequence[int] = (0,)) -> None:
        """Goes on from these rows of a state."""
        self._ranks = state[0][list(rows)]

    def step(self, ids: Ints) -> None:
        """Reads one more character in each row, ids `[N]`."""
        self._ranks = self._tables.read(self._ranks, ids)

    def logits(self) -> Floats:
        """ln p of the next character, `[N, V]`."""
        return np.log(self._tables.probabilities(self._ranks)[0]).astype(np.float32)
