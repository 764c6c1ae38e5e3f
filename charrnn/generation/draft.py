"""A text on which a person and a model are at work: who wrote what, and what may come next."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from charrnn.errors import CharrnnError
from charrnn.generation.choices import Choices, Proposal
from charrnn.generation.constraints import Both, Constraint, is_rhyme, line_of
from charrnn.generation.filters import MEMORY, Filters
from charrnn.generation.guide import Guide
from charrnn.generation.history import Character, History
from charrnn.generation.lookahead import Search, nothing, search_words
from charrnn.generation.original import Original
from charrnn.generation.stepper import Stepper
from charrnn.generation.track import Track
from charrnn.terminal import printable
from charrnn.text.vocab import Vocabulary


class Draft:
    """A text under a model, filters, and what the model is to keep. `Steps` changes it."""

    def __init__(
        self,
        model: Stepper,
        vocabulary: Vocabulary,
        filters: Filters,
        *,
        documents: bool,
        constraint: Constraint | None = None,
    ) -> None:
        """With `documents` the model may end the text."""
        self._vocabulary, self._filters, self._documents = vocabulary, filters, documents
        self._track = Track(model, vocabulary.boundary)
        self._history = History(self._track)
        self._guide = None if constraint is None else Guide(constraint, self._track)
        self._original: Original | None = None

    # The text

    @property
    def text(self) -> str:
        """The text so far, in the person's own characters."""
        return "".join(character.text for character in self._history.characters)

    @property
    def characters(self) -> Sequence[Character]:
        """The characters of the text so far, with who wrote each. A list to read, which later calls change."""
        return self._history.characters

    @property
    def ids(self) -> list[int]:
        """The text so far as the model reads it."""
        return [*self._track.ids]

    def __len__(self) -> int:
        return len(self._history.characters)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        own = sum(character.by == "person" for character in self._history.characters)
        return f"{type(self).__name__}: {len(self)} characters, {own} by you, {len(self) - own} by the model"

    def _repr_html_(self) -> str:
        """The text for a notebook. What the person wrote is bold."""
        parts = []
        for character in self._history.characters:
            shown = escape(printable(character.text))
            parts.append(f"<b>{shown}</b>" if character.by == "person" else shown)
        text = "".join(parts).replace("</b><b>", "")
        return f'<pre style="white-space: pre-wrap">{text}</pre><small>{escape(repr(self))} (bold: you)</small>'

    # What may come

    def propose(self, count: int = 8, at: int | None = None) -> list[Proposal]:
        """The `count` likeliest next characters, the likeliest first, after the first `at` characters or after all.

        Probabilities are those of the next draw: under the filters, among what the form allows. A proposal without text
        is the end of the text. There is none where the form is whole.
        """
        place = self._place(at)
        here, (choices, state) = self._history.ids_before(place), self._rules(place)
        recent = self._track.before(here, MEMORY)
        if self._vocabulary.kind == "byte":
            found = choices.characters(self._track.ahead(here), recent, state, count)
        else:
            ids = choices.likeliest(self._track.log_probs(here), recent, state, count)
            found = [((one,), p) for one, p in ids]
        return [Proposal(self._vocabulary.decode(own), p) for own, p in found]

    def propose_words(self, count: int = 6) -> list[Proposal]:
        """Up to `count` next words or half-lines, found by looking ahead, the likeliest first.

        A word ends before what is no letter, a half-line of ideographs before a mark or a line end. Probabilities are
        as in `propose`, of the whole word and of its end. Others may be likelier than those that are found. A model
        of bytes proposes none.
        """
        search = self.search_words(count)
        while True:
            try:
                next(search)
            except StopIteration as end:
                return [*end.value]

    def search_words(self, count: int = 6) -> Search:
        """`propose_words` for who has other things to do: a generator that pauses after each character that it looks
        ahead, and returns the words. It looks at the text as it is now.
        """
        if self._vocabulary.kind == "byte":
            return nothing()
        here, (choices, state) = len(self._track), self._rules(len(self))
        return search_words(self._track.ahead(here), choices, self._track.before(here, MEMORY), state, count)

    # What the model keeps

    @property
    def filters(self) -> Filters:
        """Temperature, top-k, top-p and the repetition penalty."""
        return self._filters

    @property
    def constraint(self) -> Constraint | None:
        """The form that the model's characters keep, or a constraint of one's own; None for nothing."""
        return None if self._guide is None else self._guide.constraint

    @property
    def original(self) -> int | None:
        """The length of the runs of the corpus that the model does not write; None if it may write any."""
        return None if self._original is None else self._original.length

    @property
    def fits(self) -> bool:
        """Whether the text so far keeps the form, if one is asked for."""
        return self._guide is None or self._state(len(self)) is not None

    @property
    def is_whole(self) -> bool:
        """Whether a form is asked for, and the text is a whole one."""
        state = self._state(len(self))
        return self._guide is not None and state is not None and self._guide.constraint.is_over(state)

    @property
    def has_whole(self) -> bool:
        """Whether a form is asked for, and the text is a whole one, or goes on behind a whole one."""
        if self._guide is None:
            return False
        state = self._guide.last(len(self._track))
        return state is not None and self._guide.constraint.is_over(state)

    @property
    def line(self) -> int | None:
        """The line of the form, from 0, in which the next character stands; None where the text keeps no form."""
        state = self._state(len(self))
        return None if self._guide is None or state is None else line_of(self._guide.constraint, state)

    @property
    def at_rhyme(self) -> bool:
        """Whether the next character is a rhyme word of the form, or may be one."""
        state = self._state(len(self))
        return self._guide is not None and state is not None and is_rhyme(self._guide.constraint, state)

    # Within

    def _place(self, at: int | None) -> int:
        if at is None:
            return len(self)
        if not 0 <= at <= len(self):
            raise CharrnnError(f"‹at={at}›: the text has {len(self)} characters")
        return at

    def _state(self, at: int) -> Any:
        """The state of the form after so many characters; None for a text that is free of it."""
        return None if self._guide is None else self._guide.state(self._history.ids_before(at))

    def _rules(self, at: int) -> tuple[Choices, Any]:
        """What may come after so many characters: the rules, and the state of what they keep."""
        constraint, state = self.constraint, self._state(at)
        if self._original is not None:
            kept: list[tuple[Constraint, Any]] = [] if constraint is None or state is None else [(constraint, state)]
            kept.append((self._original, self._original.follow(self._track.ids[: self._history.ids_before(at)])))
            constraint, state = Both([part for part, _ in kept]), tuple(own for _, own in kept)
        return Choices(self._vocabulary, self._documents, self._filters, constraint), state

    def _draw(self, random: np.random.Generator) -> Character | None:
        """One more character by chance; None where the text ends."""
        here, (choices, state) = len(self._track), self._rules(len(self))
        ids: tuple[int, ...] = ()
        try:
            while True:
                at = len(self._track)
                mask, recent = choices.mask(state, ids), self._track.before(at, MEMORY)
                one = choices.draw(self._track.log_probs(at), mask, recent, state, random)
                if one is None or one == self._vocabulary.boundary:
                    return None
                state, ids = choices.after(state, one)[1], (*ids, one)
                if choices.ends(ids):
                    return Character(self._vocabulary.decode(ids), ids, "model")
                self._track.add([one])  # the next byte of the character
        finally:
            self._track.cut(here)
