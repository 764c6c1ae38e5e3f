"""The sLSTM (Beck et al. 2024, arXiv:2405.04517, section 2.2): an LSTM whose input gate has no upper bound."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models.base import RecurrentLayer, State
from charrnn.models.layers import input_weights

NOTHING = -1e30
"""The stabiliser before anything is read. e to its power is 0; -∞ would be the same, but no checkpoint holds it."""


class SLSTMLayer(RecurrentLayer):
    r"""Revises what it has stored: the exponential gate lets a new value outweigh all older ones.

    .. math::
        z_t &= \tanh(U_z x_t + W_z h_{t-1} + b_z), \qquad i_t = \exp(U_i x_t + W_i h_{t-1} + b_i) \\
        f_t &= \sigma(U_f x_t + W_f h_{t-1} + b_f), \qquad o_t = \sigma(U_o x_t + W_o h_{t-1} + b_o) \\
        c_t &= f_t c_{t-1} + i_t z_t, \qquad n_t = f_t n_{t-1} + i_t, \qquad h_t = o_t\, c_t / n_t

    These are equations 8 to 14 of the paper, with one head, and with the sigmoid as forget gate. The normaliser n is
    the sum of all weights in c, so that c/n is a weighted mean of all z so far. i would overflow. The stabiliser m
    (equations 15 to 17) divides c and n by the same number, which leaves h as it is:

    .. math::
        m_t = \max(\log f_t + m_{t-1}, \log i_t), \qquad
        i'_t = e^{\log i_t - m_t}, \qquad f'_t = e^{\log f_t + m_{t-1} - m_t}

    i' and f' take the places of i and f. W starts at 0, as in the authors' code.
    """

    recurrent_weights = ("W",)

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.state_sizes = (hidden_size,) * 4
        self.U = nn.Parameter(input_weights(4 * hidden_size, input_size))  # rows of z, i, f, o
        self.W = nn.Parameter(torch.zeros(4 * hidden_size, hidden_size))
        self.b = nn.Parameter(torch.zeros(4 * hidden_size))
        with torch.no_grad():
            self.b[2 * hidden_size : 3 * hidden_size] = 1.0  # the cell at first keeps what it holds

    def initial_state(self, batch: int, like: Tensor) -> State:
        """h, c and n are 0; m is so low that nothing before the first character has any weight."""
        h, c, n, m = super().initial_state(batch, like)
        return h, c, n, m + NOTHING

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The equations above for one t: x `[B, D]`, state (h, c, n, m) to h `[B, H]` and (h, c, n, m)."""
        h, c, n, m = state
        z, log_i, f, o = (F.linear(x, self.U, self.b) + F.linear(h, self.W)).chunk(4, dim=-1)
        log_f = F.logsigmoid(f) + m
        m = torch.maximum(log_f, log_i)
        i, f = torch.exp(log_i - m), torch.exp(log_f - m)
        c = f * c + i * torch.tanh(z)
        n = f * n + i
        h = torch.sigmoid(o) * c / n
        return h, (h, c, n, m)
