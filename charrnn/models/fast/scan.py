"""The recurrence over time of minGRU and minLSTM as one operation of autograd, on any device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from charrnn.models.fast import scan_cuda


def scan(f: Tensor, v: Tensor, h: Tensor) -> Tensor:
    """f and v `[T, B, H]` and the first state h `[B, H]` to all h_t = f_t h_{t-1} + (1 - f_t) v_t, `[T, B, H]`."""
    result: Tensor = _Scan.apply(f.to(h.dtype), v.to(h.dtype), h)  # type: ignore[no-untyped-call]
    return result


class _Scan(torch.autograd.Function):
    """The recurrence as one node of the graph instead of T."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, v: Tensor, h: Tensor) -> Tensor:
        x = torch.lerp(v, torch.zeros_like(v), f)
        x[0].addcmul_(f[0], h)
        states = recurrence(f, x)
        ctx.save_for_backward(f, v, h, states)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of f, v and h. The whole gradient of h_t is q_t = (given at t) + f_{t+1} q_{t+1}."""
        f, v, h, states = ctx.saved_tensors
        later = torch.cat([f[1:], torch.zeros_like(f[:1])])
        q = recurrence(later.flip(0), gradients[0].flip(0)).flip(0)
        before = torch.cat([h[None], states[:-1]])
        return q * (before - v), q * (1 - f), q[0] * f[0]


def recurrence(a: Tensor, x: Tensor) -> Tensor:
    """a and x `[T, B, H]` to all y_t = a_t y_{t-1} + x_t `[T, B, H]`, where y before the first is 0.

    On a CPU a loop over t does the least work. On a GPU the start of each operation is what costs: a kernel of its own
    is one start, and `doubling` has O(log T).
    """
    if a.device.type == "cpu":
        return loop(a, x)
    if a.is_cuda and x.dtype == torch.float32 and scan_cuda.usable():
        return scan_cuda.recurrence(a, x)
    return doubling(a, x)


def loop(a: Tensor, x: Tensor) -> Tensor:
    """`recurrence` in T operations."""
    y = x.clone()
    for t in range(1, len(y)):
        y[t].addcmul_(a[t], y[t - 1])
    return y


def doubling(a: Tensor, x: Tensor) -> Tensor:
    r"""`recurrence` in O(log T) operations (Hillis & Steele, Communications of the ACM 29, 1986).

    .. math:: y_t \leftarrow y_t + a_t\, y_{t-k}, \qquad a_t \leftarrow a_t\, a_{t-k} \qquad (k = 1, 2, 4, ...)

    After each pass y_t is the sum over the last 2k steps, and a_t the product of their factors. Nothing is divided, and
    no factor is above 1, so that rounding errors do not grow.
    """
    k = 1
    while k < len(x):
        x = torch.cat([x[:k], torch.addcmul(x[k:], a[k:], x[:-k])])
        a = torch.cat([a[:k], a[k:] * a[:-k]])
        k *= 2
    return x
