"""The recurrences of rnn, lstm and gru over a whole window in C, for float32 on the CPU.

Each function gives what the equations in the layer's docstring give. `usable` says whether the C is to be had; where
it is not (no compiler, CUDA, float64) the layers call PyTorch.
"""

from __future__ import annotations

from ctypes import c_long, c_void_p
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn import native

LANES = 16
"""The kernels take numbers of units that are a multiple of this."""


def usable(x: Tensor, library: str = "cells") -> bool:
    """Whether the kernels can take this tensor."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and native.load(library, openmp=True) is not None


def linear(x: Tensor, U: Tensor, b: Tensor) -> Tensor:
    """U x + b in float32, also where the product is made in bfloat16."""
    return F.linear(x, U, b).float()


def lstm(gates: Tensor, W: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """U x + b `[T, B, 4 H]` of the gates i, f, g, o, which is overwritten, W, and h and c `[B, H]` to all h `[T, B, H]`
    and the last c.
    """
    size = h.shape[1]
    gates, W, h, c = pad(gates, 4), _pad_weights(W, 4), pad(h), pad(c)
    y, c = _LSTM.apply(gates, W, h, c)  # type: ignore[no-untyped-call]
    return y[..., :size], c[:, :size]


def gru(gates: Tensor, W: Tensor, c: Tensor, h: Tensor) -> Tensor:
    """U x + b `[T, B, 3 H]` of the gates r, z, n, which is overwritten, W, the bias c of W_n h, and h `[B, H]` to all h
    `[T, B, H]`.
    """
    size = h.shape[1]
    gates, W, c, h = pad(gates, 3), _pad_weights(W, 3), pad(c), pad(h)
    y: Tensor = _GRU.apply(gates, W, c, h)  # type: ignore[no-untyped-call]
    return y[..., :size]


def rnn(x: Tensor, W: Tensor, h: Tensor, relu: bool) -> Tensor:
    """U x + b `[T, B, H]`, W, and h `[B, H]` to all h `[T, B, H]`."""
    size = h.shape[1]
    x, W, h = pad(x), _pad_weights(W, 1), pad(h)
    y: Tensor = _RNN.apply(x, W, h, relu)  # type: ignore[no-untyped-call]
    return y[..., :size]


def look_up(table: Tensor, ids: Tensor) -> Tensor:
    """The rows `ids` `[T, B]` of a table `[V, W]`, `[T, B, W]`.

    PyTorch sums the gradient of a small table row by row in one thread.
    """
    rows: Tensor = _LookUp.apply(table, ids) if usable(table) else F.embedding(ids, table)  # type: ignore[no-untyped-call]
    return rows


def call(name: str, *arguments: Tensor | int | None, library: str = "cells") -> None:
    """Calls a function of a library; its last argument is how many threads it may use."""
    values = [c_long(a) if isinstance(a, int) else c_void_p(0 if a is None else a.data_ptr()) for a in arguments]
    if getattr(native.load(library, openmp=True), name)(*values, c_long(torch.get_num_threads())):
        raise MemoryError(name)


def pad(x: Tensor, gates: int = 1) -> Tensor:
    """Zeros after each gate's part of the last dimension. A unit without weights stays 0 in these recurrences."""
    size = x.shape[-1] // gates
    missing = -size % LANES
    return F.pad(x.reshape(*x.shape[:-1], gates, size), [0, missing]).flatten(-2) if missing else x


def _pad_weights(W: Tensor, gates: int) -> Tensor:
    """Zeros after each gate's rows of W, `[gates * H, H]`, and after its columns."""
    missing = -W.shape[1] % LANES
    return F.pad(W.view(gates, -1, W.shape[1]), [0, missing, 0, missing]).flatten(0, 1) if missing else W


def following(first: Tensor, T: int) -> Tensor:
    """`[T + 1, B, H]` that begins with `first`; the rest is still to be written."""
    all_of = first.new_empty(T + 1, *first.shape)
    all_of[0] = first
    return all_of


def _product(gradients: Tensor, before: Tensor) -> Tensor:
    """The gradient of W from those of W h: the sum over time and batch of their outer products."""
    return gradients.flatten(0, 1).t() @ before.flatten(0, 1)


def taken(ctx: Any) -> None:
    """Notes that what the forward pass saved is now overwritten: a graph can be gone through once.

    Raises RuntimeError at the second time.
    """
    if getattr(ctx, "taken", False):
        raise RuntimeError("the gates of this window were overwritten: a second backward pass needs a second forward")
    ctx.taken = True


class _LSTM(torch.autograd.Function):
    """From U x + b, which is overwritten, to all h and the last c."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, W: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        T, B, H = len(gates), len(h), h.shape[1]
        hs, cs = following(h, T), following(c, T)
        call("lstm_forward", T, B, H, gates, W.contiguous(), hs, cs)
        ctx.save_for_backward(gates, W, hs, cs)
        return hs[1:], cs[-1]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, ...]:
        gates, W, hs, cs = ctx.saved_tensors
        dy, dc = given[0].contiguous(), given[1].clone(memory_format=torch.contiguous_format)
        (T, B, H), dh = dy.shape, torch.zeros_like(dc)
        taken(ctx)
        call("lstm_backward", T, B, H, gates, W.contiguous(), cs, dy, dh, dc)
        return gates, _product(gates, hs[:-1]), dh, dc


class _GRU(torch.autograd.Function):
    """From U x + b, which is overwritten, to all h."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, W: Tensor, c: Tensor, h: Tensor) -> Tensor:
        T, B, H = len(gates), len(h), h.shape[1]
        hs, inner = following(h, T), gates.new_empty(T, B, H)
        call("gru_forward", T, B, H, gates, W.contiguous(), c.contiguous(), inner, hs)
        ctx.save_for_backward(gates, inner, W, hs)
        return hs[1:]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, ...]:
        gates, inner, W, hs = ctx.saved_tensors
        dy = given[0].contiguous()
        (T, B, H), dh = dy.shape, torch.zeros_like(hs[0])
        taken(ctx)
        call("gru_backward", T, B, H, gates, inner, W.contiguous(), hs, dy, dh)
        dW = torch.cat([_product(gates[..., : 2 * H], hs[:-1]), _product(inner, hs[:-1])])
        return gates, dW, inner.sum((0, 1)), dh


class _RNN(torch.autograd.Function):
    """From U x + b to all h."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, h: Tensor, relu: bool) -> Tensor:
        T, B, H = x.shape
        hs = following(h, T)
        call("rnn_forward", T, B, H, x.contiguous(), W.contiguous(), hs, int(relu))
        ctx.save_for_backward(W, hs)
        ctx.relu = relu
        return hs[1:]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        W, hs = ctx.saved_tensors
        dy = given[0].contiguous()
        (T, B, H), dx, dh = dy.shape, torch.empty_like(dy), torch.zeros_like(hs[0])
        call("rnn_backward", T, B, H, dx, W.contiguous(), hs, dy, dh, int(ctx.relu))
        return dx, _product(dx, hs[:-1]), dh, None


class _LookUp(torch.autograd.Function):
    """Rows of a table."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(ids.contiguous())
        ctx.shape = table.shape
        return F.embedding(ids, table)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        (ids,), rows = ctx.saved_tensors, given[0].contiguous()
        dtable = rows.new_zeros(ctx.shape)
        call("sum_rows", ids.numel(), ctx.shape[1], ids, rows, dtable)
        return dtable, None
