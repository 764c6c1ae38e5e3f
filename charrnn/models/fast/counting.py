"""ln p of an n-gram for many contexts at once, and what was read lately, in C (charrnn/native/ngram.c)."""

from __future__ import annotations

import ctypes
from functools import cache

import torch
from torch import Tensor

from charrnn import native
from charrnn.native.counts import Counts


@cache
def library() -> ctypes.CDLL | None:
    """The library of ngram.c, or None where there is no compiler."""
    lib = native.load("ngram", openmp=True)
    if lib is not None:
        lib.ngram_ln_p.restype = ctypes.c_int64
        lib.ngram_ln_p.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
        lib.recent_ln_p.restype = ctypes.c_int64
        lib.recent_ln_p.argtypes = [ctypes.c_void_p, *[ctypes.c_int64] * 4, ctypes.c_void_p, ctypes.c_void_p]
    return lib


def ln_p(counts: Counts, ranks: Tensor, vocab_size: int) -> Tensor | None:
    """Ranks `[..., order - 1]` of contexts to ln p `[..., V]` in float32; None where the C cannot be had."""
    lib = library()
    if lib is None:
        return None
    y = torch.zeros(*ranks.shape[:-1], vocab_size)
    own = ranks.to(torch.int32).contiguous()
    rows = y.numel() // vocab_size
    return y if lib.ngram_ln_p(counts.address, rows, own.data_ptr(), y.data_ptr()) else None


def recent_ln_p(last: Tensor, order: int, ngram: Tensor) -> Tensor | None:
    """`models.recent.ln_p` in float32; None where the C cannot be had."""
    lib = library()
    if lib is None:
        return None
    own, given = last.to(torch.int32).contiguous(), ngram.float().contiguous()
    y, rows = torch.empty_like(given), given.numel() // given.shape[-1]
    done = lib.recent_ln_p(own.data_ptr(), rows, last.shape[-1], order, given.shape[-1], given.data_ptr(), y.data_ptr())
    return y if done else None
