r"""What was read lately, as an expert beside the n-gram of the whole text: names, rhymes and turns of this very page.

.. math::
    p_m(w) = \frac{c_m(w) + N_m\, p_{m-1}(w)}{c_m + N_m}, \qquad p_0(w) = p_{n-gram}(w \mid h)

Among the last characters of the text, c_m(w) counts how often w came after the m - 1 characters that h ends with. c_m
is the sum over all w, and N_m the number of different w that came. An order that counts nothing is passed over. This is
the smoothing of Witten & Bell (IEEE Transactions on Information Theory 37, 1991; method C), which has no constants, in
a cache as that of Kuhn & De Mori (IEEE Transactions on Pattern Analysis and Machine Intelligence 12, 1990).

Multiplied out, p_m(w) = share(w) + left · p_n-gram(w): what was not read lately keeps its proportions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.models.fast.counting import recent_ln_p

AT_ONCE = 2**22
"""The most characters, those of all places together, that are compared at once without C."""


def ln_p(last: Tensor, order: int, ngram: Tensor) -> Tensor:
    """ln p `[..., V]` after the ids `last` `[..., L]`, from that by the n-gram, `[..., V]`.

    The ids are those up to now; -1 where nothing was read. The boundary, which is the last id of the alphabet, is not
    counted among the characters that came.
    """
    if last.device.type == "cpu" and ngram.dtype == torch.float32:
        found = recent_ln_p(last, order, ngram)
        if found is not None:
            return found
    places, flat = last.flatten(0, -2), ngram.flatten(0, -2)
    some = max(1, AT_ONCE // last.shape[-1])
    parts = [_by_the_equation(places[i : i + some], order, flat[i : i + some]) for i in range(0, len(flat), some)]
    return torch.cat(parts).view_as(ngram) if parts else ngram


def _by_the_equation(last: Tensor, order: int, ngram: Tensor) -> Tensor:
    """The equation, for `[N, L]` and `[N, V]`."""
    length, p = last.shape[1], ngram.exp()
    came = last[:, 1:].long()
    counts = (last[:, :-1] >= 0) & (came >= 0) & (came < p.shape[1] - 1)
    came = came.clamp(min=0)
    for m in range(1, min(order, length) + 1):
        if m > 1:  # those that came after the longer context
            here = last[:, length - m + 1, None]
            counts = counts & F.pad((last[:, : length - m + 1] == here) & (here >= 0), (m - 2, 0))
        rows = counts.any(1).nonzero()[:, 0]
        own, some = counts[rows], p[rows]
        # Sums of whole numbers, because a GPU adds at indices in any order.
        c = torch.zeros_like(some, dtype=torch.int32).scatter_add_(1, came[rows], own.int())
        different = (c > 0).sum(1, keepdim=True)
        p[rows] = some.mul_(different).add_(c).div_(own.sum(1, keepdim=True) + different)
    return p.log_()
