"""The recurrences of rnn, lstm and gru over a whole window, and products of matrices, in C for float32 on the CPU.

Each function computes the equations in the layer's docstring. `usable` says whether the C can be called. Where it
cannot (no compiler, CUDA, float64), the layers call PyTorch.
"""

from __future__ import annotations

from ctypes import c_long, c_void_p
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn import native

LANES = 16
"""The number of units that the kernels take is a multiple of this."""


def usable(x: Tensor, library: str = "cells") -> bool:
    """Whether the kernels of a library can take this tensor."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and native.load(library, openmp=True) is not None


def project(x: Tensor, U: Tensor) -> Tensor:
    """U x in float32 (also where the product is made in bfloat16), with which the recurrences below begin.

    They take U x of each place, `[T, B, gates * H]`, and overwrite it. With ids `[T, B]` they take U x of each
    character of the alphabet, `[V, gates * H]`.
    """
    if U.shape[0] % LANES or U.shape[1] % LANES or torch.is_autocast_enabled("cpu"):
        return F.linear(x, U).float()
    y: Tensor = _Project.apply(x, U)  # type: ignore[no-untyped-call]
    return y


def product(x: Tensor, W: Tensor) -> Tensor:
    """x `[..., K]` and W `[M, K]` to W x `[..., M]`.

    In float32 M and K must be multiples of LANES. PyTorch computes products in bfloat16.
    """
    shape = *x.shape[:-1], len(W)
    if x.dtype != torch.float32:
        return torch.mm(x.flatten(0, -2), W.t()).view(shape)
    y = x.new_empty(shape)
    call("multiply", x.shape[:-1].numel(), *W.shape, x, W, 1, y)
    return y


def input_gradient(dy: Tensor, W: Tensor) -> Tensor:
    """The gradient of x, `[..., K]`, from the gradient of W x, dy `[..., M]`."""
    shape = *dy.shape[:-1], W.shape[1]
    if dy.dtype != torch.float32:
        return torch.mm(dy.flatten(0, -2), W).view(shape)
    dx = dy.new_empty(shape)
    call("multiply", dy.shape[:-1].numel(), W.shape[1], len(W), dy, W, 0, dx)
    return dx


def weight_gradient(dy: Tensor, x: Tensor, dW: Tensor | None = None) -> Tensor:
    """The gradient of W, `[M, K]`, from the gradient of W x, dy `[..., M]`, and x `[..., K]`: a sum of outer products.

    If dW is given, the gradient is written into it. It may have fewer than M rows: those of the first numbers of dy.
    """
    if dy.dtype != torch.float32:
        return torch.mm(dy.flatten(0, -2).t(), x.flatten(0, -2))
    dW = dy.new_empty(dy.shape[-1], x.shape[-1]) if dW is None else dW
    call("sum_outer", x.shape[:-1].numel(), len(dW), dy.shape[-1], x.shape[-1], dy, x, dW)
    return dW


def lstm(x: Tensor, ids: Tensor | None, b: Tensor, W: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """U x of the gates i, f, g, o, the biases b, W, and h and c `[B, H]` to all h `[T, B, H]` and the last c."""
    size = h.shape[1]
    y, c = _LSTM.apply(pad(x, 4), ids, pad(b, 4), _pad_weights(W, 4), pad(h), pad(c))  # type: ignore[no-untyped-call]
    return y[..., :size], c[:, :size]


def gru(x: Tensor, ids: Tensor | None, b: Tensor, W: Tensor, c: Tensor, h: Tensor) -> Tensor:
    """U x of the gates r, z, n, the biases b, W, the bias c of W_n h, and h `[B, H]` to all h `[T, B, H]`."""
    size = h.shape[1]
    y: Tensor = _GRU.apply(pad(x, 3), ids, pad(b, 3), _pad_weights(W, 3), pad(c), pad(h))  # type: ignore[no-untyped-call]
    return y[..., :size]


def rnn(x: Tensor, ids: Tensor | None, b: Tensor, W: Tensor, h: Tensor, relu: bool) -> Tensor:
    """U x, the bias b, W, and h `[B, H]` to all h `[T, B, H]`."""
    size = h.shape[1]
    y: Tensor = _RNN.apply(pad(x), ids, pad(b), _pad_weights(W, 1), pad(h), relu)  # type: ignore[no-untyped-call]
    return y[..., :size]


def look_up(table: Tensor, ids: Tensor) -> Tensor:
    """The rows `[T, B, W]` of a table `[V, W]` that ids `[T, B]` name.

    The C sums the gradient of the table in all threads; PyTorch does so in one thread for a small table.
    """
    rows: Tensor = _LookUp.apply(table, ids) if usable(table) else F.embedding(ids, table)  # type: ignore[no-untyped-call]
    return rows


def call(name: str, *arguments: Tensor | int | None, library: str = "cells") -> None:
    """Calls a function of a library with numbers and contiguous tensors, and at last the number of threads that it may
    use. Raises MemoryError where the function finds no memory.
    """
    assert all(a.is_contiguous() for a in arguments if isinstance(a, Tensor)), name
    values = [c_long(a) if isinstance(a, int) else c_void_p(0 if a is None else a.data_ptr()) for a in arguments]
    if getattr(native.load(library, openmp=True), name)(*values, c_long(torch.get_num_threads())):
        raise MemoryError(name)


def pad(x: Tensor, gates: int = 1) -> Tensor:
    """x with zeros after each gate's part of the last dimension. The added units stay 0 in these recurrences."""
    size = x.shape[-1] // gates
    missing = -size % LANES
    return F.pad(x.reshape(*x.shape[:-1], gates, size), [0, missing]).flatten(-2) if missing else x


