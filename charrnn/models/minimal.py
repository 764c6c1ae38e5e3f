"""Minimal gated recurrences: gates from the input alone, so that all time steps are computed at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models import parallel
from charrnn.models.base import RecurrentLayer, Stack, State
from charrnn.models.kernels import look_up


class MinGRULayer(RecurrentLayer):
    r"""A running average whose memory is set, unit by unit and step by step, by the input.

    .. math::
        z_t &= [x_{t-1}; x_t] \\
        f_t &= \sigma(W_f z_t + b_f), \qquad v_t = W_v z_t + b_v, \qquad r_t = W_r z_t + b_r \\
        h_t &= f_t \odot h_{t-1} + (1 - f_t) \odot v_t \\
        y_t &= W_o (h_t \odot \mathrm{silu}(r_t))

    h is that of minGRU (arXiv:2410.01201, with f = 1 - z), the two characters that a gate sees are those of QRNN
    (arXiv:1611.01576), and the output gate is close to that of SRU (arXiv:1709.02755). Because no gate looks at
    h, the products with W run over the whole window at once and only the third line remains sequential. The memories
    b_f are spread from short (-1) to long (4).
    """

    gates = 3

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.state_sizes = (hidden_size, input_size)
        self.W = nn.Linear(2 * input_size, self.gates * hidden_size)  # rows of v, r, f (and i)
        self.out = nn.Linear(hidden_size, hidden_size, bias=False)
        with torch.no_grad():
            self.W.bias[2 * hidden_size : 3 * hidden_size] = torch.linspace(-1, 4, hidden_size)
            self.out.weight *= 0.5  # a residual block begins as a small change

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[T, B, D]`, state (h, the last x) to outputs `[T, B, H]` and the new state."""
        h, last = state
        before = torch.cat([last[None], x[:-1]])
        v, r, f = self._gates(torch.cat([before, x], dim=-1))
        states = scan(f, v, h)
        return self.out(states * F.silu(r)), (states[-1], x[-1])

    def through(self, stack: Stack, x: Tensor, state: State, ids: Tensor | None = None) -> tuple[Tensor, State] | None:
        """All layers as one operation, where there is C for it."""
        if not parallel.usable(x) or not all(isinstance(norm, (nn.RMSNorm, nn.Identity)) for norm in stack.norms):
            return None
        x = x if ids is None else look_up(x, ids)
        layers = [layer for layer in stack.layers if isinstance(layer, MinGRULayer)]
        blocks = []
        for layer, norm, residual, dropout in zip(layers, stack.norms, stack.residual, stack.dropouts, strict=True):
            output = x.new_empty(*x.shape[:2], layer.state_sizes[0])
            weights = (layer.W.weight, layer.W.bias, layer.out.weight, getattr(norm, "weight", None))
            blocks.append(parallel.Block(*weights, residual, dropout.mask(output)))
        return parallel.stack(x, blocks, state)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The equations above for one t."""
        h, last = state
        v, r, f = self._gates(torch.cat([last, x], dim=-1))
        h = f * h + (1 - f) * v
        return self.out(h * F.silu(r)), (h, x)

    def _gates(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        v, r, f = self.W(z).chunk(3, dim=-1)
        return v, r, torch.sigmoid(f)


class MinLSTMLayer(MinGRULayer):
    r"""As minGRU, with a forget gate and an input gate that are normalised to sum to 1.

    .. math::
        f'_t = \frac{f_t}{f_t + i_t}, \qquad i'_t = \frac{i_t}{f_t + i_t}, \qquad
        h_t = f'_t \odot h_{t-1} + i'_t \odot v_t

    (arXiv:2410.01201, section 3.2.)
    """

    gates = 4

    def _gates(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        v, r, f, i = self.W(z).chunk(4, dim=-1)
        # f / (f + i) with f = sigmoid(a), i = sigmoid(b) is a sigmoid itself: that of ln f - ln i.
        return v, r, torch.sigmoid(F.logsigmoid(f) - F.logsigmoid(i))


def scan(f: Tensor, v: Tensor, h: Tensor) -> Tensor:
    """All h_t = f_t h_{t-1} + (1 - f_t) v_t: f and v `[T, B, H]`, the state before them `[B, H]`, to `[T, B, H]`."""
    result: Tensor = _Scan.apply(f.to(h.dtype), v.to(h.dtype), h)  # type: ignore[no-untyped-call]
    return result


class _Scan(torch.autograd.Function):
    """The loop over time as one operation: a product and a sum a step, without a graph of T nodes."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, v: Tensor, h: Tensor) -> Tensor:
        states = torch.empty_like(v)
        before = h
        for t in range(len(f)):
            before = torch.lerp(v[t], before, f[t], out=states[t])
        ctx.save_for_backward(f, v, h, states)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With q_t the whole gradient of h_t: q_{t-1} = (given at t-1) + f_t q_t."""
        f, v, h, states = ctx.saved_tensors
        q = gradients[0].clone(memory_format=torch.contiguous_format)
        for t in range(len(f) - 1, 0, -1):
            q[t - 1].addcmul_(f[t], q[t])
        before = torch.cat([h[None], states[:-1]])
        return q * (before - v), q * (1 - f), q[0] * f[0]
