"""The interface of a model for a sampler: it reads a prompt, then goes on character by character, in NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charrnn.generation.filters import MEMORY, Filters, Floats, Ints, draw, log_softmax, races

Generators = Sequence[np.random.Generator]


class Stepper:
    """A model that has read N texts, one in each row, and predicts their next characters. V is the vocabulary."""

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text once for `count` rows, from a fresh state. The text begins with the boundary.

        Arrays of an earlier text are replaced, not changed.
        """
        raise NotImplementedError

    def logits(self) -> Floats:
        """The logits of the next character, `[N, V]`."""
        raise NotImplementedError

    def step(self, ids: Ints) -> None:
        """Reads one more character in each row, ids `[N]`."""
        raise NotImplementedError

    def write(
        self, length: int, generators: Generators, filters: Filters, never: Sequence[int], recent: Ints
    ) -> tuple[Ints, Floats]:
        """Draws and reads `length` characters in each row. Gives the ids and their ln p without filters, `[length, N]`.

        Each row has its own random generator. `never` holds ids that are not drawn, `recent` `[N, R]` the characters
        before.
        """
        chosen, gained = [], []
        rows, race = np.arange(len(generators)), races(generators, length, self.logits().shape[1])
        for k in range(length):
            log_probs = log_softmax(self.logits())
            allowed = log_probs.copy()
            allowed[:, never] = -np.inf
            chosen.append(draw(filters(allowed, recent), race[:, k]))
            gained.append(log_probs[rows, chosen[-1]])
            recent = np.concatenate([recent, chosen[-1][:, None]], axis=1)[:, -MEMORY:]
            self.step(chosen[-1])
        return np.array(chosen), np.array(gained)
