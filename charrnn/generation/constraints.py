"""Constraints: automata over characters that a text must satisfy, and writing that only goes where they can be met."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
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
