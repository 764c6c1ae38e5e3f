"""What may come next in a text: by the filters, by a constraint, and as whole characters."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.generation.blanks import Blanks
from charrnn.generation.constraints import Constraint, Mask
from charrnn.generation.filters import MEMORY, Doubles, Filters, Floats, draw, log_softmax, races
from charrnn.generation.stepper import Stepper
from charrnn.text.vocab import Vocabulary

EXPANSIONS = 200
"""The most beginnings of characters of several bytes that are looked into."""


@dataclass(frozen=True)
class Proposal:
    """A character, a word or the end of the text, with its probability under the filters and the constraint."""

    text: str
    """Empty for the end of the text."""
    probability: float


class Choices:
    """The rules by which the next character is chosen.

    A state of None is one without a constraint: there is none, or the text has left it.
    """

    def __init__(
        self, vocabulary: Vocabulary, documents: bool, filters: Filters, constraint: Constraint | None = None
    ) -> None:
        """With `documents` the text may end."""
        self.vocabulary, self.filters, self.constraint = vocabulary, filters, constraint
        self._documents = documents
        self._blanks = Blanks(vocabulary) if vocabulary.kind == "byte" else None

    def mask(self, state: Any, begun: tuple[int, ...] = ()) -> Mask:
        """The ids that may come, `[V]`, inside a character of which the bytes `begun` are there."""
        vocabulary = self.vocabulary
        mask: Mask = np.ones(len(vocabulary), np.bool_)
        over = True
        if state is not None and self.constraint is not None:
            mask[:] = self.constraint.allowed(state)
            over = self.constraint.is_over(state)
        if self._blanks is not None:
            whole = np.zeros_like(mask)
            whole[list(self._blanks.ways(begun))] = True
            mask &= whole
        mask[[vocabulary.unknown, vocabulary.boundary]] = False, self._documents and over and not begun
        return mask

    def probabilities(self, log_probs: Floats, mask: Mask, recent: Sequence[int]) -> Floats:
        """p `[V]` of ln p `[V]`, among those of the mask: all 0 where it holds none."""
        if not mask.any():
            return np.zeros(len(mask), np.float32)
        allowed = log_softmax(np.where(mask, log_probs, -np.inf).astype(np.float32)[None])
        found: Floats = self.filters(allowed, np.array([recent[-MEMORY:]], np.int64).reshape(1, -1))[0]
        return found

    def after(self, state: Any, one: int) -> tuple[bool, Any]:
        """Whether an id may come, and the state after it."""
        if state is None or self.constraint is None or one == self.vocabulary.boundary:
            return True, state
        found = self.constraint.after(state, one)
        return found is not None, found

    def ends(self, ids: tuple[int, ...]) -> bool:
        """Whether these ids are a whole character."""
        return self._blanks is None or self._blanks.ways(ids[:-1])[ids[-1]]

    def likeliest(self, log_probs: Floats, recent: Sequence[int], state: Any, count: int) -> list[tuple[int, float]]:
        """The `count` likeliest ids with their probabilities, those left out that the constraint refuses in the end."""
        return self._likeliest(log_probs, self.mask(state), recent, state, count)

    def _likeliest(
        self, log_probs: Floats, mask: Mask, recent: Sequence[int], state: Any, count: int
    ) -> list[tuple[int, float]]:
        while True:
            p = self.probabilities(log_probs, mask, recent)
            first = np.argpartition(-p, min(count, len(p) - 1))[: count + 1]
            order = sorted((one for one in first.tolist() if p[one] > 0), key=lambda one: (-p[one], one))[:count]
            refused = [one for one in order if not self.after(state, one)[0]]
            if not refused:
                return [(one, float(p[one])) for one in order]
            mask[refused] = False

    def draw(
        self, log_probs: Floats, mask: Mask, recent: Sequence[int], state: Any, random: np.random.Generator
    ) -> int | None:
        """An id by chance, as `sample` draws it; None where nothing may come."""
        race: Doubles = races([random], 1, len(mask))[0]
        while mask.any():
            one = int(draw(self.probabilities(log_probs, mask, recent)[None], race)[0])
            if self.after(state, one)[0]:
                return one
            mask[one] = False
        return None

    def characters(
        self, model: Stepper, recent: Sequence[int], state: Any, count: int
    ) -> list[tuple[tuple[int, ...], float]]:
        """The `count` likeliest characters of a model of bytes that has read the text, as ids with probabilities.

        The likeliest beginning is always looked into first, so that none that is likelier is missed.
        """
        found: list[tuple[tuple[int, ...], float]] = []
        heap: list[tuple[float, tuple[int, ...], Any, Any]] = [(-1.0, (), state, model.state())]
        for _ in range(EXPANSIONS):
            if not heap or len(found) == count:
                break
            p, ids, own, known = heapq.heappop(heap)
            if ids and (ids[-1] == self.vocabulary.boundary or self.ends(ids)):
                found.append((ids, -p))
                continue
            model.resume(known)
            if ids:
                model.step(np.array(ids[-1:]))
            log_probs, here = log_softmax(model.logits())[0], model.state()
            for one, q in self._likeliest(log_probs, self.mask(own, ids), [*recent, *ids], own, count):
                heapq.heappush(heap, (p * q, (*ids, one), self.after(own, one)[1], here))
        return found
