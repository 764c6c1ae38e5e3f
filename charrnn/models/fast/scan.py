"""The loop over time of minGRU and minLSTM as one operation of autograd, on any device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def scan(f: Tensor, v: Tensor, h: Tensor) -> Tensor:
    """f and v `[T, B, H]` and the first state h `[B, H]` to all h_t = f_t h_{t-1} + (1 - f_t) v_t, `[T, B, H]`."""
    result: Tensor = _Scan.apply(f.to(h.dtype), v.to(h.dtype), h)  # type: ignore[no-untyped-call]
    return result


class _Scan(torch.autograd.Function):
    """The loop over time as one node of the graph instead of T."""

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
        """The gradients of f, v and h. The whole gradient of h_t is q_t; q_{t-1} = (given at t-1) + f_t q_t."""
        f, v, h, states = ctx.saved_tensors
        q = gradients[0].clone(memory_format=torch.contiguous_format)
        for t in range(len(f) - 1, 0, -1):
            q[t - 1].addcmul_(f[t], q[t])
        before = torch.cat([h[None], states[:-1]])
        return q * (before - v), q * (1 - f), q[0] * f[0]
