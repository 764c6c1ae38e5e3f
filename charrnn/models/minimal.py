"""Minimal gated recurrences: the gates depend only on the input, so that all time steps are computed at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models.base import RecurrentLayer, State


class MinGRULayer(RecurrentLayer):
    r"""A running average in each unit. At each step the input decides how much of the average is kept.

    .. math::
        z_t &= [x_{t-1}; x_t] \\
        f_t &= \sigma(W_f z_t + b_f), \qquad v_t = W_v z_t + b_v, \qquad r_t = W_r z_t + b_r \\
        h_t &= f_t \odot h_{t-1} + (1 - f_t) \odot v_t \\
        y_t &= W_o (h_t \odot \mathrm{silu}(r_t))

    The equation of h is that of minGRU (arXiv:2410.01201, with f = 1 - z). As in QRNN (arXiv:1611.01576), a gate sees
    two characters. The output gate is close to that of SRU (arXiv:1709.02755). No gate depends on h, so the products
    with W are computed for the whole window at once, and only the third line is sequential. b_f is spread from -1
    (short memory) to 4 (long memory).
    """

    gate_count = 3

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.state_sizes = (hidden_size, input_size)
        self.W = nn.Linear(2 * input_size, self.gate_count * hidden_size)  # rows of v, r, f (and i)
        self.out = nn.Linear(hidden_size, hidden_size, bias=False)
        with torch.no_grad():
            self.W.bias[2 * hidden_size : 3 * hidden_size] = torch.linspace(-1, 4, hidden_size, device="cpu")
            self.out.weight *= 0.5  # so that a residual block at first changes x by little

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[T, B, D]`, state (h, the last x) to outputs `[T, B, H]` and the new state, with all gates at once."""
        h, last = state
        v, r, f = self.gates(torch.cat([torch.cat([last[None], x[:-1]]), x], dim=-1))
        states = []
        for f_t, v_t in zip(f, v, strict=True):
            h = f_t * h + (1 - f_t) * v_t
            states.append(h)
        return self.out(torch.stack(states) * F.silu(r)), (h, x[-1])

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The equations above for one t: x `[B, D]`, state (h, the last x) to y `[B, H]` and (h, x)."""
        h, last = state
        v, r, f = self.gates(torch.cat([last, x], dim=-1))
        h = f * h + (1 - f) * v
        return self.out(h * F.silu(r)), (h, x)

    def gates(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z `[..., 2 D]` to v, r and f `[..., H]`."""
        v, r, f = self.W(z).chunk(3, dim=-1)
        return v, r, torch.sigmoid(f)


class MinLSTMLayer(MinGRULayer):
    r"""A minGRU with a forget gate and an input gate, normalised so that their sum is 1.

    .. math::
        f'_t = \frac{f_t}{f_t + i_t}, \qquad i'_t = \frac{i_t}{f_t + i_t}, \qquad
        h_t = f'_t \odot h_{t-1} + i'_t \odot v_t

    These are the equations of arXiv:2410.01201, section 3.2.
    """

    gate_count = 4

    def gates(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z `[..., 2 D]` to v, r and f' `[..., H]`."""
        v, r, f, i = self.W(z).chunk(4, dim=-1)
        # With f = sigmoid(a) and i = sigmoid(b), f / (f + i) is the sigmoid of ln f - ln i.
        return v, r, torch.sigmoid(F.logsigmoid(f) - F.logsigmoid(i))
