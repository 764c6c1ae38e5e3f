"""A constraint under which a text shares no long run of characters with what its model has learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.generation.constraints import Mask
from charrnn.text.suffixes import LONGEST, Suffixes
from charrnn.text.vocab import Vocabulary

KEPT = 100_000
"""The most beginnings of runs whose continuations are remembered."""


def check_original(length: int) -> None:
    """Raises CharrnnError for a length below 2, with which nothing could be written, or above LONGEST."""
    if not 2 <= length <= LONGEST:
        raise CharrnnError(f"‹original={length}›: a number of characters from 2 to {LONGEST:,} was expected")


class Written(NamedTuple):
    """Where a text is."""

    given: int
    """How many characters of the prompt are still to come: those may be any."""
    last: tuple[int, ...]
    """The last characters, which may be the beginning of a run."""


class Original:
    """Any text in which no run of `length` characters of a corpus is written. One that the prompt begins counts.

    It may end anywhere but where nothing could be written: see `constraints.Both`, which looks ahead.
    """

    def __init__(self, corpus: Suffixes, length: int, vocabulary: Vocabulary, given: int = 0) -> None:
        """The first `given` ids of a text are those of a prompt. Raises CharrnnError as `check_original` does."""
        check_original(length)
        self.length = length
        self._corpus, self._vocabulary, self._given = corpus, vocabulary, given
        self._known: dict[tuple[int, ...], npt.NDArray[np.int64]] = {}

    def begin(self) -> Written:
        """Nothing is written."""
        return Written(self._given, ())

    def follow(self, ids: Sequence[int]) -> Written:
        """The state after a text of any ids, all of which are given."""
        return Written(0, tuple(ids[1 - self.length :]))

    def allowed(self, state: Written) -> Mask:
        """All characters but those that would complete a run."""
        mask = np.ones(len(self._vocabulary), np.bool_)
        mask[self._vocabulary.unknown :] = state.given > 0
        mask[self._completing(state)] = False
        return mask

    def after(self, state: Written, character: int) -> Written | None:
        """The last characters, of which a run may begin with any."""
        if not state.given and (character >= self._vocabulary.unknown or character in self._completing(state)):
            return None
        return Written(max(0, state.given - 1), (*state.last, character)[1 - self.length :])

    def is_over(self, state: Written) -> bool:
        """Wherever something could still be written."""
        return bool(self.allowed(state).any())

    def _completing(self, state: Written) -> npt.NDArray[np.int64]:
        """The ids that would complete a run."""
        if state.given or len(state.last) < self.length - 1:
            return np.zeros(0, np.int64)
        if (known := self._known.get(state.last)) is None:
            if len(self._known) == KEPT:
                self._known.clear()
            known = self._known[state.last] = self._corpus.after(state.last)
        return known
