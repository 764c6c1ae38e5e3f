"""The interface of a model for a sampler: it reads a prompt, then goes on character by character, in NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.generation.filters import MEMORY, Filters, Floats, Ints, by_row, draw, log_softmax, races

Generators = Sequence[np.random.Generator]
Held = tuple[npt.NDArray[Any], ...]
"""What a stepper knows of N texts: arrays `[N, ...]`, whose rows can be joined with those of others (`joined`)."""


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

    def state(self) -> Held:
        """What it knows of the texts that it has read, from which `resume` goes on at any time."""
        raise NotImplementedError

    def resume(self, state: Held, rows: Sequence[int] = (0,)) -> None:
        """Goes on from these rows of a state, each any number of times, as if it had read their texts. The state stays
        as it is.

        Arrays of an earlier text are replaced, not changed.
        """
        raise NotImplementedError

    def apart(self) -> list[Stepper]:
        """Steppers of the same model for threads that write texts of their own at the same time, one for each thread:
        as many as there are cores, and one where a stepper uses all cores by itself.
        """
        return [copy(self)]

    def write(
        self, length: int, generators: Generators, filters: Sequence[Filters], never: Sequence[int], recent: Ints
    ) -> tuple[Ints, Floats]:
        """Draws and reads `length` characters in each row. Gives the ids and their ln p without filters, `[length, N]`.

        Each row has its own random generator and filters. `never` holds ids that are not drawn, `recent` `[N, R]` the
        characters before.
        """
        chosen, gained = [], []
        rows, race = np.arange(len(generators)), races(generators, length, self.logits().shape[1])
        for k in range(length):
            log_probs = log_softmax(self.logits())
            allowed = log_probs.copy()
            allowed[:, never] = -np.inf
            chosen.append(draw(by_row(filters, allowed, recent), race[:, k]))
            gained.append(log_probs[rows, chosen[-1]])
            recent = np.concatenate([recent, chosen[-1][:, None]], axis=1)[:, -MEMORY:]
            self.step(chosen[-1])
        return np.array(chosen), np.array(gained)


def joined(states: Sequence[Held]) -> Held:
    """The rows of several states of one model, one after the other."""
    return tuple(np.concatenate(parts) for parts in zip(*states, strict=True))