def _pad_weights(W: Tensor, gates: int) -> Tensor:
    """W `[gates * H, H]` with zeros after each gate's rows and after the columns."""
    missing = -W.shape[1] % LANES
    return F.pad(W.view(gates, -1, W.shape[1]), [0, missing, 0, missing]).flatten(0, 1) if missing else W


def following(first: Tensor, T: int) -> Tensor:
    """A tensor `[T + 1, B, H]` that begins with `first` `[B, H]`; the rest is not yet written."""
    all_of = first.new_empty(T + 1, *first.shape)
    all_of[0] = first
    return all_of


def taken(ctx: Any) -> None:
    """Notes that the backward pass now overwrites what the forward pass saved, so that there can be only one.

    Raises RuntimeError for a second backward pass.
    """
    if getattr(ctx, "taken", False):
        raise RuntimeError("the gates of this window were overwritten: a second backward pass needs a second forward")
    ctx.taken = True


def _sum_rows(rows: Tensor, ids: Tensor, count: int) -> Tensor:
    """For each of `count` characters the sum of its rows: rows `[T, B, W]`, ids `[T, B]` to `[count, W]`."""
    sums = rows.new_zeros(count, rows.shape[-1])
    call("sum_rows", ids.numel(), rows.shape[-1], ids, rows, sums)
    return sums


def _gates(x: Tensor, ids: Tensor | None) -> Tensor:
    """The tensor for the gates of all places, `[T, B, gates * H]`: x itself, or with ids a new one."""
    return x if ids is None else x.new_empty(*ids.shape, x.shape[-1])


def _gradients(dgates: Tensor, ctx: Any) -> tuple[Tensor, None, Tensor]:
    """The gradients of x, ids (None) and b, from the gradient of the gates `[T, B, gates * H]`."""
    dx = dgates if ctx.ids is None else _sum_rows(dgates, ctx.ids, ctx.characters)
    return dx, None, dx.flatten(0, -2).sum(0)


