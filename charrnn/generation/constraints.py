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
from charrnn.generation.filters import MEMORY, Filters, draw, log_softmax, races
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
    price: float
    """-ln of the probability that the model gave to what the constraint allowed, summed over the characters: what the
    constraint took from it. 0 if the model would only have written so."""

    @property
    def bits(self) -> float:
        """The price of the constraint in bits per character."""
        return self.price / math.log(2) / max(1, len(self.ids))


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

    A character is drawn from those that are allowed, with the filters on the model's probabilities among them. One that
    `after` refuses is taken out, and the same random numbers draw again.
    """
    count, boundary, unknown = len(generators), vocabulary.boundary, vocabulary.unknown
    states = [walk(constraint, prompt)] * count
    model = copy(model)
    model.begin([boundary, *prompt], count)
    texts: list[list[int]] = [[] for _ in generators]
    gained, price = np.zeros(count), np.zeros(count)
    recent = np.array([prompt[-MEMORY:]] * count, np.int64).reshape(count, -1)
    running = set(range(count))
    for _ in range(longest):
        log_probs = log_softmax(model.logits())
        mask = np.zeros(log_probs.shape, np.bool_)
        for row in list(running):
            mask[row] = _mask_of(constraint, states[row], log_probs.shape[1])
            mask[row, [unknown, boundary]] = False, documents and constraint.is_over(states[row])
            if not mask[row].any():
                if not constraint.is_over(states[row]):
                    raise DeadEnd
                running.remove(row)
        if not running:
            break
        mask[[row not in running for row in range(count)]] = True  # what they draw is not kept
        race = races(generators, 1, log_probs.shape[1])[:, 0]
        chosen = _draw(log_probs, mask, filters, recent, race)
        for row in list(running):
            one = int(chosen[row])
            while one != boundary and (state := constraint.after(states[row], one)) is None:
                mask[row, one] = False
                if not mask[row].any():
                    raise DeadEnd
                own = slice(row, row + 1)
                one = int(_draw(log_probs[own], mask[own], filters, recent[own], race[own])[0])
            gained[row] += log_probs[row, one]
            price[row] -= np.logaddexp.reduce(log_probs[row][mask[row]].astype(np.float64))
            if one == boundary:
                running.remove(row)
            else:
                states[row], chosen[row] = state, one
                texts[row].append(one)
        recent = np.concatenate([recent, chosen[:, None]], axis=1)[:, -MEMORY:]
        model.step(chosen)
    if unfinished := [row for row in running if not constraint.is_over(states[row])]:
        raise CharrnnError(
            f"‹length={longest}›: {len(unfinished)} of {count} texts are not whole after so many characters; give more"
        )
    return [Kept(text, float(g), float(p)) for text, g, p in zip(texts, gained, price, strict=True)]


def _mask_of(constraint: Constraint, state: Any, size: int) -> Mask:
    """What a constraint allows. Raises CharrnnError where it is one of another alphabet."""
    mask = np.asarray(constraint.allowed(state))
    if mask.shape != (size,):
        raise CharrnnError(
            f"‹constraint›: {type(constraint).__name__}.allowed gives an array {list(mask.shape)}, and this model has "
            f"{size:,} ids: make it with this run's vocabulary"
        )
    return mask


def _draw(
    log_probs: npt.NDArray[np.float32],
    mask: Mask,
    filters: Filters,
    recent: npt.NDArray[np.int64],
    race: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """An id for each row, among those that its mask allows."""
    return draw(filters(log_softmax(np.where(mask, log_probs, -np.inf).astype(np.float32)), recent), race)
