"""The gated recurrent unit (Cho et al. 2014, arXiv:1406.1078)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models import kernels
from charrnn.models.base import RecurrentLayer, State, input_weights, orthogonal


class GRULayer(RecurrentLayer):
    r"""Mixes the old state with a new candidate, in a proportion that it learns.

    .. math::
        r_t &= \sigma(U_r x_t + W_r h_{t-1} + b_r) \\
        z_t &= \sigma(U_z x_t + W_z h_{t-1} + b_z) \\
        n_t &= \tanh(U_n x_t + b_n + r_t \odot (W_n h_{t-1} + c)) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    This is the form in which r is applied after the product with W_n, as cuDNN and PyTorch have it. Where z stays near
    1 the state, and the gradient, pass unchanged.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.state_sizes = (hidden_size,)
        self.U = nn.Parameter(input_weights(3 * hidden_size, input_size))  # rows of r, z, n
        self.W = nn.Parameter(torch.cat([orthogonal(hidden_size) for _ in range(3)]))
        self.b = nn.Parameter(torch.zeros(3 * hidden_size))
        self.c = nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[T, B, D]`, state (h,) to outputs `[T, B, H]` and (h,)."""
        projected = self.project(x)
        if projected is not None:
            return self.recur(projected, state)
        inside = torch.cat([torch.zeros_like(self.b[: -len(self.c)]), self.c])
        weights = [self.U, self.drop_weights(self.W), self.b, inside]
        y, h = torch.gru(x, state[0][None].contiguous(), weights, True, 1, 0.0, self.training, False, False)
        return y, (h[0],)

    def project(self, x: Tensor) -> Tensor | None:
        """U x."""
        return kernels.project(x, self.U) if kernels.usable(x) else None

    def recur(self, projected: Tensor, state: State, ids: Tensor | None = None) -> tuple[Tensor, State]:
        """The rest of the equations for all t."""
        y = kernels.gru(projected, ids, self.b, self.drop_weights(self.W), self.c, *state)
        return y, (y[-1],)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The equations above for one t."""
        (h,) = state
        x_r, x_z, x_n = F.linear(x, self.U, self.b).chunk(3, dim=-1)
        h_r, h_z, h_n = F.linear(h, self.W).chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * (h_n + self.c))
        h = (1 - z) * n + z * h
        return h, (h,)
