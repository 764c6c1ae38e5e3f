"""The mean of the weights over the last part of a training, which is often better than the last weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from charrnn.config import TrainingConfig, parse_interval
from charrnn.models import LanguageModel
from charrnn.training.schedule import Progress
from charrnn.training.standing import Averaged


class Average:
    r"""A running mean of a model's weights, which can replace them for a while.

    .. math:: \bar w_n = \bar w_{n-1} + \max(1/n, 1 - d) (w_n - \bar w_{n-1})

    With d = 1 it is the mean of all w since its beginning (Polyak & Juditsky, SIAM J. Control 30, 1992; AWD-LSTM,
    arXiv:1708.02182, section 3). With d below 1 it forgets, and 1/n keeps the first w from having a greater share.
    """

    def __init__(self, model: LanguageModel, config: TrainingConfig) -> None:
        self._weights = dict(model.named_parameters())
        self._after = None if config.average_after is None else parse_interval(config.average_after)
        self._decay = config.average_decay
        self._count = 0
        self._hidden: dict[str, Tensor] = {}  # the mean; while the model has the mean, the trained weights
        self._is_shown = False

    def update(self, now: Progress) -> None:
        """Adds the current weights to the mean, if `average_after` has passed."""
        if self._after is None or now.count(self._after) < 1:
            return
        self._count += 1
        if self._count == 1:
            self._hidden = {name: weight.detach().clone() for name, weight in self._weights.items()}
            return
        with torch.no_grad():
            share = max(1 / self._count, 1 - self._decay)
            torch._foreach_lerp_(list(self._hidden.values()), list(self._weights.values()), share)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """A context in which the model has its averaged weights, if there are any yet."""
        self._show(True)
        try:
            yield
        finally:
            self._show(False)

    def _show(self, shown: bool) -> None:
        if shown == self._is_shown:
            return
        self._is_shown = shown
        with torch.no_grad():
            for name, value in self._hidden.items():  # in place, because the optimizer's vectors hold the weights
                other = value.clone()
                value.copy_(self._weights[name])
                self._weights[name].copy_(other)

    def tensors(self) -> dict[str, Tensor]:
        """The weights that are not in the model now: the mean, or while the model has the mean, the trained ones."""
        return self._hidden

    def standing(self) -> Averaged:
        """The record that says what `tensors` are."""
        return Averaged(count=self._count, shown=self._is_shown)

    def load(self, tensors: dict[str, Tensor], standing: Averaged) -> None:
        """Restores what `tensors` and `standing` gave. The model must have the weights that it had then."""
        self._count, self._is_shown = standing.count, standing.shown
        if self._count and {name: (t.shape, t.dtype) for name, t in tensors.items()} != {
            name: (weight.shape, weight.dtype) for name, weight in self._weights.items()
        }:
            raise ValueError("its averaged weights are not those of the model")
        self._hidden = {name: tensors[name].to(w.device) for name, w in self._weights.items() if self._count}
        self._show(False)
        if self._after is None:  # the user has switched it off
            self._count, self._hidden = 0, {}
