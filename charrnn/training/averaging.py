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
    r"""A running mean of a model's weights, which can take their place for a while.

    .. math:: \bar w_n = \bar w_{n-1} + \max(1/n, 1 - d) (w_n - \bar w_{n-1})

    With d = 1 it is the mean of all w since it began (Polyak & Juditsky, SIAM J. Control 30, 1992; AWD-LSTM,
    arXiv:1708.02182, section 3); below 1 it forgets, and the first steps have no more weight than the others.
    """

    def __init__(self, model: LanguageModel, config: TrainingConfig) -> None:
        self._weights = dict(model.named_parameters())
        self._after = None if config.average_after is None else parse_interval(config.average_after)
        self._decay = config.average_decay
        self._count = 0
        self._hidden: dict[str, Tensor] = {}  # the mean, or while that is shown, the weights that are being trained
        self._is_shown = False

    def update(self, now: Progress) -> None:
        """Takes the weights into the mean, if it has begun."""
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
        """Inside, the model has its averaged weights, if there are any yet."""
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
            for name, value in self._hidden.items():  # in place: others may know where the weights lie
                other = value.clone()
                value.copy_(self._weights[name])
                self._weights[name].copy_(other)

    def tensors(self) -> dict[str, Tensor]:
        """The weights that are not in the model at this moment: the mean, or those that it hides."""
        return self._hidden

    def standing(self) -> Averaged:
        """What the tensors are."""
        return Averaged(count=self._count, shown=self._is_shown)

    def load(self, tensors: dict[str, Tensor], standing: Averaged) -> None:
        """Puts back what `tensors` and `standing` gave, when the model has the weights that it had then."""
        self._count, self._is_shown = standing.count, standing.shown
        self._hidden = {name: tensors[name].to(w.device) for name, w in self._weights.items() if name in tensors}
        self._show(False)
        if self._after is None:  # the user has switched it off
            self._count, self._hidden = 0, {}
