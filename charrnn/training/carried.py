"""The state in which the texts of a batch go on, from window to window."""

from __future__ import annotations

import torch
from torch import Tensor

from charrnn.models import LanguageModel, State
from charrnn.text.batches import Batch
from charrnn.training.distributed import Workers


class Carried:
    """The state of this worker's columns, and after `gather` of all columns."""

    def __init__(self, model: LanguageModel, workers: Workers) -> None:
        self._model, self._workers = model, workers
        self.own: State = ()
        self._all: State = ()
        self._columns = 0

    def begin(self, batch: Batch, forget: float, generator: torch.Generator) -> State:
        """The state before a batch: the initial one of texts that begin, and with probability `forget` of others."""
        self._columns = batch.columns
        own = batch.inputs.shape[1]
        if batch.fresh:
            self.own = self._model.initial_state(own)
        elif forget:
            drawn = torch.rand(batch.columns, generator=generator, device=generator.device)
            self.own = self._replaced(drawn[self._workers.share] < forget)
        return self.own

    def _replaced(self, which: Tensor) -> State:
        """The state with that of some columns, `which` `[B]`, as it was before anything was read."""
        return tuple(
            torch.where(which.view(-1, *[1] * (now.ndim - 1)), then, now)
            for now, then in zip(self.own, self._model.initial_state(len(which)), strict=True)
        )

    def end(self, state: State, finite: Tensor) -> None:
        """Keeps the state after a batch, without its gradient: truncated backpropagation through time.

        Where the step was not applied because something was not `finite`, the state that led to it is forgotten.
        """
        fresh = self._model.initial_state(len(state[0]))
        self.own = tuple(torch.where(finite, now.detach(), then) for now, then in zip(state, fresh, strict=True))

    def gather(self) -> None:
        """Brings the parts of all workers together, which all of them must do at the same time."""
        if self._workers.count > 1 and self.own:
            self._all = self._workers.whole(self.own, self._model.initial_state(self._columns))

    @property
    def tensors(self) -> State:
        """The state of all columns when they were last gathered."""
        return self.own if self._workers.count == 1 else self._all

    def load(self, tensors: State) -> None:
        """Puts back what `tensors` gave, whatever the number of workers was then."""
        self._all = tensors
        self.own = tuple(tensor[self._workers.share].clone() for tensor in tensors)
        self._columns = len(tensors[0]) if tensors else 0
