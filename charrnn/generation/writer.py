"""Writing with a person: the model proposes, the person chooses, and nothing that was done is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from charrnn.errors import CharrnnError
from charrnn.generation.filters import Filters
from charrnn.generation.history import Edit
from charrnn.generation.manuscript import Manuscript
from charrnn.generation.sampler import check_seed
from charrnn.generation.steps import FILTERS, VERSION, Record, Steps, Until, check_until
from charrnn.terminal import warn

__all__ = ["Record", "Until", "Writer"]


class Writer(Steps):
    """A text that a person and a model write together. `Run.writer` gives one, and a notebook shows it.

    >>> writer = run.writer("春", seed=1)          # doctest: +SKIP
    >>> writer.propose(3)                          # doctest: +SKIP
    >>> writer.take("風"); writer.write("line")    # doctest: +SKIP
    >>> writer.redraw(); writer.undo()             # doctest: +SKIP

    The text changes at its end. Each call that changes it is one step for `undo`. Draw n of a session has the random
    numbers of sample n of the seed: the same calls give the same text.

    `Draft` says what may come next, `Steps` has what is done, and here are the file of the text and the journal.
    """

    _manuscript = Manuscript()
    """Which is replaced as a whole, and not changed."""

    # Files

    @property
    def file(self) -> str:
        """Where the text was saved, or opened; empty for nowhere."""
        return self._manuscript.file

    @property
    def is_saved(self) -> bool:
        """Whether the text is in its file as it is now. A file that is not written yet is as one that is empty."""
        return bool(self.file) and (self._manuscript.text or "") == self.text

    def name(self, file: str | Path) -> None:
        """Says where the text will be saved."""
        self._manuscript = Manuscript(file)
        self._record({"do": "name", "file": self.file})

    def would_replace(self, file: str | Path) -> bool:
        """Whether `save` would replace what another has written: any file but one that this session saved or opened,
        and that nobody changed since.
        """
        return self._manuscript.would_replace(file)

    def save(self, file: str | Path | None = None, replace: bool = False) -> None:
        """Writes the text into a file, or again into the one in which it is. What another has written there is replaced
        only if `replace` says so.

        Raises CharrnnError otherwise, and where it cannot be written.
        """
        self._settle()
        self._manuscript = self._manuscript.save(self.text, file, replace)
        self._record({"do": "save", "file": self.file})

    def open(self, file: str | Path) -> str:
        """Takes the text of a UTF-8 file in the place of what is there, as the person's, which `undo` takes back. Gives
        the line of `type`. Raises CharrnnError for a file that is none, too large, or not UTF-8.
        """
        return self._opened(Manuscript.open(file))

    def _opened(self, manuscript: Manuscript) -> str:
        self._settle()
        added, note = self._read(manuscript.text or "")
        self._do(Edit(0, [*self._history.characters], added))
        self._manuscript = manuscript
        self._record({"do": "open", "file": manuscript.file, "text": manuscript.text})
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
                self._again(**record)
            except CharrnnError as error:
                raise CharrnnError(f"journal, record {number}: {error.message}") from None
            except (KeyError, TypeError, ValueError, IndexError):
                raise CharrnnError(f"journal, record {number}: not a record of a journal: {str(record)[:60]}") from None

    def _again(self, do: str, **record: Any) -> None:
        """Does what one record says."""
        if do == "begin":
            self._begin_again(record)
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
            self._unless_missing(f"the form {record['form']}", lambda: self.set_form(**record))
        elif do == "original":
            self._unless_missing("what is original", lambda: self.set_original(record["length"]))
        elif do == "open":
            self._opened(Manuscript(_text(record["file"]), _text(record["text"])))
        elif do == "name":
            self.name(_text(record["file"]))
        elif do == "save":
            self._manuscript = Manuscript(_text(record["file"]), self.text)
            self._record({"do": do, **record})
        else:
            raise ValueError

    def _begin_again(self, record: Record) -> None:
        """Takes the seed and the filters of another session."""
        if record["version"] != VERSION:
            raise CharrnnError(f"version {record['version']}; this charrnn reads {VERSION}")
        check_seed(record["seed"])
        self._seed = record["seed"]
        self._filters = Filters(**{name: record[name] for name in FILTERS}, own=self._filters.own)
        self.journal[0] = {"do": "begin", **record}

    def _write_again(self, do: str, record: Record) -> None:
        """Writes what the model wrote."""
        last = self._history.done[-1] if do == "redraw" else None
        at, removed = (len(self), []) if last is None else (last.at, [*last.added])
        check_until(record["until"])
        self._draws += 1
        self._do(Edit(at, removed, self._written(_text(record["text"])), record["until"], int(record["length"])))
        self._finished(self._history.done[-1], bool(record["ended"]))

    def _unless_missing(self, what: str, wish: Callable[[], None]) -> None:
        """Wishes something again. Where that cannot be, such as without its table, the text comes back without it."""
        try:
            wish()
        except CharrnnError as error:
            warn(f"charrnn: {what} is left out: {error}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
