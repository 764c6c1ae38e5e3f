"""The n-gram without PyTorch. The docstring of `models.ngram.NGramModel` explains its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from charrnn.generation.filters import Floats, Ints
from charrnn.generation.stepper import Stepper
from charrnn.store.weights import Array, Weights, ngram_tables


class NGramStepper(Stepper):
    """A stepper that looks up the continuations of the last characters, from the shortest context to the longest."""

    def __init__(self, order: int, vocab_size: int, weights: Mapping[str, Array]) -> None:
        """Raises CharrnnError where the tables are not those of such an n-gram."""
        self._order, self._vocab_size = order, vocab_size
        self._p_1, self._tables = ngram_tables(Weights(weights), order, vocab_size)
        self._texts: list[list[int]] = []

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Keeps the last `order` characters of a text, with boundaries before it."""
        padded = [ids[0]] * self._order + list(ids)
        self._texts = [padded[-self._order :] for _ in range(count)]

    def step(self, ids: Ints) -> None:
        """Appends one character to each row, ids `[N]`, and drops the oldest one."""
        for text, i in zip(self._texts, ids.tolist(), strict=True):
            del text[0]
            text.append(i)

    def logits(self) -> Floats:
        """ln p of the next character, `[N, V]`: p_m(w | h) = own(hw) + gamma(h) p_{m-1}(w | h'), from m = 1 on."""
        p = np.tile(self._p_1, (len(self._texts), 1))
        for row, text in zip(p, self._texts, strict=True):
            for m, (keys, own, gamma) in enumerate(self._tables, 2):
                h = self._rank(text[len(text) - m + 1 :])
                if h < 0:
                    break  # a longer context was not seen either
                first, last = np.searchsorted(keys, (h * self._vocab_size, (h + 1) * self._vocab_size))
                row *= gamma[h]
                row[keys[first:last] - h * self._vocab_size] += own[first:last]
        return np.log(p).astype(np.float32)

    def _rank(self, context: list[int]) -> int:
        """The rank of an m-gram among the m-grams of the training text, or -1 if it was not seen."""
        rank = context[0]
        for (keys, _, _), character in zip(self._tables, context[1:], strict=False):
            key = rank * self._vocab_size + character
            rank = int(np.searchsorted(keys, key))
            if keys[rank] != key:
                return -1
        return rank
