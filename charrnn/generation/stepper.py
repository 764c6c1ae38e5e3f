"""What a sampler needs of a model: read a text once, then go on character by character. Arrays, not tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charrnn.generation.filters import MEMORY, Filters, Floats, Ints, draw, log_softmax, races

Generators = Sequence[np.random.Generator]


class Stepper:
    """A model that has read some texts, one a row, and says what comes next. N rows, V the vocabulary."""

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text, which begins with the boundary, from a fresh state, once, for `count` rows.

        What it read before is forgotten, not changed.
        """
        raise NotImplementedError

    def logits(self) -> Floats:
        """What comes next: `[N, V]`."""
        raise NotImplementedError

    def step(self, ids: Ints) -> None:
        """Reads one more character in each row: `[N]`."""
        raise NotImplementedError

    def write(
        self, length: int, generators: Generators, filters: Filters, never: Sequence[int], recent: Ints
    ) -> tuple[Ints, Floats]:
        """Draws and reads `length` characters in each row: their ids and their ln p without filters, `[length, N]`.

        Each row has its random generator (see `draw`); `never` are ids that are not drawn, `recent` `[N, R]` the last
        characters before.
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