class _Project(torch.autograd.Function):
    """x `[..., K]` and U `[M, K]` to U x `[..., M]`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, U: Tensor) -> Tensor:
        x, U = x.contiguous(), U.contiguous()
        ctx.save_for_backward(x, U)
        return product(x, U)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
        (x, U), dy = ctx.saved_tensors, given[0].contiguous()
        return input_gradient(dy, U), weight_gradient(dy, x)


class _LSTM(torch.autograd.Function):
    """U x `[T, B, 4 H]` (or `[V, 4 H]` with ids), b, W, h and c `[B, H]` to all h `[T, B, H]` and the last c."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, ids: Tensor | None, b: Tensor, W: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor]:
        gates = _gates(x, ids)
        hs, cs = following(h, len(gates)), following(c, len(gates))
        call("lstm_forward", len(gates), *h.shape, x, ids, b.contiguous(), W.contiguous(), gates, hs, cs)
        ctx.save_for_backward(gates, W, hs, cs)
        ctx.ids, ctx.characters = ids, len(x)
        return hs[1:], cs[-1]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        gates, W, hs, cs = ctx.saved_tensors
        dy, dc = given[0].contiguous(), given[1].clone(memory_format=torch.contiguous_format)
        dh = torch.zeros_like(dc)
        taken(ctx)
        call("lstm_backward", *dy.shape, gates, W.contiguous(), cs, dy, dh, dc)
        return *_gradients(gates, ctx), weight_gradient(gates, hs[:-1]), dh, dc


class _GRU(torch.autograd.Function):
    """U x `[T, B, 3 H]` (or `[V, 3 H]` with ids), b, W, c and h `[B, H]` to all h `[T, B, H]`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ids: Tensor | None, b: Tensor, W: Tensor, c: Tensor, h: Tensor) -> Tensor:
        gates = _gates(x, ids)
        hs, inner = following(h, len(gates)), gates.new_empty(len(gates), *h.shape)
        weights = b.contiguous(), W.contiguous(), c.contiguous()
        call("gru_forward", len(gates), *h.shape, x, ids, *weights, gates, inner, hs)
        ctx.save_for_backward(gates, inner, W, hs)
        ctx.ids, ctx.characters = ids, len(x)
        return hs[1:]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        gates, inner, W, hs = ctx.saved_tensors
        dy, dh = given[0].contiguous(), torch.zeros_like(hs[0])
        H = dy.shape[-1]
        taken(ctx)
        call("gru_backward", *dy.shape, gates, inner, W.contiguous(), hs, dy, dh)
        dW = W.new_empty(W.shape)
        weight_gradient(gates, hs[:-1], dW[: 2 * H])
        weight_gradient(inner, hs[:-1], dW[2 * H :])
        return *_gradients(gates, ctx), dW, inner.sum((0, 1)), dh


class _RNN(torch.autograd.Function):
    """U x `[T, B, H]` (or `[V, H]` with ids), b, W and h `[B, H]` to all h `[T, B, H]`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ids: Tensor | None, b: Tensor, W: Tensor, h: Tensor, relu: bool) -> Tensor:
        hs = following(h, len(x if ids is None else ids))
        call("rnn_forward", len(hs) - 1, *h.shape, x, ids, b.contiguous(), W.contiguous(), hs, int(relu))
        ctx.save_for_backward(W, hs)
        ctx.ids, ctx.characters = ids, len(x)
        ctx.relu = relu
        return hs[1:]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        W, hs = ctx.saved_tensors
        dy = given[0].contiguous()
        dx, dh = torch.empty_like(dy), torch.zeros_like(hs[0])
        call("rnn_backward", *dy.shape, dx, W.contiguous(), hs, dy, dh, int(ctx.relu))
        return *_gradients(dx, ctx), weight_gradient(dx, hs[:-1]), dh, None


class _LookUp(torch.autograd.Function):
    """A table `[V, W]` and ids `[T, B]` to the rows that the ids name, `[T, B, W]`."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(ids.contiguous())
        ctx.characters = len(table)
        return F.embedding(ids, table)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        (ids,) = ctx.saved_tensors
        return _sum_rows(given[0].contiguous(), ids, ctx.characters), None
