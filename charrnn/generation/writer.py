"""Writing with a person: the model proposes, the person chooses, and every step can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.files import new_file, read_given
from charrnn.generation.choices import Choices, Proposal
from charrnn.generation.constraints import Constraint, is_rhyme, line_of
from charrnn.generation.filters import MEMORY, Filters
from charrnn.generation.guide import Guide
from charrnn.generation.history import Author, Character, Edit, History
from charrnn.generation.lookahead import Search, nothing, search_words
from charrnn.generation.sampler import check_seed, generator
from charrnn.generation.stepper import Stepper
from charrnn.generation.track import Track
from charrnn.terminal import printable, warn
from charrnn.text.prompts import read_characters
from charrnn.text.vocab import Vocabulary

Until = Literal["character", "line", "verse", "end"]
Record = dict[str, Any]
"""A plain JSON object of a journal: `do` says what was done."""
VERSION = 1
"""Of the journal."""
MOST = 2**20
"""The most bytes of a file that is opened."""
FILTERS = ("temperature", "top_k", "top_p", "repetition_penalty")


class Writer:
    """A text that a person and a model write together. `Run.writer` gives one, and a notebook shows it.

    >>> writer = run.writer("春", seed=1)          # doctest: +SKIP
    >>> writer.propose(3)                          # doctest: +SKIP
    >>> writer.take("風"); writer.write("line")    # doctest: +SKIP
    >>> writer.redraw(); writer.undo()             # doctest: +SKIP

    The text changes at its end. Each call that changes it is one step for `undo`. Draw n of a session has the random
    numbers of sample n of the seed: the same calls give the same text.
    """

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
        constraint: Constraint | None = None,
    ) -> None:
        """With `documents` the model may end a text. `longest` is the most characters that one call of `write` writes.
        `verse` makes the constraint of a form, as `Run.verse` does. A `constraint` of one's own is not in the journal.

        Raises CharrnnError for a seed out of bounds.
        """
        check_seed(seed)
        self._vocabulary, self._corpus, self._documents = vocabulary, corpus, documents
        self._filters, self._seed, self._longest, self._verse = filters, seed, longest, verse
        self._track = Track(model, vocabulary.boundary)
        self._history = History(self._track)
        self._guide = None if constraint is None else Guide(constraint, self._track)
        self._asked: Record = {}
        self._begins = 0
        self._draws = 0
        self._open: Edit | None = None
        self._ended = False
        self._file = ""
        self._saved: str | None = None
        """What is in the file; None for nothing."""
        self.journal: list[Record] = []
        """What was done, as plain JSON objects from which `replay` makes the session again."""
        self.listener: Callable[[Record], object] = lambda record: None
        """Is given each new record of the journal."""
        self._record({"do": "begin", "version": VERSION, "seed": seed, **self._numbers()})

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

    @property
    def ended(self) -> bool:
        """Whether the model, or the form, ended the text when it wrote last."""
        return self._ended

    def __len__(self) -> int:
        return len(self._history.characters)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        own = sum(character.by == "person" for character in self._history.characters)
        return f"Writer: {len(self)} characters, {own} by you, {len(self) - own} by the model"

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
        here, choices, state = self._history.ids_before(place), self._choices(), self._state(place)
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
        here, choices, state = len(self._track), self._choices(), self._state(len(self))
        return search_words(self._track.ahead(here), choices, self._track.before(here, MEMORY), state, count)

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
    def line(self) -> int | None:
        """The line of the form, from 0, in which the next character stands; None where the text keeps no form."""
        state = self._state(len(self))
        return None if self._guide is None or state is None else line_of(self._guide.constraint, state)

    @property
    def at_rhyme(self) -> bool:
        """Whether the next character is a rhyme word of the form, or may be one."""
        state = self._state(len(self))
        return self._guide is not None and state is not None and is_rhyme(self._guide.constraint, state)

    # What the person does

    def type(self, text: str) -> str:
        """Writes a text of the person's, of any characters. What the model does not know is read as a form that it
        knows, or not at all (see `unknown="keep"` of `Run.sample`): the line that says so is given, or an empty one.
        """
        self._settle()
        read, note = read_characters(text, self._vocabulary, self._corpus)
        if read:
            self._add([Character(one.text, tuple(one.ids), "person") for one in read])
            self._record({"do": "type", "text": text})
        return note

    def take(self, proposal: Proposal | str) -> None:
        """Writes what the model proposed: a character, or a word. The end of the text (an empty one) writes nothing.

        Raises CharrnnError for what the model cannot write, or the form does not allow.
        """
        self._settle()
        text = proposal if isinstance(proposal, str) else proposal.text
        if not text:
            return
        characters = self._written(text)
        state = self._state(len(self))
        for one in (one for character in characters for one in character.ids):
            allowed, state = self._choices().after(state, one)
            if not allowed:
                raise CharrnnError(f"‹text={text}›: the form allows something else here; `type` writes it all the same")
        self._add(characters)
        self._record({"do": "take", "text": text})

    def write(self, until: Until = "character", length: int | None = None) -> str:
        """Has the model write on, and gives what it wrote: one character, or up to the end of a `line`, of a `verse`,
        or to the `end`; `length` characters at most.

        Lines are those of the form, or end with a line end. A verse is that of the form, or ends with an empty line.
        The end is where the model ends a document, or the form is whole. Raises CharrnnError for other values.
        """
        return "".join(self.writing(until, length))

    def writing(self, until: Until = "character", length: int | None = None) -> Generator[str, None, None]:
        """`write`, character by character. Who leaves off, or does something else, keeps what is there by then."""
        self._check_until(until)
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

    # How the model writes

    @property
    def filters(self) -> Filters:
        """Temperature, top-k, top-p and the repetition penalty."""
        return self._filters

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

    @property
    def constraint(self) -> Constraint | None:
        """What the model's characters keep; None for nothing."""
        return None if self._guide is None else self._guide.constraint

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

    # Files

    @property
    def file(self) -> str:
        """Where the text was saved, or opened; empty for nowhere."""
        return self._file

    @property
    def is_saved(self) -> bool:
        """Whether the text is in its file as it is now."""
        return bool(self._file) and self._saved == self.text

    def name(self, file: str | Path) -> None:
        """Says where the text will be saved."""
        self._file, self._saved = str(Path(file).absolute()), None
        self._record({"do": "name", "file": self._file})

    def would_replace(self, file: str | Path) -> bool:
        """Whether `save` would replace what another has written: any file but one that this session saved or opened,
        and that nobody changed since.
        """
        path = Path(file).absolute()
        if str(path) == self._file and self._saved is not None and path.is_file():
            return _read(path) != self._saved
        return path.exists() or path.is_symlink()

    def save(self, file: str | Path | None = None, replace: bool = False) -> None:
        """Writes the text into a file, or again into the one in which it is. What another has written there is replaced
        only if `replace` says so.

        Raises CharrnnError otherwise, and where it cannot be written.
        """
        self._settle()
        if not (file or self._file):
            raise CharrnnError("‹file›: where the text is to be saved")
        path = Path(file or self._file).absolute()
        if not replace and self.would_replace(path):
            raise CharrnnError(f"{path}: exists already; name another file, or give ‹replace=True›")
        with new_file(path, like=path if path.is_file() else path.parent, replace=path.exists() or replace) as out:
            out.write(self.text.encode("utf-8"))
        self._file, self._saved = str(path), self.text
        self._record({"do": "save", "file": self._file})

    def open(self, file: str | Path) -> str:
        """Takes the text of a UTF-8 file in the place of what is there, as the person's, which `undo` takes back. Gives
        the line of `type`. Raises CharrnnError for a file that is none, too large, or not UTF-8.
        """
        path = Path(file).absolute()
        text = _read(path)
        note = self._replaced(text)
        self._file, self._saved = str(path), text
        self._record({"do": "open", "file": str(path), "text": text})
        return note

    # The journal

    def replay(self, journal: Sequence[Record]) -> None:
        """Does what a journal says, in a new writer: afterwards it is as the one whose journal it was, undo and redo
        too. Nothing is drawn again: what the model wrote is in the journal.

        Raises CharrnnError, with the number of the record, for what is no such journal, and where this writer is not
        new.
        """
        if len(self.journal) > 1:
            raise CharrnnError("a journal is replayed by a new writer: run.writer().replay(journal)")
        for number, record in enumerate(journal, 1):
            try:
                if not isinstance(record, dict) or (record.get("do") == "begin") != (number == 1):
                    raise ValueError
                self._again(dict(record))
            except CharrnnError as error:
                raise CharrnnError(f"journal, record {number}: {error.message}") from None
            except (KeyError, TypeError, ValueError, IndexError):
                raise CharrnnError(f"journal, record {number}: not a record of a journal: {str(record)[:60]}") from None

    def _again(self, record: Record) -> None:
        """Does what one record says."""
        do = record.pop("do")
        if do == "begin":
            if record["version"] != VERSION:
                raise CharrnnError(f"version {record['version']}; this charrnn reads {VERSION}")
            check_seed(record["seed"])
            self._seed = record["seed"]
            self._filters = Filters(**{name: record[name] for name in FILTERS}, own=self._filters.own)
            self.journal[0] = {"do": do, **record}
        elif do == "type":
            self.type(_text(record["text"]))
        elif do == "take":
            self._add(self._written(_text(record["text"])))
            self._record({"do": do, **record})
        elif do in ("write", "redraw"):
            self._write_again(do, record)
        elif do == "cut":
            self.cut(record["at"])
        elif do in ("undo", "redo"):
            getattr(self, do)()
        elif do == "set":
            self.set(**record)
        elif do == "form":
            self._form_again(record)
        elif do == "open":
            self._replaced(_text(record["text"]))
            self._file, self._saved = record["file"], record["text"]
            self._record({"do": do, **record})
        elif do == "name":
            self.name(_text(record["file"]))
        elif do == "save":
            self._file, self._saved = record["file"], self.text
            self._record({"do": do, **record})
        else:
            raise ValueError

    def _write_again(self, do: str, record: Record) -> None:
        """Writes what the model wrote."""
        last = self._history.done[-1] if do == "redraw" else None
        at, removed = (len(self), []) if last is None else (last.at, [*last.added])
        self._check_until(record["until"])
        self._draws += 1
        self._do(Edit(at, removed, self._written(_text(record["text"])), record["until"], int(record["length"])))
        self._finished(self._history.done[-1], bool(record["ended"]))

    def _form_again(self, record: Record) -> None:
        """Asks for a form again. Where that cannot be, such as without its table, the text comes back without it."""
        try:
            self.set_form(**record)
        except CharrnnError as error:
            warn(f"charrnn: the form {record['form']} is left out: {error}")

    # Within

    def _numbers(self) -> dict[str, Any]:
        return {name: getattr(self._filters, name) for name in FILTERS}

    def _record(self, record: Record) -> None:
        self.journal.append(record)
        self.listener(record)

    def _place(self, at: int | None) -> int:
        if at is None:
            return len(self)
        if not 0 <= at <= len(self):
            raise CharrnnError(f"‹at={at}›: the text has {len(self)} characters")
        return at

    def _check_until(self, until: str) -> None:
        if until not in get_args(Until):
            raise CharrnnError(f"‹until={until}›: {', '.join(get_args(Until))} was expected")

    def _choices(self) -> Choices:
        return Choices(self._vocabulary, self._documents, self._filters, self.constraint)

    def _state(self, at: int) -> Any:
        """The state of the constraint after so many characters; None for a text that is free of it."""
        return None if self._guide is None else self._guide.state(self._history.ids_before(at))

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

    def _written(self, text: str, by: Author = "model") -> list[Character]:
        """Characters of the model's. Raises CharrnnError for what it cannot write."""
        encode = self._vocabulary.encode
        return [Character(one, tuple(encode(one, remedy="`type` takes any")), by) for one in text]

    def _replaced(self, text: str) -> str:
        self._settle()
        read, note = read_characters(text, self._vocabulary, self._corpus)
        added = [Character(one.text, tuple(one.ids), "person") for one in read]
        self._do(Edit(0, [*self._history.characters], added))
        return note

    def _step_back(self, name: str, step: Callable[[], bool]) -> bool:
        self._settle()
        edits = self._history.done if name == "undo" else self._history.undone
        at = edits[-1].at if edits else 0
        if not step():
            return False
        self._changed(at)
        self._record({"do": name})
        return True

    # The model writes

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

    def _settle(self, ended: bool = False) -> None:
        """Finishes what the model is writing, if it is."""
        edit, self._open = self._open, None
        if edit is not None:
            self._finished(edit, ended)

    def _finished(self, edit: Edit, ended: bool) -> None:
        """Writes what the model wrote into the journal. `ended` says that it ended the text, or the form did."""
        if not edit.added and not edit.removed:
            self._history.done.pop()  # there is nothing to undo
        self._ended = ended
        text = "".join(character.text for character in edit.added)
        do = "redraw" if edit.removed else "write"
        self._record({"do": do, "until": edit.until, "length": edit.most, "text": text, "ended": ended})

    def _is_done(self, edit: Edit, line: int | None) -> bool:
        """Whether the model has written as far as it was to write. `line` is that of the form at which it began."""
        if not edit.added or edit.until == "end":
            return False
        if edit.until == "line":
            return edit.added[-1].text == "\n" if line is None else self.line != line
        if edit.until == "verse":
            return line is None and self.text.endswith("\n\n")
        return True

    def _draw(self, random: np.random.Generator) -> Character | None:
        """One more character by chance; None where the text ends."""
        here, state, choices = len(self._track), self._state(len(self)), self._choices()
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


def _read(path: Path) -> str:
    try:
        return read_given(path, MOST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CharrnnError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
