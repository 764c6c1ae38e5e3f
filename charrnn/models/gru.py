"""The gated recurrent unit (Cho et al. 2014, arXiv:1406.1078)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models.base import RecurrentLayer, State
from charrnn.models.layers import input_weights, orthogonal


class GRULayer(RecurrentLayer):
    r"""Mixes the old state with a new candidate, in proportions that it learns.

    .. math::
        r_t &= \sigma(U_r x_t + W_r h_{t-1} + b_r) \\
        z_t &= \sigma(U_z x_t + W_z h_{t-1} + b_z) \\
        n_t &= \tanh(U_n x_t + b_n + r_t \odot (W_n h_{t-1} + c)) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    As in cuDNN and PyTorch, r is applied after the product with W_n. Where z stays near 1, the state and the gradient
    pass unchanged.
    """

    recurrent_weights = ("W",)

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.U = nn.Parameter(input_weights(3 * hidden_size, input_size))  # rows of r, z, n
        self.W = nn.Parameter(orthogonal(hidden_size, 3))
        self.b = nn.Parameter(torch.zeros(3 * hidden_size))
        self.c = nn.Parameter(torch.zeros(hidden_size))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The equations above for one t: x `[B, D]`, state (h,) to h `[B, H]` and (h,)."""
        (h,) = state
        x_r, x_z, x_n = F.linear(x, self.U, self.b).chunk(3, dim=-1)
        h_r, h_z, h_n = F.linear(h, self.W).chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * (h_n + self.c))
        h = (1 - z) * n + z * h
        return h, (h,)
