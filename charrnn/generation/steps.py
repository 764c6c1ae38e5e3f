"""What a person and a model do with a text, step by step: each step can be taken back, and is in the journal."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Literal, get_args

import numpy as np

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.generation.choices import Proposal
from charrnn.generation.constraints import Constraint
from charrnn.generation.draft import Draft
from charrnn.generation.filters import Filters
from charrnn.generation.guide import Guide
from charrnn.generation.history import Character, Edit
from charrnn.generation.original import Original, check_original
from charrnn.generation.sampler import check_seed, generator
from charrnn.generation.stepper import Stepper
from charrnn.text.prompts import read_characters
from charrnn.text.suffixes import Suffixes
from charrnn.text.vocab import Vocabulary

Until = Literal["character", "line", "verse", "end"]
Record = dict[str, Any]
"""A plain JSON object of a journal: `do` says what was done."""
VERSION = 1
"""Of the journal."""
FILTERS = ("temperature", "top_k", "top_p", "repetition_penalty")


class Steps(Draft):
    """A draft that changes at its end. Each call that changes its text is one step for `undo`."""

    def __init__(
        self,
        model: Stepper,
        vocabulary: Vocabulary,
        corpus: CorpusConfig,
        filters: Filters,
        *,
        documents: bool,
        seed: int = 0,
        longest: int = 500,
        verse: Callable[..., Constraint] | None = None,
        learnt: Callable[[], Suffixes] | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        """With `documents` the model may end a text. `longest` is the most characters that one call of `write` writes.
        `verse` makes the constraint of a form, as `Run.verse` does, and `learnt` opens the index of the text that the
        model has learnt from. A `constraint` of one's own is not in the journal.

        Raises CharrnnError for a seed out of bounds.
        """
        check_seed(seed)
        super().__init__(model, vocabulary, filters, documents=documents, constraint=constraint)
        self._corpus, self._seed, self._longest = corpus, seed, longest
        self._verse, self._learnt = verse, learnt
        self._asked: Record = {}
        self._begins = 0
        self._draws = 0
        self._open: Edit | None = None
        self._ended = False
        self.journal: list[Record] = []
        """What was done, as plain JSON objects from which `replay` makes the session again."""
        self.listener: Callable[[Record], object] = lambda record: None
        """Is given each new record of the journal."""
        self._record({"do": "begin", "version": VERSION, "seed": seed, **self._numbers()})

    @property
    def ended(self) -> bool:
        """Whether the model, or what it keeps, ended the text when it wrote last."""
        return self._ended

    # What the person does

    def type(self, text: str) -> str:
        """Writes a text of the person's, of any characters. What the model does not know is read as a form that it
        knows, or not at all (see `unknown="keep"` of `Run.sample`): the line that says so is given, or an empty one.
        """
        self._settle()
        added, note = self._read(text)
        if added:
            self._add(added)
            self._record({"do": "type", "text": text})
        return note

    def take(self, proposal: Proposal | str) -> None:
        """Writes what the model proposed: a character, or a word. The end of the text (an empty one) writes nothing.

        Raises CharrnnError for what the model cannot write, or is not to write here.
        """
        self._settle()
        text = proposal if isinstance(proposal, str) else proposal.text
        if not text:
            return
        characters = self._written(text)
        choices, state = self._rules(len(self))
        for one in (one for character in characters for one in character.ids):
            allowed, state = choices.after(state, one)
            if not allowed:
                what = "the form" if self._original is None else "what the model keeps"
                raise CharrnnError(f"‹text={text}›: {what} allows something else here; `type` writes it all the same")
        self._add(characters)
        self._record({"do": "take", "text": text})

    def cut(self, at: int) -> None:
        """Takes away all after the first `at` characters. Raises CharrnnError where there are not so many."""
        self._settle()
        place = self._place(at)
        if place < len(self):
            self._do(Edit(place, self._history.characters[place:], []))
            self._record({"do": "cut", "at": place})

    def undo(self) -> bool:
        """Takes the last step back; False where there is none. Filters and the form stay."""
        return self._step_back("undo", self._history.undo)

    def redo(self) -> bool:
        """Makes the last step again that was taken back; False where there is none, or something was done since."""
        return self._step_back("redo", self._history.redo)

    # What the model does

    def write(self, until: Until = "character", length: int | None = None) -> str:
        """Has the model write on, and gives what it wrote: one character, or up to the end of a `line`, of a `verse`,
        or to the `end`; `length` characters at most.

        Lines are those of the form, or end with a line end. A verse is that of the form, or ends with an empty line.
        The end is where the model ends a document, or the form is whole. Raises CharrnnError for other values.
        """
        return "".join(self.writing(until, length))

    def writing(self, until: Until = "character", length: int | None = None) -> Generator[str, None, None]:
        """`write`, character by character. Who leaves off, or does something else, keeps what is there by then."""
        check_until(until)
        most = self._longest if length is None else length
        if most < 1:
            raise CharrnnError(f"‹length={most}›: expected 1 or more characters")
        self._settle()
        return self._written_until(Edit(len(self), [], [], until, most))

    def redraw(self, length: int | None = None) -> str:
        """Another draw of what the model wrote last, and gives it. `undo` brings the one before back.

        Raises CharrnnError where the last step was not the model's.
        """
        return "".join(self.redrawing(length))

    def redrawing(self, length: int | None = None) -> Generator[str, None, None]:
        """`redraw`, character by character."""
        self._settle()
        last = self._history.done[-1] if self._history.done else None
        if last is None or not (last.until or (last.added and last.added[0].by == "model")):
            raise CharrnnError("nothing to draw again: the model did not write what stands last")
        until, most = last.until or "end", last.most or len(last.added)  # of what was taken, as many characters
        return self._written_until(Edit(last.at, [*last.added], [], until, most if length is None else length))

    def _written_until(self, edit: Edit) -> Generator[str, None, None]:
        """Begins to write on as an edit, which is in the journal when it is finished, or left off."""
        random = generator(self._seed, self._draws)
        self._draws += 1
        self._do(edit)
        self._open = edit
        return self._going_on(edit, random, self.line)

    def _going_on(self, edit: Edit, random: np.random.Generator, line: int | None) -> Generator[str, None, None]:
        ended = False
        try:
            while self._open is edit and len(edit.added) < edit.most and not self._is_done(edit, line):
                one = self._draw(random)
                if ended := one is None:
                    break
                self._history.extend(one)
                yield one.text
        finally:
            if self._open is edit:
                self._settle(ended)

    def _is_done(self, edit: Edit, line: int | None) -> bool:
        """Whether the model has written as far as it was to write. `line` is that of the form at which it began."""
        if not edit.added or edit.until == "end":
            return False
        if edit.until == "line":
            return edit.added[-1].text == "\n" if line is None else self.line != line
        if edit.until == "verse":
            return line is None and self.text.endswith("\n\n")
        return True

    def _settle(self, ended: bool = False) -> None:
        """Finishes what the model is writing, if it is."""
        edit, self._open = self._open, None
        if edit is not None:
            self._finished(edit, ended)

    def _finished(self, edit: Edit, ended: bool) -> None:
        """Writes what the model wrote into the journal. `ended` says that the text ended there."""
        if not edit.added and not edit.removed:
            self._history.done.pop()  # there is nothing to undo
        self._ended = ended
        text = "".join(character.text for character in edit.added)
        do = "redraw" if edit.removed else "write"
        self._record({"do": do, "until": edit.until, "length": edit.most, "text": text, "ended": ended})

    # How the model writes

    @property
    def temperature(self) -> float:
        """Of the draws to come; can be set."""
        return self._filters.temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.set(temperature=value)

    def set(self, **values: float | None) -> None:
        """Changes filters: `temperature`, `top_k`, `top_p`, `repetition_penalty`. Raises CharrnnError out of bounds."""
        self._settle()
        if unknown := [name for name in values if name not in FILTERS]:
            raise CharrnnError(f"‹{unknown[0]}›: no filter; there are {', '.join(FILTERS)}")
        self._filters = Filters(**{**self._numbers(), **values}, own=self._filters.own)
        self._record({"do": "set", **values})

    @property
    def form(self) -> Record:
        """What form is asked for, as the parameters of `set_form`; empty for none."""
        return dict(self._asked)

    @property
    def form_begins(self) -> int:
        """The number of characters before the first line of the form."""
        return self._begins

    def set_form(self, form: str | None, **wishes: Any) -> None:
        """Has the model keep a form of verse from now on, with the wishes of `Run.verse` (tones, rhyme, acrostic, ...);
        None lets it write freely.

        The verse is the whole text, if that fits so far, and begins at its end otherwise. Raises CharrnnError as
        `Run.verse` does.
        """
        self._settle()
        if form is None:
            self._guide, self._asked, self._begins = None, {}, 0
            self._record({"do": "form", "form": None})
            return
        if self._verse is None:
            raise CharrnnError(f"‹form={form}›: this writer knows no forms; `run.writer()` gives one that does")
        guide = Guide(self._verse(form, **{"seed": self._seed, **wishes}), self._track)
        self._begins = 0
        if guide.state(len(self._track)) is None:
            guide = Guide(guide.constraint, self._track, len(self._track))
            self._begins = len(self)
        self._guide, self._asked, self._ended = guide, {"form": form, **wishes}, False
        self._record({"do": "form", **self._asked})

    def set_original(self, length: int | None) -> None:
        """Has the model write no run of `length` or more characters of the text that it has learnt from, as
        `original` of `Run.sample`; None lifts that. What the person types is the person's, and may be such a run, but
        none goes on from it.

        Raises CharrnnError for a length out of bounds, and where that text, or pydivsufsort, is missing.
        """
        self._settle()
        if length is None:
            self._original = None
        else:
            check_original(length)
            if self._learnt is None:
                raise CharrnnError(
                    f"‹original={length}›: this writer knows no corpus; `run.writer()` gives one that does"
                )
            self._original = Original(self._learnt(), length, self._vocabulary)
        self._record({"do": "original", "length": length})

    # Within

    def _numbers(self) -> dict[str, Any]:
        return {name: getattr(self._filters, name) for name in FILTERS}

    def _record(self, record: Record) -> None:
        self.journal.append(record)
        self.listener(record)

    def _do(self, edit: Edit) -> None:
        self._history.do(edit)
        self._changed(edit.at)

    def _changed(self, at: int) -> None:
        """Forgets what was known of the text after so many characters."""
        self._ended = False
        if self._guide is not None:
            self._guide.cut(self._history.ids_before(at))

    def _add(self, characters: list[Character]) -> None:
        self._do(Edit(len(self), [], characters))

    def _read(self, text: str) -> tuple[list[Character], str]:
        """Characters of the person's, and what is to be said of them."""
        read, note = read_characters(text, self._vocabulary, self._corpus)
        return [Character(one.text, tuple(one.ids), "person") for one in read], note

    def _written(self, text: str) -> list[Character]:
        """Characters of the model's. Raises CharrnnError for what it cannot write."""
        encode = self._vocabulary.encode
        return [Character(one, tuple(encode(one, remedy="`type` takes any")), "model") for one in text]

    def _step_back(self, name: str, step: Callable[[], bool]) -> bool:
        self._settle()
        edits = self._history.done if name == "undo" else self._history.undone
        at = edits[-1].at if edits else 0
        if not step():
            return False
        self._changed(at)
        self._record({"do": name})
        return True


def check_until(until: str) -> None:
    """Raises CharrnnError for what is no place up to which the model writes."""
    if until not in get_args(Until):
        raise CharrnnError(f"‹until={until}›: {', '.join(get_args(Until))} was expected")
