"""The recurrences over a whole window in C, for float32 on the CPU.

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
    gates, W, h, c = _pad_gates(gates, 4), _pad_weights(W, 4), _pad(h), _pad(c)
    y, c = _LSTM.apply(gates, W, h, c)  # type: ignore[no-untyped-call]
    return y[..., :size], c[:, :size]


def gru(gates: Tensor, W: Tensor, c: Tensor, h: Tensor) -> Tensor:
    """U x + b `[T, B, 3 H]` of the gates r, z, n, which is overwritten, W, the bias c of W_n h, and h `[B, H]` to all h
    `[T, B, H]`.
    """
    size = h.shape[1]
    gates, W, c, h = _pad_gates(gates, 3), _pad_weights(W, 3), _pad(c), _pad(h)
    y: Tensor = _GRU.apply(gates, W, c, h)  # type: ignore[no-untyped-call]
    return y[..., :size]


def rnn(x: Tensor, W: Tensor, h: Tensor, relu: bool) -> Tensor:
    """U x + b `[T, B, H]`, W, and h `[B, H]` to all h `[T, B, H]`."""
    size = h.shape[1]
    x, W, h = _pad(x), _pad_weights(W, 1), _pad(h)
    y: Tensor = _RNN.apply(x, W, h, relu)  # type: ignore[no-untyped-call]
    return y[..., :size]


def pairs(x: Tensor, scale: Tensor | None, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x `[T, B, H]` itself, `[z_{t-1}; z_t]` as `[T, B, 2 H]`, and the last z `[B, H]`; `last` is the z before them.

    z is x divided by its root mean square and multiplied by `scale` (arXiv:1910.07467), or x where scale is None.
    x is given back so that its two gradients, from the pairs and from elsewhere, are summed in one pass. Under
    autocast the pairs are bfloat16.
    """
    real = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    return _Pairs.apply(x, scale, last, real)  # type: ignore[no-untyped-call]


def mix(products: Tensor, bias: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """The products W z `[T, B, 3 H]` of v, r, f, or `[T, B, 4 H]` with i, and h `[B, H]` to `h_t silu(r_t)`
    `[T, B, H]` and the last h. The products are overwritten.
    """
    return _Mix.apply(products, bias, h)  # type: ignore[no-untyped-call]


def _call(name: str, *arguments: Tensor | int | None, library: str = "cells") -> None:
    """Calls a function of a library; its last argument is how many threads it may use."""
    values = [c_long(a) if isinstance(a, int) else c_void_p(0 if a is None else a.data_ptr()) for a in arguments]
    if getattr(native.load(library, openmp=True), name)(*values, c_long(torch.get_num_threads())):
        raise MemoryError(name)


def _pad(x: Tensor) -> Tensor:
    """Zeros after the last dimension. A unit without weights stays 0 in each of these recurrences."""
    missing = -x.shape[-1] % LANES
    return F.pad(x, (0, missing)) if missing else x


def _pad_gates(x: Tensor, gates: int) -> Tensor:
    """Zeros after each gate's part of the last dimension."""
    size = x.shape[-1] // gates
    missing = -size % LANES
    return F.pad(x.reshape(*x.shape[:-1], gates, size), [0, missing]).flatten(-2) if missing else x


def _pad_weights(W: Tensor, gates: int) -> Tensor:
    """Zeros after each gate's rows of W, `[gates * H, H]`, and after its columns."""
    missing = -W.shape[1] % LANES
    return F.pad(W.view(gates, -1, W.shape[1]), [0, missing, 0, missing]).flatten(0, 1) if missing else W


def _following(first: Tensor, T: int) -> Tensor:
    """`[T + 1, B, H]` that begins with `first`; the rest is still to be written."""
    all_of = first.new_empty(T + 1, *first.shape)
    all_of[0] = first
    return all_of


def _product(gradients: Tensor, before: Tensor) -> Tensor:
    """The gradient of W from those of W h: the sum over time and batch of their outer products."""
    return gradients.flatten(0, 1).t() @ before.flatten(0, 1)


def _taken(ctx: Any, gates: Tensor) -> Tensor:
    """What the forward pass saved, to be overwritten: a graph can be gone through once.

    Raises RuntimeError at the second time.
    """
    if getattr(ctx, "taken", False):
        raise RuntimeError("the gates of this window were overwritten: a second backward pass needs a second forward")
    ctx.taken = True
    return gates


class _LSTM(torch.autograd.Function):
    """From U x + b, which is overwritten, to all h and the last c."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, W: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        T, B, H = len(gates), len(h), h.shape[1]
        hs, cs = _following(h, T), _following(c, T)
        _call("lstm_forward", T, B, H, gates, W.contiguous(), hs, cs)
        ctx.save_for_backward(gates, W, hs, cs)
        return hs[1:], cs[-1]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, ...]:
        gates, W, hs, cs = ctx.saved_tensors
        dy, dc = given[0].contiguous(), given[1].clone(memory_format=torch.contiguous_format)
        (T, B, H), dh = dy.shape, torch.zeros_like(dc)
        gates = _taken(ctx, gates)
        _call("lstm_backward", T, B, H, gates, W.contiguous(), cs, dy, dh, dc)
        return gates, _product(gates, hs[:-1]), dh, dc


class _GRU(torch.autograd.Function):
    """From U x + b, which is overwritten, to all h."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, W: Tensor, c: Tensor, h: Tensor) -> Tensor:
        T, B, H = len(gates), len(h), h.shape[1]
        hs, inner = _following(h, T), gates.new_empty(T, B, H)
        _call("gru_forward", T, B, H, gates, W.contiguous(), c.contiguous(), inner, hs)
        ctx.save_for_backward(gates, inner, W, hs)
        return hs[1:]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, ...]:
        gates, inner, W, hs = ctx.saved_tensors
        dy = given[0].contiguous()
        (T, B, H), dh = dy.shape, torch.zeros_like(hs[0])
        gates = _taken(ctx, gates)
        _call("gru_backward", T, B, H, gates, inner, W.contiguous(), hs, dy, dh)
        dW = torch.cat([_product(gates[..., : 2 * H], hs[:-1]), _product(inner, hs[:-1])])
        return gates, dW, inner.sum((0, 1)), dh


