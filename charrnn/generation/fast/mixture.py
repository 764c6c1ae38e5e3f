"""A network and an n-gram together, without PyTorch. `models.mixture.Mixture` has the equation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from charrnn.generation.filters import Floats, Ints, log_softmax
from charrnn.generation.stepper import Stepper
from charrnn.native.counts import Counts
from charrnn.store.weights import Array, Table, Weights, misfit, ngram_tables

PREFIX = "ngram."


class MixedCounts:
    """The n-gram of a mixture, with the powers of network and n-gram for each length of a known context."""

    def __init__(self, order: int, vocab_size: int, weights: Mapping[str, Array]) -> None:
        """Raises CharrnnError where the tables are not those of such an n-gram."""
        own = {name.removeprefix(PREFIX): array for name, array in weights.items() if name.startswith(PREFIX)}
        self.p_1, self._tables = ngram_tables(Weights(own), order, vocab_size)
        if "trust" not in weights or weights["trust"].shape != (order, 2):
            raise misfit("trust is missing, or of another shape")
        self.trust: Floats = weights["trust"].astype(np.float32)
        self.vocab_size, self.order = vocab_size, order

    @cached_property
    def address(self) -> int:
        """The address of the tables in the form that C reads."""
        self._held = Counts(self.p_1, self._tables, self.trust)
        return self._held.address

    @property
    def beginning(self) -> npt.NDArray[np.int32]:
        """The ranks `[1, order - 1]` of the contexts before a text: only boundaries, which were seen alone at most."""
        ranks = [self.vocab_size - 1]
        for table in self._tables[:-1]:
            ranks.append(_rank(table, ranks[-1], self.vocab_size - 1, self.vocab_size))
        return np.array([ranks[: self.order - 1]], np.int32)

    def read(self, ranks: npt.NDArray[np.int32], ids: Ints) -> npt.NDArray[np.int32]:
        """The ranks `[N, order - 1]` of the contexts after one more character in each row, ids `[N]`."""
        after = np.empty_like(ranks)
        for row, before, i in zip(after, ranks.tolist(), ids.tolist(), strict=True):
            row[:] = [i, *(_rank(t, h, i, self.vocab_size) for t, h in zip(self._tables, before, strict=False))][
                : len(row)
            ]
        return after

    def mix(self, logits: Floats, ranks: npt.NDArray[np.int32]) -> Floats:
        """The network's logits `[N, V]` to those of the mixture."""
        p = np.tile(self.p_1, (len(ranks), 1))
        known = np.zeros(len(ranks), np.int64)
        for n, (row, contexts) in enumerate(zip(p, ranks.tolist(), strict=True)):
            for h, (keys, own, gamma) in zip(contexts, self._tables, strict=True):
                if h < 0:
                    break  # a longer context was not seen either
                first, last = np.searchsorted(keys, (h * self.vocab_size, (h + 1) * self.vocab_size))
                row *= gamma[h]
                row[keys[first:last] - h * self.vocab_size] += own[first:last]
                known[n] += gamma[h] < 1
        a, b = self.trust[known].T[:, :, None]
        return a * log_softmax(logits) + b * np.log(p).astype(np.float32)


def _rank(table: Table, h: int, w: int, vocab_size: int) -> int:
    """The rank of the context h w, or -1 if it was not seen."""
    key = h * vocab_size + w
    rank = int(np.searchsorted(table.keys, key))
    return rank if h >= 0 and table.keys[rank] == key else -1


class MixtureStepper(Stepper):
    """A stepper of a network, and an n-gram beside it."""

    def __init__(self, network: Stepper, counts: MixedCounts) -> None:
        self._network, self._counts = network, counts
        self._ranks = counts.beginning

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text once for `count` rows."""
        self._network.begin(ids, count)
        ranks = self._counts.beginning
        for i in ids:
            ranks = self._counts.read(ranks, np.array([i]))
        self._ranks = ranks.repeat(count, axis=0)

    def step(self, ids: Ints) -> None:
        """Reads one more character in each row, ids `[N]`."""
        self._network.step(ids)
        self._ranks = self._counts.read(self._ranks, ids)

    def logits(self) -> Floats:
        """ln p of the next character up to a constant, `[N, V]`."""
        return self._counts.mix(self._network.logits(), self._ranks)
