"""What the desk asks for in one line, and what is done with the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charrnn.desk.wishes import GRAMMAR, read_wishes, show_wishes
from charrnn.errors import CharrnnError
from charrnn.generation.writer import Writer
from charrnn.terminal import printable


@dataclass
class Question:
    """A question in one line."""

    text: str
    then: Callable[[str], object]
    """Is given the answer."""
    begin: str = ""
    """What stands in the line to be changed."""
    hint: str = ""
    """An example, which is shown as long as the line is empty."""
    keys: str = ""
    """The keys, one of which answers; empty where a line does, which Enter ends."""


class Asking:
    """A desk's questions: each method asks one, and `answer` does what is wished. Mistakes become `message`."""

    def __init__(self) -> None:
        self.message = ""
        self.question: Question | None = None
        self.helping = False
        self.leaving = False
        self._thrown_away = self._leave_after_saving = False

    @property
    def writer(self) -> Writer:
        """The text."""
        raise NotImplementedError

    def _refresh(self) -> None:
        """Is called after each change."""
        raise NotImplementedError

    def ask_temperature(self) -> None:
        """Asks for the temperature."""
        now = f"{self.writer.temperature:g}"

        def then(line: str) -> None:
            try:
                self.writer.temperature = float(line)
            except ValueError:
                raise CharrnnError(f"{line}: a number was expected, such as 0.8") from None

        self.question = Question("Temperature (0 is always the likeliest, 1 the model's own): ", then, now)

    def ask_form(self) -> None:
        """Asks for the form and what is wished of it."""
        self.question = Question(
            "Form (F1 explains; empty is none): ",
            lambda line: self._set_form(read_wishes(line)),
            show_wishes(self.writer.form),
            hint="wujue tones rhyme",
        )

    def ask_acrostic(self) -> None:
        """Asks for the acrostic of the form."""
        if not self.writer.form:
            self.message = f"an acrostic needs a form (^F): {GRAMMAR}"
            return

        def then(line: str) -> None:
            self._set_form({**self.writer.form, "acrostic": line.strip()})

        self.question = Question(
            "Acrostic, a character for each line: ", then, str(self.writer.form.get("acrostic", ""))
        )

    def _set_form(self, wishes: dict[str, Any]) -> None:
        """Sets the form. One that does not hold for the whole text begins on a line of its own."""
        self.writer.set_form(**wishes)
        if self.writer.form_begins:
            if not self.writer.text.endswith("\n"):
                self.writer.type("\n")
                self.writer.set_form(**wishes)
            self.message = "the form begins here"

    def save(self) -> None:
        """Saves the text where it was saved before, or asks where."""
        if self.writer.file:
            self._save(self.writer.file)
        else:
            self.question = Question("Save as: ", self._save)

    def save_as(self) -> None:
        """Asks where to save the text."""
        self.question = Question("Save as: ", self._save, self.writer.file)

    def _save(self, name: str) -> None:
        if not name.strip():
            return
        path = Path(name.strip()).expanduser()
        if self.writer.would_replace(path):
            self.question = Question(
                f"Replace {printable(path.name)[:30]}, which holds another text? y, n",
                lambda key: self._saved(path, True) if key == "y" else None,
                keys="yn",
            )
        else:
            self._saved(path, False)

    def _saved(self, path: Path, replace: bool) -> None:
        def work() -> None:
            self.writer.save(path, replace)
            self.message = f"saved: {path}"

        self._do(work)
        if self._leave_after_saving and self.writer.is_saved:
            self.leaving = True

    def open(self) -> None:
        """Asks for a file whose text takes the place of this one."""

        def then(name: str) -> None:
            if name.strip():
                self.message = self.writer.open(Path(name.strip()).expanduser()) or "opened; ^Z brings the text back"

        self.question = Question("Open: ", then)

    def leave(self) -> None:
        """Leaves, and asks first where the text is not saved."""
        if not len(self.writer) or self.writer.is_saved:
            self._thrown_away = True
            self.leaving = True
            return

        def then(key: str) -> None:
            if key == "s":
                self._leave_after_saving = True
                self.save()
            elif key in "ld":
                self._thrown_away = key == "d"
                self.leaving = True

        text = "Not saved: s saves, l leaves (offered next time), d throws it away, Esc goes on"
        self.question = Question(text, then, keys="sld")

    def answer(self, line: str) -> None:
        """Answers the question."""
        question, self.question, self.helping = self.question, None, False
        if question is not None:
            self._change(lambda: question.then(line))

    def cancel(self) -> None:
        """Answers nothing. What was left of other sessions is offered once."""
        question, self.question, self.helping = self.question, None, False
        self._leave_after_saving = False
        if question is not None and question.keys == "ynd":
            question.then("n")

    # Within

    def _do(self, work: Callable[[], object]) -> None:
        """Does something, and tells a mistake in the line of messages."""
        try:
            work()
        except CharrnnError as error:
            self.message = printable(str(error).splitlines()[0])

    def _change(self, work: Callable[[], object]) -> None:
        self.message = ""
        self._do(work)
        self._refresh()
