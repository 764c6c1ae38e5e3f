"""A stack of minGRU or minLSTM blocks as one operation for the CPU: matrix products, and C for all between them.

A block maps x to x + dropout(layer(norm(x))), or without a residual connection to dropout(layer(norm(x))). One pass
over memory adds a block's output to x, normalises it and pairs it for the next block, so that a step does little beside
its products. `minimal.py` has the equations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from charrnn.models.base import State
from charrnn.models.fast import kernels


class Block(NamedTuple):
    """A layer's weights, its normalisation, its residual connection and its dropout mask."""

    W: Tensor
    """The matrix of the gates, `[gates * H, 2 D]`."""
    b: Tensor
    """The biases of the gates, `[gates * H]`."""
    out: Tensor
    """The matrix of the output, `[H, H]`."""
    scale: Tensor | None
    """The scale `[D]` of the normalisation by the root mean square (arXiv:1910.07467); None for no normalisation."""
    residual: bool
    """Whether the layer's output is added to its input."""
    mask: Tensor | None
    """The factors of the layer's output, `[B, H]` or `[T, B, H]`; None if nothing is dropped."""


def usable(x: Tensor) -> bool:
    """Whether the C can compute a stack with this input."""
    return kernels.usable(x, "parallel") and kernels.usable(x)


def stack(x: Tensor, blocks: list[Block], state: State) -> tuple[Tensor, State]:
    """x `[T, B, D]` and the states (h, last x) of all blocks to `[T, B, H]` and the new states.

    Under autocast the products are made in bfloat16.
    """
    real = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    sizes, widths = [tensor.shape[-1] for tensor in (x, *state)], [block.W.shape[1] // 2 for block in blocks]
    size = blocks[-1].out.shape[0]
    blocks = [_padded(block) for block in blocks]
    weights = [tensor for block in blocks for tensor in (block.W, block.b, block.out, block.scale)]
    given = (kernels.pad(tensor) for tensor in (x, *state))
    y, *after = _Stack.apply(blocks, widths, real, next(given), *weights, *given)  # type: ignore[no-untyped-call]
    return y[..., :size], tuple(tensor[:, :own] for tensor, own in zip(after, sizes[1:], strict=True))


def _padded(block: Block) -> Block:
    """The block with zeros added where the C needs more units; the outputs of the added units stay 0."""
    H = len(block.out)
    if not -H % kernels.LANES and not -block.W.shape[1] // 2 % kernels.LANES:
        return block
    gates = len(block.b) // H
    W = kernels.pad(kernels.pad(block.W, 2).t(), gates).t()
    out = kernels.pad(kernels.pad(block.out).t()).t()
    scale, mask = (None if tensor is None else kernels.pad(tensor) for tensor in (block.scale, block.mask))
    return block._replace(W=W, b=kernels.pad(block.b, gates), out=out, scale=scale, mask=mask)


class _Stack(torch.autograd.Function):
    """x `[T, B, D]`, the weights of all blocks and their states to `[T, B, H]` and the new states."""

    @staticmethod
    def forward(
        ctx: Any, blocks: list[Block], widths: list[int], real: torch.dtype, x: Tensor, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        before = rest[4 * len(blocks) :]
        T, B = x.shape[:2]
        residual, y, mask = True, None, None  # what the next block adds to x: nothing for the first
        x = x.contiguous()
        saved, after = [], []
        for i, block in enumerate(blocks):
            W, out = block.W.to(real).contiguous(), block.out.to(real).contiguous()
            b, scale = block.b, block.scale
            H, D = out.shape[0], W.shape[1] // 2
            last = before[2 * i + 1].clone(memory_format=torch.contiguous_format)
            pairs, inverse = x.new_empty(T, B, 2 * D, dtype=real), x.new_empty(T, B)
            given = (x, y, mask, _step(mask), int(residual))
            x = x if y is None else x.new_empty(T, B, D)
            _call("pair_forward", real, T, B, D, widths[i], *given, x, scale, last, pairs, inverse)
            products = kernels.product(pairs, W)
            hs, u = kernels.following(before[2 * i], T), x.new_empty(T, B, H, dtype=real)
            _call("mix_forward", real, T, B, H, W.shape[0] // H, products, b, hs, u)
            y = kernels.product(u, out)
            mask, residual = block.mask, block.residual
            saved.append((x, W, b, out, scale, inverse, pairs, products, hs, u))
            after += [hs[-1], last]
        ctx.blocks, ctx.widths = blocks, widths
        ctx.saved, ctx.real = saved, real
        assert y is not None  # there is at least one block
        y = y.float() if mask is None else y * mask
        return x + y if residual else y, *after

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        kernels.taken(ctx)
        threads, real = torch.get_num_threads(), ctx.real
        T, B = given[0].shape[:2]
        dx, dafter = given[0].clone(memory_format=torch.contiguous_format), given[1:]
        mask = ctx.blocks[-1].mask
        dy = (dx if mask is None else dx * mask).to(real)
        dweights: list[Tensor | None] = []
        dbefore: list[Tensor] = []
        while ctx.saved:
            x, W, b, out, scale, inverse, pairs, products, hs, u = ctx.saved.pop()
            i = len(ctx.saved)
            H, D = out.shape[0], W.shape[1] // 2
            dh, dlast = (one.clone(memory_format=torch.contiguous_format) for one in dafter[2 * i : 2 * i + 2])
            dout, du = kernels.weight_gradient(dy, u), kernels.input_gradient(dy, out)
            db, dscale = hs.new_zeros(threads, len(W)), hs.new_zeros(threads, D)
            _call("mix_backward", real, T, B, H, len(W) // H, products, b, hs, du, dh, db)  # products: its gradient now
            dW, dpairs = kernels.weight_gradient(products, pairs), kernels.input_gradient(products, W)
            residual = ctx.blocks[i].residual
            dx = dx if residual else x.new_empty(T, B, D)
            mask, dy = (ctx.blocks[i - 1].mask, x.new_empty(T, B, D, dtype=real)) if i else (None, None)
            into = (dx, int(residual), dlast, dscale, mask, _step(mask), dy)
            _call("pair_backward", real, T, B, D, ctx.widths[i], x, scale, inverse, dpairs, *into)
            dweights = [dW.float(), db.sum(0), dout.float(), None if scale is None else dscale.sum(0), *dweights]
            dbefore = [dh, dlast, *dbefore]
        return None, None, None, dx, *dweights, *dbefore


def _step(mask: Tensor | None) -> int:
    """The number of floats from the mask of one time step to the mask of the next."""
    return 0 if mask is None or mask.ndim == 2 else mask[0].numel()


def _call(name: str, real: torch.dtype, *arguments: Tensor | int | None) -> None:
    kernels.call(f"{name}_{'bfloat16' if real == torch.bfloat16 else 'float'}", *arguments, library="parallel")
