"""A network and an n-gram together, without PyTorch. `models.mixture.Mixture` has the equation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property

import numpy as np

from charrnn.generation.fast.ngram import Ranks, Tables
from charrnn.generation.filters import Floats, Ints, log_softmax
from charrnn.generation.stepper import Held, Stepper
from charrnn.native.counts import Counts
from charrnn.store.weights import Array, misfit

PREFIX = "ngram."


class MixedCounts(Tables):
    """The n-gram of a mixture, with the powers of network and n-gram for each length of a known context."""

    def __init__(self, order: int, vocab_size: int, weights: Mapping[str, Array]) -> None:
        """Raises CharrnnError where the tables are not those of such an n-gram."""
        own = {name.removeprefix(PREFIX): array for name, array in weights.items() if name.startswith(PREFIX)}
        super().__init__(order, vocab_size, own)
        trust = weights.get("trust")
        if trust is None or trust.ndim != 2 or len(trust) != order or trust.shape[1] not in (2, 3):
            raise misfit("trust is missing, or of another shape")
        # Nothing is counted lately where the model writes: that expert is then the n-gram.
        self.trust: Floats = np.stack([trust[:, 0], trust[:, 1:].sum(axis=1)], axis=1).astype(np.float32)

    @cached_property
    def address(self) -> int:
        """The address of the tables in the form that C reads."""
        self._held = Counts(self.p_1, self.tables, self.trust)
        return self._held.address

    def mix(self, logits: Floats, ranks: Ranks) -> Floats:
        """The network's logits `[N, V]` to those of the mixture."""
        p, known = self.probabilities(ranks)
        a, b = self.trust[known].T[:, :, None]
        return a * log_softmax(logits) + b * np.log(p).astype(np.float32)


class MixtureStepper(Stepper):
    """A stepper of a network, and an n-gram beside it."""

    def __init__(self, network: Stepper, counts: MixedCounts) -> None:
        self._network, self._counts = network, counts
        self._ranks = counts.reached()

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text once for `count` rows, with a network of its own."""
        self._network = copy(self._network)
        self._network.begin(ids, count)
        self._ranks = self._counts.reached(ids).repeat(count, axis=0)

    def state(self) -> Held:
        """The network's state, and the contexts that the texts have reached."""
        return (*self._network.state(), self._ranks)

    def resume(self, state: Held, rows: Sequence[int] = (0,)) -> None:
        """Goes on from these rows of a state, with a network of its own."""
        self._network = copy(self._network)
        self._network.resume(state[:-1], rows)
        self._ranks = state[-1][list(rows)]

    def step(self, ids: Ints) -> None:
        """Reads one more character in each row, ids `[N]`."""
        self._network.step(ids)
        self._ranks = self._counts.read(self._ranks, ids)

    def logits(self) -> Floats:
        """ln p of the next character up to a constant, `[N, V]`."""
        return self._counts.mix(self._network.logits(), self._ranks)
