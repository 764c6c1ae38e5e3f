"""One text that grows and shrinks under a model that reads none of it twice."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from charrnn.errors import NoNumbers
from charrnn.generation.filters import Floats, log_softmax
from charrnn.generation.stepper import Stepper

NEAR = 64
"""How many characters before the end of a text that was read at once the states are kept from."""
KEPT = 512
"""The most states that are kept. Before them the text is read again."""


class Track:
    """The ids of a text, and what a model knows at each place of it. Nothing is read before it is asked for."""

    def __init__(self, model: Stepper, boundary: int) -> None:
        """The text follows the id `boundary`, and is empty. The model is copied."""
        self._model, self._boundary = copy(model), boundary
        self.ids: list[int] = []
        self._states: dict[int, Any] = {}
        """By the number of ids that were read, the oldest first."""
        self._at = -1
        """How many ids the model has read; -1 where it stands elsewhere."""

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: Sequence[int]) -> None:
        """Writes ids at the end."""
        self.ids += ids

    def cut(self, length: int) -> None:
        """Takes away what comes after `length` ids."""
        if length < len(self.ids):
            del self.ids[length:]
            self._states = {at: state for at, state in self._states.items() if at <= length}
            if self._at > length:
                self._at = -1

    def before(self, at: int, count: int) -> list[int]:
        """The last `count` of the first `at` ids."""
        return self.ids[max(0, at - count) : at]

    def log_probs(self, at: int) -> Floats:
        """ln p of each id after the first `at` ids, `[V]`. Raises NoNumbers where the model gives none."""
        self._go(at)
        found: Floats = log_softmax(self._model.logits())[0]
        if np.isnan(found).any():
            raise NoNumbers
        return found

    def ahead(self, at: int) -> Stepper:
        """A model of its own that has read the first `at` ids, in one row."""
        self._go(at)
        other = copy(self._model)
        other.resume(self._states[at])
        return other

    def _go(self, at: int) -> None:
        """Has the model read the first `at` ids."""
        near = max((n for n in self._states if n <= at), default=-1)
        if not near <= self._at <= at:
            self._at = near
            if near >= 0:
                self._model.resume(self._states[near])
        if self._at < 0 or at - self._at > max(NEAR, at // 4):  # `begin` takes a fraction of the time of so many steps
            self._at = max(0, at - NEAR)
            self._model.begin([self._boundary, *self.ids[: self._at]], 1)
            self._keep()
        while self._at < at:
            self._model.step(np.array([self.ids[self._at]]))
            self._at += 1
            self._keep()

    def _keep(self) -> None:
        if self._at not in self._states:
            self._states[self._at] = self._model.state()
            if len(self._states) > KEPT:
                del self._states[next(iter(self._states))]