class _RNN(torch.autograd.Function):
    """From U x + b to all h."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, h: Tensor, relu: bool) -> Tensor:
        T, B, H = x.shape
        hs = _following(h, T)
        _call("rnn_forward", T, B, H, x.contiguous(), W.contiguous(), hs, int(relu))
        ctx.save_for_backward(W, hs)
        ctx.relu = relu
        return hs[1:]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        W, hs = ctx.saved_tensors
        dy = given[0].contiguous()
        (T, B, H), dx, dh = dy.shape, torch.empty_like(dy), torch.zeros_like(hs[0])
        _call("rnn_backward", T, B, H, dx, W.contiguous(), hs, dy, dh, int(ctx.relu))
        return dx, _product(dx, hs[:-1]), dh, None


class _Pairs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor | None, last: Tensor, real: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        x, last = x.contiguous(), last.clone(memory_format=torch.contiguous_format)
        T, B, H = x.shape
        paired, inverse = x.new_empty(T, B, 2 * H, dtype=real), x.new_empty(T, B)
        _call(f"pair_forward_{_name(real)}", T, B, H, x, scale, last, paired, inverse, library="parallel")
        ctx.save_for_backward(x, scale, inverse)
        return x.view_as(x), paired, last

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, inverse = ctx.saved_tensors
        (T, B, H), dpaired = x.shape, given[1].contiguous()
        dx, dlast = (one.clone(memory_format=torch.contiguous_format) for one in (given[0], given[2]))
        dscale = x.new_zeros(torch.get_num_threads(), H)
        name = f"pair_backward_{_name(dpaired.dtype)}"
        _call(name, T, B, H, x, scale, inverse, dpaired, dx, dlast, dscale, library="parallel")
        return dx, None if scale is None else dscale.sum(0), dlast, None


class _Mix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, products: Tensor, bias: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        products, bias = products.contiguous(), bias.contiguous()
        (T, B, width), H = products.shape, h.shape[1]
        hs, u = _following(h, T), products.new_empty(T, B, H)
        _call(f"mix_forward_{_name(u.dtype)}", T, B, H, width // H, products, bias, hs, u, library="parallel")
        ctx.save_for_backward(products, bias, hs)
        return u, hs[-1]

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, ...]:
        products, bias, hs = ctx.saved_tensors
        (T, B, width), H, du = products.shape, hs.shape[2], given[0].contiguous()
        products, dh = _taken(ctx, products), given[1].clone(memory_format=torch.contiguous_format)
        dbias = hs.new_zeros(torch.get_num_threads(), width)
        name = f"mix_backward_{_name(du.dtype)}"
        _call(name, T, B, H, width // H, products, bias, hs, du, dh, dbias, library="parallel")
        return products, dbias.sum(0), dh


def _name(real: torch.dtype) -> str:
    return str(real).removeprefix("torch.").replace("float32", "float")
