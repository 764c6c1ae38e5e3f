"""The simple recurrent network (Elman 1990), with tanh or relu."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models import kernels
from charrnn.models.base import RecurrentLayer, State, input_weights, orthogonal


class RNNLayer(RecurrentLayer):
    r"""Remembers by adding: the new state is a squashed sum of the input and the old state.

    .. math:: h_t = f(U x_t + W h_{t-1} + b), \qquad f = \tanh \text{ or } \mathrm{relu}

    Back through k steps the gradient is multiplied k times by W and by f', so it vanishes or explodes
    (arXiv:1211.5063). What is done here against it: W starts orthogonal, so that at first it neither shrinks nor
    stretches; with relu it starts as the identity, so that the state at first keeps what it holds (IRNN,
    arXiv:1504.00941).
    """

    def __init__(self, input_size: int, hidden_size: int, activation: Literal["tanh", "relu"] = "tanh") -> None:
        super().__init__()
        self.state_sizes = (hidden_size,)
        self.activation = activation
        self.U = nn.Parameter(input_weights(hidden_size, input_size))
        self.W = nn.Parameter(torch.eye(hidden_size) if activation == "relu" else orthogonal(hidden_size))
        self.b = nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[T, B, D]`, state (h,) to outputs `[T, B, H]` and (h,)."""
        projected = self.project(x)
        if projected is not None:
            return self.recur(projected, state)
        kernel = torch.rnn_tanh if self.activation == "tanh" else torch.rnn_relu
        weights = [self.U, self.drop_weights(self.W), self.b, torch.zeros_like(self.b)]
        y, h = kernel(x, state[0][None].contiguous(), weights, True, 1, 0.0, self.training, False, False)
        return y, (h[0],)

    def project(self, x: Tensor) -> Tensor | None:
        """U x."""
        return kernels.project(x, self.U) if kernels.usable(x) else None

    def recur(self, projected: Tensor, state: State, ids: Tensor | None = None) -> tuple[Tensor, State]:
        """The rest of the equation for all t."""
        y = kernels.rnn(projected, ids, self.b, self.drop_weights(self.W), state[0], self.activation == "relu")
        return y, (y[-1],)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The equation above for one t."""
        f = torch.tanh if self.activation == "tanh" else torch.relu
        h = f(F.linear(x, self.U, self.b) + F.linear(state[0], self.W))
        return h, (h,)
