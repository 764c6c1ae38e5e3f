"""Penalties on the outputs of a recurrence, for small activations and for slow changes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from charrnn.config import TrainingConfig
from charrnn.models import LanguageModel
from charrnn.models.recurrent import Trunk


class ActivationPenalty:
    r"""The penalty on the output h of the last recurrent layer (arXiv:1708.01009, equations 1 and 2).

    .. math:: \alpha \, \mathrm{mean}((m \odot h_t)^2) + \beta \, \mathrm{mean}((h_t - h_{t-1})^2)

    m is the dropout mask. The means replace the paper's norms, as in AWD-LSTM's own code.
    """

    def __init__(self, model: LanguageModel, config: TrainingConfig) -> None:
        self._alpha, self._beta = config.activation_penalty, config.slowness_penalty
        self._terms: list[Tensor] = []
        self._model = model
        for trunk in model.modules():
            if isinstance(trunk, Trunk) and (self._alpha or self._beta):
                trunk.dropouts[-1].register_forward_hook(self._see)

    def _see(self, _: nn.Module, inputs: tuple[Tensor], dropped: Tensor) -> None:
        """A hook that is called with the output of the last recurrence, `[T, B, H]`, before and after dropout."""
        (raw,) = inputs
        if not self._model.training:
            return
        if self._alpha:
            self._terms.append(self._alpha * dropped.float().square().mean())
        if self._beta and len(raw) > 1:
            self._terms.append(self._beta * raw.float().diff(dim=0).square().mean())

    def take(self) -> Tensor | float:
        """The penalty of the last forward pass, a scalar; it is then forgotten."""
        terms, self._terms = self._terms, []
        return torch.stack(terms).sum() if terms else 0.0
