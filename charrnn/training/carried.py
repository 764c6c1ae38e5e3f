"""The state that is carried from window to window."""

from __future__ import annotations

import torch
from torch import Tensor

from charrnn.models import LanguageModel, State
from charrnn.text.batches import Batch
from charrnn.training.distributed import Workers


class Carried:
    """The state of this worker's columns of a batch, and after `gather` the state of all columns."""

    def __init__(self, model: LanguageModel, workers: Workers) -> None:
        self._model, self._workers = model, workers
        self.own: State = ()
        self._all: State = ()
        self._columns = 0

    def begin(self, batch: Batch, forget: float, generator: torch.Generator) -> State:
        """The state before a batch. Texts that begin have the initial state, others with probability `forget`."""
        self._columns = batch.columns
        own = batch.inputs.shape[1]
        if batch.fresh:
            self.own = self._model.initial_state(own)
        elif forget:
            drawn = torch.rand(batch.columns, generator=generator, device=generator.device)
            self.own = self._replaced(drawn[self._workers.share] < forget)
        return self.own

    def _replaced(self, which: Tensor) -> State:
        """The state with the initial state in the columns where `which` `[B]` is true."""
        return tuple(
            torch.where(which.view(-1, *[1] * (now.ndim - 1)), then, now)
            for now, then in zip(self.own, self._model.initial_state(len(which)), strict=True)
        )

    def end(self, state: State, finite: Tensor) -> None:
        """Keeps the state after a batch without its gradient (truncated backpropagation through time).

        If `finite` is false, the step was not applied, and the state becomes the initial one.
        """
        fresh = self._model.initial_state(len(state[0]))
        self.own = tuple(torch.where(finite, now.detach(), then) for now, then in zip(state, fresh, strict=True))

    def gather(self) -> None:
        """Collects the states of all workers. All workers must call this at the same step."""
        if self._workers.count > 1 and self.own:
            self._all = self._workers.whole(self.own, self._model.initial_state(self._columns))

    @property
    def tensors(self) -> State:
        """The state of all columns, as it was at the last `gather`."""
        return self.own if self._workers.count == 1 else self._all

    def load(self, tensors: State) -> None:
        """Restores what `tensors` gave, with any number of workers."""
        self._all = tensors
        self.own = tuple(tensor[self._workers.share].clone() for tensor in tensors)
        self._columns = len(tensors[0]) if tensors else 0
