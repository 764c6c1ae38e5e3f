"""The recurrence of `scan.py` as one kernel of a GPU. Triton, in which it is written, comes with PyTorch for CUDA."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

BLOCK = 32
"""The recurrences of one program. They are one warp, so that there are many programs to hide what memory takes."""


@cache
def usable() -> bool:
    """Whether there is Triton."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


def recurrence(a: Tensor, x: Tensor) -> Tensor:
    """a and x `[T, ...]` in float32 on CUDA to all y_t = a_t y_{t-1} + x_t, where y before the first is 0."""
    a, x = a.contiguous(), x.contiguous()
    y, width = torch.empty_like(x), x[0].numel()
    with torch.cuda.device(x.device):
        _kernel()[(-(-width // BLOCK),)](a, x, y, len(x), width, BLOCK=BLOCK, num_warps=1)
    return y


@cache
def _kernel() -> Any:
    import triton
    import triton.language as tl

    # Without types, because Triton reads the source and would not know their names.
    @triton.jit  # type: ignore[untyped-decorator]
    def kernel(a, x, y, T, width, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
        own = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        inside = own < width
        state = tl.zeros([BLOCK], tl.float32)
        for t in range(T):
            at = t.to(tl.int64) * width + own  # type: ignore[attr-defined]
            state = tl.load(a + at, inside, 0.0) * state + tl.load(x + at, inside, 0.0)
            tl.store(y + at, state, inside)

    return kernel
