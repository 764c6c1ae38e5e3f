"""Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models.base import RecurrentLayer, State
from charrnn.models.layers import ForgetBias, gate_biases, input_weights, orthogonal


class LSTMLayer(RecurrentLayer):
    r"""Keeps a memory c that changes by addition. Gates learn what to forget, to write and to show.

    .. math::
        i_t &= \sigma(U_i x_t + W_i h_{t-1} + b_i) \\
        f_t &= \sigma(U_f x_t + W_f h_{t-1} + b_f) \\
        g_t &= \tanh(U_g x_t + W_g h_{t-1} + b_g) \\
        o_t &= \sigma(U_o x_t + W_o h_{t-1} + b_o) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t, \qquad h_t = o_t \odot \tanh(c_t)

    These are the equations of arXiv:1503.04069 without peepholes. Along c the gradient is multiplied only by f, which
    may stay near 1: therefore it need not vanish. b_f starts at `forget_bias`. With 1, the cell at first keeps what it
    holds (Jozefowicz et al. 2015); this helps where a text has long dependencies, and costs some speed where it has
    none. `chrono` gives units memories of different lengths (`layers.gate_biases`). Each W starts orthogonal. U starts
    with a gain of 2, so that the input drives the gates from the first step; with 1 the network learns more slowly.
    """

    recurrent_weights = ("W",)

    def __init__(
        self, input_size: int, hidden_size: int, forget_bias: ForgetBias = 1.0, chrono_range: int = 128
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.state_sizes = (hidden_size, hidden_size)
        self.U = nn.Parameter(input_weights(4 * hidden_size, input_size, gain=2.0))  # rows of i, f, g, o
        self.W = nn.Parameter(orthogonal(hidden_size, 4))
        self.b = nn.Parameter(gate_biases(hidden_size, forget_bias, chrono_range))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The equations above for one t: x `[B, D]`, state (h, c) to h `[B, H]` and (h, c)."""
        h, c = state
        i, f, g, o = (F.linear(x, self.U, self.b) + F.linear(h, self.W)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)
