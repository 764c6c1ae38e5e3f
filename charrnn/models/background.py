r"""The counts of an older text behind those of a new one: what the new text does not know, the older one may.

.. math::
    p_m(w \mid h) = own(hw) + \gamma(h) \bigl[ k \, own'(hw) + (1 - k (1 - \gamma'(h))) \, p_{m-1}(w \mid h') \bigr]

The new text comes first in every order. own' and γ' are the older text's (see `models/ngram.py`), and k is its weight:
with 0 it says nothing, with 1 all that it knows of a context. Both become tables of the same form, so that nothing that
predicts needs to know of two texts. Such a background is usual where a language model adapts to a text (Bellegarda,
Speech Communication 42, 2004); what lost against this form stands in docs/going-on.md.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from charrnn.models.base import State
from charrnn.models.ngram import Floats, Ints, NGramModel

LEAST = 1e-12
"""The least share that a context leaves to the shorter one."""
WEIGHTS = tuple(i / 16 for i in range(17))
"""The weights of a background that are tried."""


def in_alphabet(ngram: NGramModel, ids: Ints, vocab_size: int, order: int) -> NGramModel:
    """What an n-gram has counted, up to an order, in another alphabet. Its p_1 is not taken over.

    `ids` `[V]` are the new ids of its characters, -1 for one that is left out: what was said of that goes to the
    shorter contexts.
    """
    other = NGramModel(vocab_size, order)
    rank, contexts = ids, vocab_size
    for m in range(2, order + 1):
        keys, own, _ = _tables(ngram, m, contexts)
        context, character = rank[keys // ngram.vocab_size], ids[keys % ngram.vocab_size]
        there = np.flatnonzero((context >= 0) & (character >= 0))
        key = context[there] * vocab_size + character[there]
        in_order = np.argsort(key)
        there, key = there[in_order], key[in_order]
        left = 1 - np.bincount(key // vocab_size, own[there], contexts)
        other.store(m, key, own[there], np.maximum(left, LEAST))
        rank = np.full(len(keys), -1)
        rank[there] = np.arange(len(there))
        contexts = len(there)
    return other


def put_behind(ngram: NGramModel, background: NGramModel, weight: float) -> None:
    """Puts a background behind the counts of an n-gram, which has the same alphabet and order.

    p_1 stays: the new text knows best how frequent a character is in it, also one that it does not have.
    """
    size = contexts = ngram.vocab_size
    new = old = np.arange(size)  # the ranks of the contexts of each among those of both
    for m in range(2, ngram.order + 1):
        keys, own, left = _tables(ngram, m, len(new))
        old_keys, old_own, old_left = _tables(background, m, len(old))
        keys, old_keys = (one % size + size * rank[one // size] for one, rank in ((keys, new), (old_keys, old)))
        both = np.union1d(keys, old_keys)
        gamma, old_gamma = np.ones(contexts), np.ones(contexts)
        gamma[new], old_gamma[old] = left, 1 - weight * (1 - old_left)
        new, old, contexts = np.searchsorted(both, keys), np.searchsorted(both, old_keys), len(both)
        shares = np.zeros(contexts)
        shares[old] = weight * old_own * gamma[old_keys // size]
        shares[new] += own
        ngram.store(m, both, shares, gamma * old_gamma)


def _tables(ngram: NGramModel, m: int, contexts: int) -> tuple[Ints, Floats, Floats]:
    """The tables of an order without their last entries; of an order that the n-gram does not have, empty ones."""
    if m > ngram.order:
        return np.zeros(0, np.int64), np.zeros(0), np.ones(contexts)
    keys, own, gamma = (tensor.cpu().numpy()[:-1] for tensor in ngram.table(m))
    return keys, own, gamma


def with_each_weight(
    ngram: NGramModel, background: NGramModel, ids: Tensor, targets: Tensor, state: State
) -> tuple[Tensor, State]:
    """ln p `[T, B, K]` of the targets `[T, B]` after ids `[T, B]` under each of WEIGHTS, and the new state.

    The background is of the same alphabet and order.
    """
    contexts, after = ngram.features(ids, state)
    old_contexts, _ = background.features(ids, state)  # of the same order: the same last characters are its state
    k = torch.tensor(WEIGHTS, device=ids.device, dtype=torch.float64)
    p = ngram.p_1[targets, None].expand(-1, -1, len(k))
    for (own, gamma), (old_own, old_gamma) in zip(
        ngram.shares(contexts, targets), background.shares(old_contexts, targets), strict=True
    ):
        own, gamma, old_own, old_gamma = (one[..., None] for one in (own, gamma, old_own, old_gamma))
        p = own + gamma * (k * old_own + (1 - k * (1 - old_gamma)) * p)
    return p.log(), after
