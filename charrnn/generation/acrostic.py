"""Acrostics in any text: each line begins with a character that is asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from charrnn.errors import CharrnnError
from charrnn.generation.constraints import Mask
from charrnn.text.vocab import Vocabulary


class InLine(NamedTuple):
    """A place in a line, from 0, in which so many ids are written."""

    line: int
    written: int = 0


class Acrostic:
    """Lines, each of which begins with the character that is asked for. The end of the last one ends the text."""

    def __init__(self, letters: str, vocabulary: Vocabulary, longest: int, between: str = "\n") -> None:
        """The letters of all lines, which together have at most `longest` ids. `between` two lines stands a line end,
        and what else the model's texts have there, such as an empty line and an indentation.

        Raises CharrnnError where the model does not know a letter, or no line ends, and where so many lines have no
        room.
        """
        if not letters:
            raise CharrnnError("‹acrostic›: a character or more was expected")
        if "\n" not in vocabulary:
            raise CharrnnError("‹acrostic›: this model knows no line ends, and so no lines")
        newline, *indent = vocabulary.encode(between)
        self._newline, self._size = newline, len(vocabulary)
        own = [vocabulary.encode(letter, remedy="choose others") for letter in letters]
        self._forced = [own[0], *([*indent, *letter] for letter in own[1:])]
        self._most = longest // len(letters) - 1
        if self._most <= max(map(len, self._forced)):
            raise CharrnnError(f"‹length={longest}›: too few characters for the {len(letters)} lines of the acrostic")

    def begin(self) -> InLine:
        """Before the first line."""
        return InLine(0)

    def allowed(self, state: InLine) -> Mask:
        """What a line begins with, then anything; at its longest only its end."""
        forced = self._forced_at(state)
        mask = np.full(self._size, forced is None and state.line < len(self._forced))
        if forced is not None:
            mask[forced] = True
        elif state.written >= self._most and state.line < len(self._forced) - 1:
            mask[:] = False
            mask[self._newline] = True
        return mask

    def after(self, state: InLine, character: int) -> InLine | None:
        """The place after an id; None where it does not stand there."""
        if not self.allowed(state)[character]:
            return None
        if character == self._newline and self._forced_at(state) is None:
            return InLine(state.line + 1)
        return InLine(state.line, state.written + 1)

    def is_over(self, state: InLine) -> bool:
        """Whether all letters stand where they should: the last line may end anywhere."""
        last = len(self._forced) - 1
        return state.line > last or (state.line == last and self._forced_at(state) is None)

    def _forced_at(self, state: InLine) -> int | None:
        """The id that must stand in a place; None where any may."""
        forced = self._forced[state.line] if state.line < len(self._forced) else []
        return forced[state.written] if state.written < len(forced) else None


def usual_break(texts: Iterable[str]) -> str:
    """What most often stands between two lines of some texts: a line end, with empty lines and indentation."""
    found = Counter(one for text in texts for one in re.findall(r"\n\s*(?=\S)", text))
    return found.most_common(1)[0][0] if found else "\n"
