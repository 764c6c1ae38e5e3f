"""What the keys of the terminal do: a writer, the journal of its session, and questions in one line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from itertools import accumulate, chain
from pathlib import Path
from threading import Thread
from typing import Any

from wcwidth import wcswidth

from charrnn.desk.copied import Copied
from charrnn.desk.questions import Asking, Question
from charrnn.desk.screen import View, characters_shown, fitted, shortened, words_shown
from charrnn.desk.sessions import Left, Session
from charrnn.desk.wishes import show_wishes
from charrnn.errors import CharrnnError
from charrnn.generation.choices import Proposal
from charrnn.generation.writer import Record, Until, Writer
from charrnn.terminal import printable

PAUSE = 0.12
"""The seconds without a key after which words are looked for."""
FRAME = 0.03
"""The seconds after which what the model writes is shown."""
WORDS = 6
"""The number of words that are looked for."""
NAME = 24
"""The most columns of the name of the file."""


class Desk(Asking):
    """A session of writing. Each method without a result is what a key does; mistakes become `message`."""

    def __init__(
        self, new_writer: Callable[[], Writer], run: Path, left: list[Left], copied: Callable[[], Copied] | None = None
    ) -> None:
        """`left` are the sessions that are offered. `copied` opens what marks copies, in a thread beside the keys.

        Raises CharrnnError where no journal can be written.
        """
        super().__init__()
        self._new_writer, self._run = new_writer, run
        self._open_copied, self._copied = copied, _no_copies
        self._left = left
        self._number = 0
        """Of changes: what was begun before the last one is left off."""
        self.columns = 80
        """Of the terminal."""
        self._writing = False
        self._waiting: list[Callable[[], object]] = []
        """What keys are to do when the model has written."""
        self.view = View(new_writer(), "")
        self._session = Session.begin(run)
        self._listen()
        for record in self.writer.journal:
            self._keep(record)
        self.changed: Callable[[], object] = lambda: None
        """Is called when something is to be shown that no key asked for."""
        self.begin: Callable[[Any], object] = lambda work: work.close()
        """Begins a coroutine beside the keys."""

    @property
    def writer(self) -> Writer:
        """The text."""
        return self.view.writer

    # Sessions

    def start(self, file: Path | None, first: Callable[[Writer], object]) -> None:
        """Offers what was left, then has `first` set the writer up, and opens the file if one is named."""

        def go_on() -> None:
            self._do(lambda: first(self.writer))
            if file is not None and file.exists():
                self._do(lambda: self.writer.open(file))
            elif file is not None:
                self.writer.name(file)
            self._refresh()

        self._look_for_copies()
        self._offer([*self._left], go_on)

    def _offer(self, left: list[Left], otherwise: Callable[[], None]) -> None:
        if not left:
            otherwise()
            return
        one = left[0]
        trial = self._new_writer()
        try:
            trial.replay(one.journal)
        except CharrnnError:
            self._offer(left[1:], otherwise)
            self.message = f"{one.file.name}, of {one.when}, is not of this model as it is now: it stays"
            return
        begin = fitted(printable(trial.text.strip().replace("\n", " ")), 20).rstrip()

        def answered(key: str) -> None:
            if key == "y":
                self._take_up(one, trial)
            elif key == "d":
                with suppress(OSError):
                    one.file.unlink()
            if key != "y":
                self._offer(left[1:], otherwise)

        text = f"Go on with {begin}… of {one.when}? y, n (keeps), d (deletes)"
        self.question = Question(text, answered, keys="ynd")

    def _take_up(self, left: Left, writer: Writer) -> None:
        try:
            session = left.take_up()
        except OSError as error:
            self.message = f"{left.file}: cannot be taken up: {error.strerror}"
            return
        self._session.close(keep=False)
        self._session = session
        self.view.writer = writer
        self._listen()
        self._refresh()

    def _listen(self) -> None:
        self.writer.listener = self._keep

    def _keep(self, record: Record) -> None:
        try:
            self._session.add(record)
        except OSError as error:
            self.message = f"the journal cannot be written ({error.strerror}): save your text (^S)"

    def close(self) -> bool:
        """Ends the session. What is not saved stays in the journal, and is offered the next time: whether it does."""
        keep = len(self.writer) > 0 and not (self._thrown_away or self.writer.is_saved)
        self._session.close(keep)
        return keep

    def _look_for_copies(self) -> None:
        """Opens what marks copies, which may take seconds. Nothing is marked without it, or until then."""
        if self._open_copied is None:
            return
        opening, loop = self._open_copied, asyncio.get_running_loop()

        def there(copied: Copied) -> None:
            self._copied = copied.mark
            self._copied(self.view)
            self.changed()

        def work() -> None:
            with suppress(CharrnnError, RuntimeError):  # no text, no pydivsufsort; the desk was left meanwhile
                copied = opening()
                loop.call_soon_threadsafe(there, copied)

        Thread(target=work, daemon=True).start()

    # What keys do

    def press(self, work: Callable[[], object]) -> None:
        """Does what a key does, once the model has written what it is writing: the same keys give the same text,
        however fast they come.
        """
        if self._writing:
            self._waiting.append(work)
        else:
            if work != self.help:
                self.helping = False
            work()

    def stop(self) -> None:
        """Has the model leave off; the keys that wait are forgotten."""
        self._waiting.clear()
        self._writing = False

    def type(self, text: str) -> None:
        """Writes what the person types or pastes."""

        def work() -> None:
            self.message = self.writer.type(text)

        self._change(work)

    def take(self, number: int) -> None:
        """Takes the proposal of a number, from 0: the characters, and after them the words."""
        shown = [*chain(*self.proposals())]
        if number < len(shown) and shown[number].text:
            self._change(lambda: self.writer.take(shown[number]))
        elif number < len(shown):
            self.message = "the model would end the text here: nothing to write"

    def take_chosen(self) -> None:
        """Takes the proposal that is marked."""
        self.take(self.view.chosen)

    def proposals(self) -> list[list[Proposal]]:
        """All that can be taken, row by row as it is shown."""
        words = iter(self.view.words)
        return [
            self.view.proposals[: len(characters_shown(self.view, self.columns))],
            *([next(words) for _ in row] for row in words_shown(self.view, self.columns)),
        ]

    def move(self, step: int) -> None:
        """Marks the next proposal, or the one before."""
        count = sum(map(len, self.proposals()))
        self.view.chosen = (self.view.chosen + step) % count if count else 0

    def move_down(self, step: int) -> None:
        """Marks the proposal below, 1, or above, -1, in the same column."""
        rows = [
            row for row in (characters_shown(self.view, self.columns), *words_shown(self.view, self.columns)) if row
        ]
        places = [
            (i, column)
            for i, row in enumerate(rows)
            for column in accumulate((cell.width for cell in row[:-1]), initial=0)
        ]
        if places:
            row, column = places[min(self.view.chosen, len(places) - 1)]
            other = (row + step) % len(rows)
            self.view.chosen = max(n for n, (i, x) in enumerate(places) if i == other and x <= column)

    def write(self, until: Until) -> None:
        """Has the model write on."""
        self._write(lambda: self.writer.writing(until))

    def redraw(self) -> None:
        """Has the model write again what it wrote last."""
        self._write(self.writer.redrawing)

    def undo(self) -> None:
        """Takes the last step back."""
        self._change(lambda: self._unless(self.writer.undo(), "nothing to undo"))

    def redo(self) -> None:
        """Makes it again."""
        self._change(lambda: self._unless(self.writer.redo(), "nothing to redo"))

    def erase(self) -> None:
        """Takes the last character away."""
        if len(self.writer):
            self._change(lambda: self.writer.cut(len(self.writer) - 1))

    def scroll(self, rows: int) -> None:
        """Shows what stands so many rows further up, or down for a negative number."""
        self.view.back = max(0, self.view.back + rows)

    def help(self) -> None:
        """Shows all keys, or no longer."""
        self.helping = not self.helping

    def stop_or_leave(self) -> None:
        """Has the model leave off, or leaves where it does not write."""
        if self._writing:
            self.stop()
        else:
            self.leave()

    # Within

    def _unless(self, done: bool, message: str) -> None:
        if not done:
            self.message = message

    def _write(self, begin: Callable[[], Generator[str, None, None]]) -> None:
        """Begins to write on."""
        self.message = ""
        self._number += 1
        self.view.words, self.view.back = [], 0

        def work() -> None:
            pieces = begin()
            self._writing = True
            self.begin(self._going_on(pieces))

        self._do(work)

    async def _going_on(self, pieces: Generator[str, None, None]) -> None:
        """Writes on, and shows it from time to time. Keys wait, but for the one that stops it."""
        shown = time.monotonic()
        try:
            while self._writing and next(pieces, None) is not None:
                if time.monotonic() - shown > FRAME:
                    self._copied(self.view)
                    self.changed()
                    await asyncio.sleep(0)
                    shown = time.monotonic()
        except CharrnnError as error:
            self.message = printable(str(error))
        pieces.close()
        self._writing = False
        self._refresh()
        if self.writer.ended:
            self.message = (
                "the form is whole; ^F begins another, or type on"
                if self.writer.is_whole
                else "the model ended the text here"
                if self.view.proposals
                else "nothing that the model keeps leads on from here: type on, or ^Z goes back"
            )
        while self._waiting and not self._writing:
            self._waiting.pop(0)()
        self.changed()

    def _refresh(self) -> None:
        """After a change: the proposals anew, and words when no key follows for a while."""
        self._number += 1
        self.view.back = self.view.chosen = 0
        self.view.words = []
        self.view.proposals = []

        def work() -> None:
            self.view.proposals = self.writer.propose(9)
            self._copied(self.view)
            if not (self.writer.fits or self.writer.has_whole or self.message):
                self.message = "the text has left the form: ^Z goes back, or go on freely"

        self._do(work)
        self.begin(self._look_ahead(self._number))

    async def _look_ahead(self, number: int) -> None:
        await asyncio.sleep(PAUSE)
        if number != self._number:
            return
        search = None
        while number == self._number:
            try:
                search = search or self.writer.search_words(WORDS)
                next(search)
            except StopIteration as end:
                self.view.words = end.value
                self._copied(self.view)
                break
            except CharrnnError as error:
                self.message = printable(str(error))
                break
            await asyncio.sleep(0.001)  # keys come first
        if number == self._number:
            self.changed()
            await asyncio.get_running_loop().run_in_executor(None, self._session.sync)

    def title(self) -> str:
        """The file, the form, how the model writes, and the run: what matters first. What does not fit is left out."""
        writer, parts = self.writer, []
        if writer.file:
            name = printable(Path(writer.file).name)
            parts.append(shortened(name, NAME) + ("" if writer.is_saved else " *"))
        if writer.line is not None and not writer.is_whole:
            parts.append(f"line {writer.line + 1}")
        if writer.form:
            parts.append(printable(show_wishes(writer.form)))
        least = max(1, len(parts))
        parts.append(f"T {writer.temperature:g}")
        if self.view.told:
            parts.append(self.view.told)
        if writer.original is not None:
            parts.append(f"original {writer.original}")
        parts.append(f"{len(writer):,} character{'s' * (len(writer) != 1)}")
        parts.append(printable(self._run.name))
        while len(parts) > least and wcswidth(" · ".join(parts)) > self.columns:
            parts.pop()
        return " · ".join(parts)


def _no_copies(view: View) -> None:
    """Marks nothing."""
