"""Constraints: automata over characters that a text must satisfy, and writing that only goes where they can be met."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.generation.filters import MEMORY, Filters, by_row, draw, log_softmax, races
from charrnn.generation.stepper import Stepper
from charrnn.text.vocab import Vocabulary

Mask = npt.NDArray[np.bool_]

FEW, AHEAD, LOOKS = 16, 24, 1000
"""Where constraints are joined, places with at most so many allowed characters are looked through, so many characters
ahead, and so many of them in all."""


class Constraint(Protocol):
    """An automaton over the ids of characters, in the order of `run.vocabulary`. A text is only written where a right
    one can still be finished.

    States are any values; None is none. See docs/verse.md for an example.
    """

    def begin(self) -> Any:
        """The state before the first character."""
        ...

    def allowed(self, state: Any) -> Mask:
        """Which ids may come next, `[V]`: at least all those after which `after` gives a state. None of them: the text
        ends here."""
        ...

    def after(self, state: Any, character: int) -> Any | None:
        """The state after an id; None where no right text goes on so."""
        ...

    def is_over(self, state: Any) -> bool:
        """Whether the text may end here."""
        ...


class Both:
    """Several constraints at once. Each keeps out of its own dead ends.

    Together they may have others, such as a comma that a form asks for and that completes a forbidden word. So `after`
    looks ahead through places where few characters are allowed, and refuses a character behind which no way goes on.
    What lies behind a place with many is not looked at: one of them will do.
    """

    def __init__(self, parts: Sequence[Constraint]) -> None:
        self._parts = list(parts)

    def pairs(self, state: tuple[Any, ...]) -> list[tuple[Constraint, Any]]:
        """The parts with their states."""
        return [*zip(self._parts, state, strict=True)]

    def begin(self) -> tuple[Any, ...]:
        """The states of all parts."""
        return tuple(part.begin() for part in self._parts)

    def allowed(self, state: tuple[Any, ...]) -> Mask:
        """What all parts allow."""
        masks = [np.asarray(part.allowed(own)) for part, own in zip(self._parts, state, strict=True)]
        if len(shapes := {mask.shape for mask in masks}) > 1:
            sizes = " and ".join(sorted(str(list(shape)) for shape in shapes))
            raise CharrnnError(f"‹constraint›: arrays {sizes}: make all constraints with this run's vocabulary")
        return np.logical_and.reduce(masks)

    def after(self, state: tuple[Any, ...], character: int) -> tuple[Any, ...] | None:
        """The states of all parts, if all go on, and can do so together."""
        states = self._next(state, character)
        return states if states is not None and self._goes_on(states) else None

    def _next(self, state: tuple[Any, ...], character: int) -> tuple[Any, ...] | None:
        states = tuple(part.after(own, character) for part, own in zip(self._parts, state, strict=True))
        return None if any(own is None for own in states) else states

    def _goes_on(self, states: tuple[Any, ...]) -> bool:
        """Whether some way leads on from here, as far as is looked."""
        ways = [(states, 0)]
        for _ in range(LOOKS):
            if not ways:
                return False
            here, depth = ways.pop()
            found = np.flatnonzero(self.allowed(here))
            if depth == AHEAD or len(found) > FEW or (not len(found) and self.is_over(here)):
                return True
            further = (self._next(here, one) for one in found[::-1].tolist())
            ways += [(after, depth + 1) for after in further if after is not None]
        return True  # nothing is known: whether it is a dead end will be seen

    def is_over(self, state: tuple[Any, ...]) -> bool:
        """Whether all parts are whole."""
        return all(part.is_over(own) for part, own in zip(self._parts, state, strict=True))


class Without:
    """Any text in which none of some words occurs."""

    def __init__(self, words: Sequence[str], vocabulary: Vocabulary) -> None:
        """A word with a character that the vocabulary does not have cannot occur anyway."""
        self._size = len(vocabulary)
        known = [word for word in words if word and all(character in vocabulary for character in word)]
        self._words = [tuple(vocabulary.encode(word)) for word in known]
        self._memory = max(map(len, self._words), default=1) - 1

    def begin(self) -> tuple[int, ...]:
        """Nothing is written."""
        return ()

    def allowed(self, state: tuple[int, ...]) -> Mask:
        """All ids but those that would complete a word."""
        mask = np.ones(self._size, np.bool_)
        mask[self._last(state)] = False
        return mask

    def after(self, state: tuple[int, ...], character: int) -> tuple[int, ...] | None:
        """The last characters, of which a word may be the beginning."""
        if character in self._last(state):
            return None
        written = (*state, character)
        return written[max(0, len(written) - self._memory) :]

    def is_over(self, state: tuple[int, ...]) -> bool:
        """A text may end anywhere."""
        return True

    def _last(self, state: tuple[int, ...]) -> list[int]:
        """The ids that would complete a word."""
        return [word[-1] for word in self._words if state[len(state) - len(word) + 1 :] == word[:-1]]


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


def line_of(constraint: Constraint, state: Any) -> int | None:
    """The line of verse in which the next character stands, from 0; None for a constraint that knows no lines."""
    if isinstance(constraint, Both):
        return next((line for part, own in constraint.pairs(state) if (line := line_of(part, own)) is not None), None)
    own = getattr(constraint, "line_of", None)
    return None if own is None else int(own(state))


def is_rhyme(constraint: Constraint, state: Any) -> bool:
    """Whether the next character is a rhyme word of a constraint that knows rhymes."""
    if isinstance(constraint, Both):
        return any(is_rhyme(part, own) for part, own in constraint.pairs(state))
    own = getattr(constraint, "is_rhyme", None)
    return own is not None and bool(own(state))


def walk(constraint: Constraint, ids: Sequence[int]) -> Any:
    """The state after some ids. Raises Unfit with the place of the first one that does not fit."""
    state = constraint.begin()
    for i, one in enumerate(ids):
        state = constraint.after(state, one)
        if state is None:
            raise Unfit(i)
    return state


class DeadEnd(CharrnnError):
    """A text that is not whole, and has no character with which it could go on."""

    def __init__(self) -> None:
        super().__init__("what is asked for leaves no character at one place: a right text cannot go on from here")


class Unfit(CharrnnError):
    """A prompt that a constraint does not allow. `place` is that of the first id that does not fit."""

    def __init__(self, place: int) -> None:
        super().__init__(f"the character {place + 1} of the prompt does not fit what is asked for")
        self.place = place

    def told(self, vocabulary: Vocabulary, prompt: Sequence[int]) -> CharrnnError:
        """The same, with the character."""
        character = vocabulary.decode([prompt[self.place]])
        return CharrnnError(f"‹prompt›: {character!r}, its character {self.place + 1}, does not fit what is asked for")


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
