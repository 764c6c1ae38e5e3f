"""The n-gram with modified Kneser-Ney smoothing. A network that does not beat it has learnt no more than to count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.models.base import LanguageModel, State
from charrnn.models.fast.counting import ln_p
from charrnn.native.counts import Counts
from charrnn.text.batches import IGNORE
from charrnn.text.dataset import Part

MAX_ORDER = 8
FALLBACK = (0.0, 0.5, 1.0, 1.5)
"""Discounts for a text that is too small or too regular to estimate them (those of KenLM's --discount_fallback)."""
LAST = np.iinfo(np.int64).max
"""The last entry of every table of keys, which is greater than every key."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class NGramModel(LanguageModel):
    r"""Predicts a character from how often it followed the n-1 before it, mixed with the counts after n-2, and so on.

    .. math::
        p_m(w \mid h) &= \frac{c(hw) - D(c(hw))}{\sum_v c(hv)} + \gamma(h)\, p_{m-1}(w \mid h'), \qquad
        \gamma(h) = \frac{\sum_v D(c(hv))}{\sum_v c(hv)} \\
        D_1 &= 1 - 2Y\frac{n_2}{n_1}, \quad D_2 = 2 - 3Y\frac{n_3}{n_2}, \quad D_{3+} = 3 - 4Y\frac{n_4}{n_3}, \quad
        Y = \frac{n_1}{n_1 + 2 n_2}

    This is interpolated modified Kneser-Ney smoothing (Chen & Goodman, Computer Speech & Language 13, 1999, section 3;
    the discounts are its equation 17). h' is h without its oldest character, and n_k is the number of m-grams with a
    count of k. In the highest order c counts occurrences. Below it, c counts the different characters seen before hw,
    because p_{m-1} matters only where the longer context knows little. Only one boundary stands before a text, so an
    m-gram that begins with it keeps its occurrences. p_0 = 1/V: no character is ever impossible, not even <unk>.

    An m-gram has a key, key(h w) = rank(h) · V + w, and a rank, its place in the order of the keys of all m-grams of
    the text. The keys fit into 64 bits for any V and n. The continuations of a context are neighbours. There are three
    buffers for each m from 2: `keys_m`; `own_m`, the fraction in the first equation, for each m-gram; and `gamma_m`,
    for each context, an (m-1)-gram. The last entry of each buffer, found at index -1, is for what was not seen: it adds
    0 and takes the shorter context's probability whole. The model has no parameters. Probabilities are float64.
    """

    p_1: Tensor

    def __init__(self, vocab_size: int, order: int) -> None:
        """Before `fit` all characters are equally likely. Raises CharrnnError for an order out of bounds."""
        super().__init__(vocab_size)
        if not 1 <= order <= MAX_ORDER:
            raise CharrnnError(f"‹order={order}›: expected 1 to {MAX_ORDER} characters, the predicted one among them")
        self.order = order
        self._counts: Counts | None = None  # the tables as C reads them, made when they are first needed
        self.register_buffer("p_1", torch.full((vocab_size,), 1 / vocab_size, dtype=torch.float64))
        for m in range(2, order + 1):
            contexts = vocab_size if m == 2 else 0
            self.register_buffer(f"keys_{m}", torch.tensor([LAST]))
            self.register_buffer(f"own_{m}", torch.zeros(1, dtype=torch.float64))
            self.register_buffer(f"gamma_{m}", torch.ones(contexts + 1, dtype=torch.float64))

    @classmethod
    def of(cls, vocab_size: int, config: ModelConfig) -> LanguageModel:
        """The n-gram of a config, before it has counted a text."""
        return cls(vocab_size, config.order)

    @property
    def size(self) -> int:
        """The number of stored n-grams of all orders; V of them are the characters."""
        return self.vocab_size + sum(len(self.table(m)[0]) - 1 for m in range(2, self.order + 1))

    @property
    def nbytes(self) -> int:
        """The bytes of the tables, which is very nearly the size of their file."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def initial_state(self, batch: int) -> State:
        """The last characters before a text: boundaries, ids `[batch, order - 1]`."""
        return (torch.full((batch, self.order - 1), self.boundary, device=self.device),)

    def blank_state(self, batch: int) -> State:
        """Last characters that are none, -1 `[batch, order - 1]`: a context that holds one of them was never seen."""
        return tuple(torch.full_like(tensor, -1) for tensor in self.initial_state(batch))

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` to the ranks `[T, B, order - 1]` of the contexts of 1, 2, ... characters, -1 if not seen."""
        text = torch.cat([state[0].t(), ids])
        rank, ranks = text, [ids[..., None][..., : self.order - 1]]
        for m in range(2, self.order):
            rank = self._find(m, rank[:-1], text[m - 1 :])  # an m-gram is an (m-1)-gram and the character after it
            ranks.append(rank[-len(ids) :, :, None])
        return torch.cat(ranks, dim=-1), (text[len(ids) :].t(),)

    def readout(self, features: Tensor) -> Tensor:
        """Ranks `[..., order - 1]` to log-probabilities `[..., V]`."""
        return self.probabilities(features, torch.float64).log_()

    def probabilities(self, contexts: Tensor, dtype: torch.dtype) -> Tensor:
        r"""Ranks `[..., order - 1]` to probabilities `[..., V]`.

        The equation above, multiplied out: p(w | h) is the sum over m of own_m(h_m w) Π_{k>m} gamma_k, and of p_1 Π
        gamma_k. Most characters have only the last term.
        """
        flat = contexts.flatten(0, -2)
        left = torch.ones(len(flat), dtype=torch.float64, device=flat.device)
        places, values = [], []
        for m in range(self.order, 1, -1):
            keys, own, gamma = self.table(m)
            h = flat[:, m - 2]
            first = torch.searchsorted(keys, h * self.vocab_size)
            count = torch.searchsorted(keys, (h + 1) * self.vocab_size) - first
            row = torch.arange(len(h), device=h.device).repeat_interleave(count)
            past = (count.cumsum(0) - count).repeat_interleave(count)  # number of continuations in the rows before
            entry = first[row] + torch.arange(len(row), device=h.device) - past
            places.append(row * self.vocab_size + keys[entry] % self.vocab_size)
            values.append((own[entry] * left[row]).to(dtype))
            left = left * gamma[h]
        p = left.to(dtype)[:, None] * self.p_1.to(dtype)
        for place, value in zip(places, values, strict=True):
            p.view(-1).index_add_(0, place, value)
        return p.view(*contexts.shape[:-1], self.vocab_size)

    def ln_p(self, contexts: Tensor) -> Tensor:
        """Ranks `[..., order - 1]` to log-probabilities `[..., V]` in float32, for a mixture; on a CPU in C."""
        if contexts.device.type == "cpu":
            if self._counts is None:
                tables = [[tensor.numpy() for tensor in self.table(m)] for m in range(2, self.order + 1)]
                self._counts = Counts(self.p_1.numpy(), tables)
            if (found := ln_p(self._counts, contexts, self.vocab_size)) is not None:
                return found
        return self.probabilities(contexts, torch.float32).log_()

    def known(self, contexts: Tensor) -> Tensor:
        """Ranks `[..., order - 1]` to the lengths `[...]` of the longest contexts that something followed in the text.

        Only in those does a context take less than the whole of what a shorter one says.
        """
        lengths = torch.zeros(contexts.shape[:-1], dtype=torch.long, device=contexts.device)
        for m in range(2, self.order + 1):
            lengths += self.table(m)[2][contexts[..., m - 2]] < 1
        return lengths

    def log_prob(self, ids: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """ln p `[T, B]` in float64 of the targets `[T, B]` after ids `[T, B]`, and the new state.

        The result equals the targets' entries of the logits; the rest of the vocabulary is not computed.
        """
        there, targets = targets != IGNORE, targets.clamp(min=0)
        contexts, state = self.features(ids, state)
        p = self.p_1[targets]
        for own, gamma in self.shares(contexts, targets):
            p = own + gamma * p
        return p.log() * there, state

    def shares(self, contexts: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """own(hw) and gamma(h) of each order from 2 on, of targets `[...]` after contexts `[..., order - 1]`."""
        for m in range(2, self.order + 1):
            _, own, gamma = self.table(m)
            h = contexts[..., m - 2]
            yield own[self._find(m, h, targets)], gamma[h]

    def fit(self, part: Part, progress: Callable[[int], None] = lambda _: None) -> None:
        """Counts a text, and forgets what was counted before. Calls `progress(1)` after each order.

        The end of a stream, or of a piece of it, is not predicted; the end of each document is. Nothing is counted
        across the edge of a piece. Raises CharrnnError for an empty text.
        """
        boundary = self.boundary
        self._counts = None
        text = _between_boundaries(part, boundary)
        if len(text) < 2:
            raise CharrnnError("the training part is empty: there is nothing to count")
        keys, rank = np.arange(self.vocab_size), text
        is_predicted = text[1:] != boundary if part.documents is None else np.ones(len(text) - 1, bool)
        occurrences = np.bincount(text[1:][is_predicted], minlength=self.vocab_size)
        contexts = 1
        for m in range(1, self.order + 1):
            counts = occurrences
            if m < self.order:
                # The boundary may begin a context. Within a context it is the end of another text.
                context = rank[:-1] if m == 1 else np.where(text[:-1] == boundary, -1, rank[:-1])
                context = np.where(is_predicted, context, -1)
                longer_keys, longer_rank, longer_occurrences = _extend(context, text[1:], self.vocab_size)
                suffix = np.zeros(len(longer_keys), text.dtype)
                suffix[longer_rank[longer_rank >= 0]] = rank[longer_rank >= 0]
                preceded = np.bincount(suffix, minlength=len(keys))
                counts = np.where(preceded > 0, preceded, occurrences)
            own, gamma = _discounted(counts, keys // self.vocab_size, contexts)
            if m == 1:
                self.p_1.copy_(torch.from_numpy(own + gamma / self.vocab_size))
            else:
                self.store(m, keys, own, gamma)
            if m < self.order:
                contexts = len(keys)
                keys, rank = longer_keys, longer_rank
                occurrences = longer_occurrences
            progress(1)

    def table(self, m: int) -> tuple[Tensor, Tensor, Tensor]:
        """The buffers of an order from 2 on: `keys_m`, `own_m` and `gamma_m`."""
        return self.get_buffer(f"keys_{m}"), self.get_buffer(f"own_{m}"), self.get_buffer(f"gamma_{m}")

    def store(self, m: int, keys: Ints, own: Floats, gamma: Floats) -> None:
        """Replaces the buffers of an order, given without their last entries."""
        self._counts = None
        unseen = ("keys", keys, LAST), ("own", own, 0.0), ("gamma", gamma, 1.0)
        for name, values, last in unseen:
            setattr(self, f"{name}_{m}", torch.from_numpy(np.append(values, last)).to(self.p_1.device))

    def _find(self, m: int, h: Tensor, w: Tensor) -> Tensor:
        """The ranks of the m-grams h w from the ranks of their contexts h and the characters w; -1 if not seen."""
        keys = self.table(m)[0]
        key = h * self.vocab_size + w  # below 0 where the context was not seen
        place = torch.searchsorted(keys, key)
        return torch.where(keys[place] == key, place, -1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Gives the buffers the sizes of the saved tables, which depend on the text, before they are filled."""
        self._counts = None
        for name, buffer in list(self.named_buffers()):
            saved = state_dict.get(prefix + name)
            if name != "p_1" and saved is not None:
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def _between_boundaries(part: Part, boundary: int) -> npt.NDArray[np.int32]:
    """The ids of a part after a boundary. Boundaries are between its pieces, and after each document."""
    spans = part.spans
    starts, lengths = spans[:, 0], spans[:, 1] - spans[:, 0]
    ends = np.append(0, np.cumsum(lengths + 1))  # the places of the boundaries
    text = np.full(ends[-1] + 1, boundary, np.int32)
    is_text = np.ones(len(text), bool)
    is_text[ends] = False
    shift = np.repeat(starts - ends[:-1] - 1, lengths)
    text[is_text] = part.ids[np.flatnonzero(is_text) + shift]
    return text[:-1] if part.documents is None else text


def _extend(
    context: npt.NDArray[np.int32], character: npt.NDArray[np.int32], vocab_size: int
) -> tuple[Ints, npt.NDArray[np.int32], Ints]:
    """The m-grams of a text, from the ranks of their contexts (-1: none) and their last characters, both `[N]`.

    Gives the sorted keys of the different m-grams, the rank of the m-gram that ends at each place of the text,
    `[N + 1]` (-1: none, as at the first place), and the number of occurrences of each m-gram.
    """
    there = context >= 0
    key = context[there].astype(np.int64) * vocab_size + character[there]
    order = np.argsort(key)
    key = key[order]
    is_first = np.ones(len(key), bool)
    is_first[1:] = key[1:] != key[:-1]
    firsts = np.flatnonzero(is_first)
    ranks = np.empty(len(key), np.int32)
    ranks[order] = np.cumsum(is_first, dtype=np.int32) - np.int32(1)
    rank = np.full(len(there) + 1, -1, np.int32)
    rank[1:][there] = ranks
    return key[firsts], rank, np.diff(firsts, append=len(key))


def _discounted(counts: Ints, context: Ints, contexts: int) -> tuple[Floats, Floats]:
    """(c(hw) - D) / c(h) for each m-gram, and gamma(h) for each context, 1 for a context that nothing follows."""
    discount = np.array(_discounts(counts))[np.minimum(counts, 3)]
    total = np.bincount(context, counts, contexts)
    gamma = np.divide(np.bincount(context, discount, contexts), total, out=np.ones(contexts), where=total > 0)
    return (counts - discount) / total[context], gamma


def _discounts(counts: Ints) -> tuple[float, ...]:
    """D for counts of 0, 1, 2, and 3 or more. All but the first are above 0, so that every gamma(h) is above 0."""
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=5)[1:5].tolist()
    if not (n1 and n2 and n3 and n4):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    discounts = 0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    return discounts if min(discounts[1:]) > 0 else FALLBACK
