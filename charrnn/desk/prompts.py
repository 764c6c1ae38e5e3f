"""What a model knows of prompts. One that has just been read is not read again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from copy import copy

from charrnn.generation.stepper import Held, Stepper

MOST = 64
"""The prompts that are known already when they come again, as when many write from one beginning."""


class Prompts:
    """The prompts that came last, as a model has read them."""

    def __init__(self, model: Stepper, boundary: int) -> None:
        """A text begins with the boundary."""
        self._model, self._boundary = model, boundary
        self._known: OrderedDict[tuple[int, ...], Held] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, prompt: Sequence[int]) -> bool:
        return tuple(prompt) in self._known

    def read(self, prompt: Sequence[int]) -> Held:
        """What the model knows of a prompt."""
        key = tuple(prompt)
        with self._lock:
            held = self._known.pop(key, None)
        if held is None:
            model = copy(self._model)
            model.begin([self._boundary, *prompt], 1)
            held = model.state()
        with self._lock:
            self._known[key] = held
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return held
