"""Texts below a heading, of which the user gives some fields and the model writes the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.generation.constraints import Constraint, Mask, Unfit, walk
from charrnn.text.prompts import Prompt
from charrnn.text.vocab import Vocabulary

LONGEST = 60
"""The most characters of a field that the model writes."""


class InHeading(NamedTuple):
    """A place in a heading: before this item of it, in which so much is written."""

    item: int
    written: int = 0


class Below(NamedTuple):
    """Below the heading, in this state of the constraint that is kept there."""

    state: Any


class Headed:
    """A heading, and below it any text, or one that keeps a constraint."""

    def __init__(
        self, items: Sequence[int | None], begun: Sequence[int], below: Constraint | None, vocabulary: Vocabulary
    ) -> None:
        """`items` are the ids of the heading, and None for each field that the model writes, after which an id follows.

        The text below begins with the ids `begun`. Raises Unfit where they do not fit its constraint.
        """
        self._items, self._below = [*items, *begun], below
        self._heading, self._size = len(items), len(vocabulary)
        self._never = vocabulary.encode("\n")[0] if "\n" in vocabulary else vocabulary.unknown
        self._begun = None if below is None else walk(below, begun)

    @property
    def beginning(self) -> list[int]:
        """The ids before the first field that the model writes."""
        return [item for item in self._items[: self._first_field] if item is not None]

    @property
    def _first_field(self) -> int:
        return next((i for i, item in enumerate(self._items) if item is None), len(self._items))

    def begin(self) -> InHeading | Below:
        """Before the heading."""
        return self._at(0)

    def allowed(self, state: InHeading | Below) -> Mask:
        """What the heading has here; of a field all but a line end, and from its second character on what ends it."""
        if isinstance(state, Below):
            return np.ones(self._size, np.bool_) if self._below is None else self._below.allowed(state.state)
        item = self._items[state.item]
        mask = np.full(self._size, item is None and state.written < LONGEST)
        if item is None:
            mask[self._never] = False
            mask[self._items[state.item + 1]] = state.written > 0
        else:
            mask[item] = True
        return mask

    def after(self, state: InHeading | Below, character: int) -> InHeading | Below | None:
        """The place after an id; None where it does not stand there."""
        if isinstance(state, Below):
            if self._below is None:
                return state
            after = self._below.after(state.state, character)
            return None if after is None else Below(after)
        if not self.allowed(state)[character]:
            return None
        if self._items[state.item] is not None:
            return self._at(state.item + 1)
        if character == self._items[state.item + 1]:
            return self._at(state.item + 2)
        return InHeading(state.item, state.written + 1)

    def is_over(self, state: InHeading | Below) -> bool:
        """Whether the text may end here: not in the heading."""
        return isinstance(state, Below) and (self._below is None or self._below.is_over(state.state))

    def within(self, ids: Sequence[int]) -> int:
        """How many of the ids of a text belong to its heading."""
        state, count = self.begin(), 0
        while count < len(ids) and isinstance(state, InHeading) and state.item < self._heading:
            after = self.after(state, ids[count])
            assert after is not None  # the text is one of this constraint
            state, count = after, count + 1
        return count

    def _at(self, item: int) -> InHeading | Below:
        return InHeading(item) if item < len(self._items) else Below(self._begun)


def with_heading(
    parts: Sequence[tuple[str, str | None]],
    values: Mapping[str, Prompt],
    begin: Prompt,
    below: Constraint | None,
    vocabulary: Vocabulary,
) -> tuple[Prompt, Constraint | None]:
    """How a text begins that has a heading and below it `begin`, and what it keeps: nothing, where the heading is given
    as a whole and nothing is asked of what is `below`.

    `parts` are those of `text.headings.Headings`. Raises CharrnnError where `begin` does not fit what is below.
    """
    items: list[int | None] = []
    shown = ""
    for literal, name in parts:
        value = None if name is None else values.get(name)
        if None not in items:
            shown += literal + ("" if value is None else value.text)
        items += vocabulary.encode(literal)
        if name is not None:
            items += [None] if value is None else value.ids
    if None not in items:
        shown += begin.text
    try:
        headed = Headed(items, begin.ids, below, vocabulary)
    except Unfit as unfit:
        raise unfit.told(vocabulary, begin.ids) from None
    return Prompt(shown, headed.beginning), None if below is None and None not in items else headed
