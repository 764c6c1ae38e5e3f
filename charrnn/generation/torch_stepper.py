"""Steps with a PyTorch model on any device: during training, on CUDA, and where there is no faster way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from charrnn.generation.filters import Floats, Ints
from charrnn.generation.stepper import Held, Stepper
from charrnn.models import LanguageModel, State

WINDOW = 256
"""The number of characters of a prompt that are read at once."""


class TorchStepper(Stepper):
    """A stepper that calls `step` of what writes in a model."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model.writer
        self._logits: torch.Tensor
        self._state: State

    @torch.no_grad()
    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text in windows, in one row, and copies the result to `count` rows."""
        text = torch.tensor(ids, device=self._model.device)[:, None]
        features, state = text, self._model.initial_state(1)
        for i in range(0, len(ids), WINDOW):
            features, state = self._model.features(text[i : i + WINDOW], state)
        self._logits = self._model.readout(features[-1]).expand(count, -1)
        self._state = tuple(s.expand(count, *s.shape[1:]).contiguous() for s in state)

    def logits(self) -> Floats:
        """The logits of the next character, `[N, V]`, on the CPU."""
        return self._logits.float().cpu().numpy().astype(np.float32, copy=False)

    def state(self) -> Held:
        """The logits and the state of the model, on the CPU. A step replaces them."""
        return tuple(tensor.cpu().numpy() for tensor in (self._logits, *self._state))

    def resume(self, state: Held, rows: Sequence[int] = (0,)) -> None:
        """Goes on from these rows of a state."""
        logits, *own = (torch.from_numpy(array[list(rows)]).to(self._model.device) for array in state)
        self._logits, self._state = logits, tuple(own)

    @torch.no_grad()
    def step(self, ids: Ints) -> None:
        """Reads one more character in each row, ids `[N]`."""
        self._logits, self._state = self._model.step(torch.from_numpy(ids).to(self._model.device), self._state)
