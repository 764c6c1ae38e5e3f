"""Writing texts that keep a constraint, side by side, character by character."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.generation.constraints import Constraint, DeadEnd, Mask, walk
from charrnn.generation.filters import MEMORY, Filters, by_row, draw, log_softmax, races
from charrnn.generation.stepper import Stepper
from charrnn.text.vocab import Vocabulary


@dataclass(frozen=True)
class Kept:
    """A text that keeps a constraint."""

    ids: list[int]
    """Those after the prompt."""
    log_prob: float
    """ln of the model's probability of them, at temperature 1."""
    prices: list[float]
    """For each character -ln of the probability that the model gave to what the constraint allowed, and for the end of
    a document where the model ended it. 0 if the model would only have written so."""

    def bits(self, start: int = 0) -> float:
        """The price of the constraint from the character `start` on: bits for each, which it took from the model."""
        return sum(self.prices[start:]) / math.log(2) / max(1, len(self.ids) - start)


class Course:
    """One text on its way through a constraint."""

    def __init__(
        self, constraint: Constraint, prompt: Sequence[int], vocabulary: Vocabulary, documents: bool = False
    ) -> None:
        """With `documents` the model may end a text that is whole. Raises Unfit where the prompt does not fit."""
        self._constraint, self._vocabulary, self._documents = constraint, vocabulary, documents
        self._state = walk(constraint, prompt)
        self.ids: list[int] = []
        self.log_prob = 0.0
        self.prices: list[float] = []
        self.running = True

    @property
    def is_whole(self) -> bool:
        """Whether the text may end here."""
        return self._constraint.is_over(self._state)

    @property
    def kept(self) -> Kept:
        """The text as it stands."""
        return Kept(self.ids, self.log_prob, self.prices)

    def mask(self) -> Mask:
        """What may come next, `[V]`; where nothing may, a whole text ends. Raises CharrnnError for another."""
        mask = _mask_of(self._constraint, self._state, len(self._vocabulary))
        mask[[self._vocabulary.unknown, self._vocabulary.boundary]] = False, self._documents and self.is_whole
        self.running = bool(mask.any())
        if not self.running and not self.is_whole:
            raise DeadEnd
        return mask

    def take(self, one: int, mask: Mask, log_probs: npt.NDArray[np.float32]) -> bool:
        """Goes on by an id; `log_probs` `[V]` are the model's. False where the constraint refuses it: then it is taken
        out of the mask. Raises CharrnnError where nothing is left there.
        """
        if one == self._vocabulary.boundary:
            self.running = False
        else:
            state = self._constraint.after(self._state, one)
            if state is None:
                mask[one] = False
                if not mask.any():
                    raise DeadEnd
                return False
            self._state = state
            self.ids.append(one)
        self.log_prob += float(log_probs[one])
        self.prices.append(max(0.0, -float(np.logaddexp.reduce(log_probs[mask].astype(np.float64)))))
        return True


def step(
    model: Stepper,
    courses: Sequence[Course],
    filters: Sequence[Filters],
    recent: npt.NDArray[np.int64],
    generators: Sequence[np.random.Generator],
) -> tuple[npt.NDArray[np.int64], dict[int, CharrnnError]]:
    """Takes each text that is running on by a character. Gives the ids that the rows of the model have read, `[N]`, and
    the faults of the rows that cannot go on, which are over.

    A character is drawn from those that are allowed, with the filters on the model's probabilities among them. One that
    `after` refuses is taken out, and the same random numbers draw again.
    """
    log_probs = log_softmax(model.logits())
    mask = np.ones(log_probs.shape, np.bool_)  # what texts draw that are over is not kept
    faults: dict[int, CharrnnError] = {}

    def running() -> list[int]:
        return [row for row, course in enumerate(courses) if course.running and row not in faults]

    for row in running():
        try:
            allowed = courses[row].mask()
        except CharrnnError as fault:
            faults[row] = fault
        else:
            mask[row] = allowed | (not courses[row].running)
    if not (going := running()):
        return np.empty(0, np.int64), faults
    race = races(generators, 1, log_probs.shape[1])[:, 0]
    chosen = _draw(log_probs, mask, filters, recent, race)
    for row in going:
        own = slice(row, row + 1)
        try:
            while not courses[row].take(int(chosen[row]), mask[row], log_probs[row]):
                chosen[row] = _draw(log_probs[own], mask[own], filters[own], recent[own], race[own])[0]
        except CharrnnError as fault:
            faults[row] = fault
    model.step(chosen)
    return chosen, faults


def write(
    model: Stepper,
    vocabulary: Vocabulary,
    prompt: Sequence[int],
    constraint: Constraint,
    filters: Filters,
    generators: Sequence[np.random.Generator],
    longest: int,
    documents: bool = False,
) -> list[Kept]:
    """A text for each generator. It ends where the constraint allows nothing more, at the `longest` number of
    characters, or with `documents` where the model ends it; in each case only if the constraint takes it as whole.

    Raises Unfit where the prompt does not fit, and CharrnnError where nothing is allowed before a text is whole, or
    where it is not whole at its longest.
    """
    count = len(generators)
    courses = [Course(constraint, prompt, vocabulary, documents) for _ in generators]
    model = copy(model)
    model.begin([vocabulary.boundary, *prompt], count)
    recent = np.array([prompt[-MEMORY:]] * count, np.int64).reshape(count, -1)
    for _ in range(longest):
        chosen, faults = step(model, courses, [filters] * count, recent, generators)
        if faults:
            raise faults[min(faults)]
        if not any(course.running for course in courses):
            break
        recent = np.concatenate([recent, chosen[:, None]], axis=1)[:, -MEMORY:]
    if unfinished := sum(course.running and not course.is_whole for course in courses):
        raise too_short(longest, unfinished, count)
    return [course.kept for course in courses]


def too_short(longest: int, unfinished: int, count: int) -> CharrnnError:
    """What is said where texts are not whole at their longest."""
    return CharrnnError(
        f"‹length={longest}›: {unfinished} of {count} texts are not whole after so many characters; give more"
    )


def _mask_of(constraint: Constraint, state: Any, size: int) -> Mask:
    """A copy of what a constraint allows. Raises CharrnnError where it is one of another alphabet."""
    mask = np.array(constraint.allowed(state), np.bool_)
    if mask.shape != (size,):
        raise CharrnnError(
            f"‹constraint›: {type(constraint).__name__}.allowed gives an array {list(mask.shape)}, and this model has "
            f"{size:,} ids: make it with this run's vocabulary"
        )
    return mask


def _draw(
    log_probs: npt.NDArray[np.float32],
    mask: Mask,
    filters: Sequence[Filters],
    recent: npt.NDArray[np.int64],
    race: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """An id for each row, among those that its mask allows."""
    among = log_softmax(np.where(mask, log_probs, -np.inf).astype(np.float32))
    return draw(by_row(filters, among, recent), race)
