"""The desk in the terminal: its keys and its screen, with prompt_toolkit."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from charrnn.desk.desk import Desk
from charrnn.desk.screen import Row, folded, render
from charrnn.errors import CharrnnError
from charrnn.terminal import LOG

HELP = """\
Type             what you type is yours, and underlined
Tab              takes the marked proposal; the arrows mark another one
Alt-1 … Alt-9    takes a character by its number (or Esc, then the number)
Enter            a line end
^N ^E ^P         the model writes a character, or the rest of the line or verse
^G               stops the model while it writes
^R               another draw of what the model wrote last
^Z  ^Y           undo, redo: every step, any number of them
Backspace        takes the last character away (^Z brings it back)
^T               temperature
^F               form: wujue, 七律, a tune such as 菩萨蛮, 5x8, or a YAML file;
                 behind it tones, rhyme or rhyme=東, acrostic=春夏秋冬, at=end,
                 words=明月,故人
^A               acrostic of the form
^S  ^W  ^O       save, save as, open
PgUp  PgDn       shows what stands further up
Red, or bold     stands in the text that the model learnt from; = goes on so
^X               leaves; what is not saved is offered the next time
Esc, or any key, goes back to the text."""
KEYS = (
    "Tab take  ^N one  ^E line  ^P verse  ^R redraw  ^Z undo  ^Y redo  F1 all keys",
    "^T temperature  ^F form  ^A acrostic  ^S save  ^O open  ^X leave  ",
)
STYLE = {
    "yours": "underline",
    "copied": "bold ansired",
    "chosen": "reverse",
    "quiet": "ansibrightblack",
    "strong": "bold",
}
SMALL = 12
"""A terminal of fewer rows shows no keys."""


def check_terminal() -> None:
    """Raises CharrnnError where there is no terminal to write at, or prompt_toolkit is missing."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        raise CharrnnError("write: needs a terminal for its keys and its screen; in a script, use `charrnn sample`")
    try:
        import prompt_toolkit  # noqa: F401
    except ImportError:
        raise CharrnnError("write: needs prompt_toolkit: pip install 'charrnn[write]'") from None


def run(desk: Desk, begin: Callable[[], object]) -> None:
    """Shows the desk until the person leaves it. `begin` is called once when it is shown."""
    from prompt_toolkit.application import Application
    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, HSplit, Layout, VSplit, Window
    from prompt_toolkit.layout.controls import BufferControl
    from prompt_toolkit.layout.processors import AfterInput, ConditionalProcessor
    from prompt_toolkit.output.color_depth import ColorDepth
    from prompt_toolkit.styles import Style

    def size() -> tuple[int, int]:
        now = application.output.get_size()
        return now.columns, now.rows

    def keys_shown() -> bool:
        return size()[1] >= SMALL

    def told_rows() -> list[Row]:
        columns, rows = size()
        return folded(desk.message, "class:strong", columns, max(1, rows // 8))

    def main_text() -> Any:
        columns, rows = size()
        desk.columns = columns
        height = max(1, rows - (1 if desk.question else len(told_rows())) - (2 if keys_shown() else 0))
        desk.view.title = desk.title()
        shown = _help_rows(columns, height) if desk.helping else render(desk.view, columns, height)
        return joined(shown)

    line = Buffer(multiline=False, accept_handler=lambda buffer: _answered(desk, application, buffer))

    def asked() -> Any:
        return [("class:strong", desk.question.text if desk.question else "")]

    def hint() -> Any:
        return [("class:quiet", desk.question.hint if desk.question else "")]

    def typed(buffer: Buffer) -> None:
        """Answers a question that one key answers."""
        if desk.question is not None and desk.question.keys and buffer.text:
            key = buffer.text[-1].lower()
            buffer.reset()
            if key in desk.question.keys:
                desk.answer(key)
                settle()

    line.on_text_changed += typed
    main = Window(FormattedTextControl(main_text, focusable=True, show_cursor=True), wrap_lines=False)
    asking = Condition(lambda: desk.question is not None)
    question = VSplit(
        [
            Window(FormattedTextControl(asked), dont_extend_width=True, height=1),
            Window(
                BufferControl(line, [ConditionalProcessor(AfterInput(hint), Condition(lambda: not line.text))]),
                height=1,
            ),
        ]
    )
    told = Window(FormattedTextControl(lambda: joined(told_rows())), height=lambda: len(told_rows()))
    keys = Window(
        FormattedTextControl(
            [("class:quiet", "\n".join(KEYS)), ("class:yours", "yours"), ("class:quiet", "  model's")]
        ),
        height=2,
    )
    layout = Layout(
        HSplit(
            [
                main,
                ConditionalContainer(question, asking),
                ConditionalContainer(told, ~asking),
                ConditionalContainer(keys, Condition(keys_shown)),
            ]
        ),
        focused_element=main,
    )

    shown_question: list[Any] = [None]

    def settle() -> None:
        """After a key: a new question gets its line, and who is done leaves."""
        if desk.leaving and application.is_running:
            application.exit()
        if desk.question is not shown_question[0]:
            shown_question[0] = desk.question
            if desk.question is None:
                layout.focus(main)
            else:
                line.reset()
                line.insert_text(desk.question.begin)
                layout.focus(line)

    no_color = bool(os.environ.get("NO_COLOR"))
    application: Application[None] = Application(
        layout=layout,
        key_bindings=_bindings(desk, asking, settle),
        style=Style.from_dict(STYLE),
        full_screen=True,
        color_depth=ColorDepth.DEPTH_1_BIT if no_color else None,
        enable_page_navigation_bindings=False,
    )
    application.ttimeoutlen = 0.05
    desk.begin = application.create_background_task

    def changed() -> None:
        settle()
        application.invalidate()

    desk.changed = changed

    def first() -> None:
        begin()
        settle()
        for one in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            with suppress(NotImplementedError):  # Windows
                asyncio.get_running_loop().add_signal_handler(one, application.exit)

    with said_through(desk):
        application.run(pre_run=first)


@contextmanager
def said_through(desk: Desk) -> Iterator[None]:
    """A context in which what the library says stands in the desk's line of messages, and not across its screen."""

    class Line(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            desk.message = record.getMessage().splitlines()[0]

    before, LOG.handlers = LOG.handlers, [Line()]
    try:
        yield
    finally:
        LOG.handlers = before


def _answered(desk: Desk, application: Any, buffer: Any) -> bool:
    """Gives the line to the question, and says that the line is to be emptied."""
    if desk.question is not None and not desk.question.keys:
        desk.answer(buffer.text)
    return False


def _help_rows(columns: int, height: int) -> list[Row]:
    rows = [row for line in HELP.splitlines() for row in folded(line, "", columns, height)][:height]
    return [*rows, *([[]] * (height - len(rows)))]


def joined(rows: list[Row]) -> Any:
    """Rows as prompt_toolkit takes them."""
    return [piece for row in rows for piece in (*row, ("", "\n"))][:-1]


def _bindings(desk: Desk, asking: Any, settle: Callable[[], None]) -> Any:
    """What each key does."""
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.keys import Keys

    keys = KeyBindings()

    def on(*names: str, during: Any = ~asking) -> Any:
        def of(work: Callable[[Any], object]) -> object:
            @keys.add(*names, filter=during)
            def handle(event: Any) -> None:
                work(event)
                settle()

            return work

        return of

    for names, work in (
        (("tab",), desk.take_chosen),
        (("c-n",), lambda: desk.write("character")),
        (("c-e",), lambda: desk.write("line")),
        (("c-p",), lambda: desk.write("verse")),
        (("c-r",), desk.redraw),
        (("c-z",), desk.undo),
        (("c-y",), desk.redo),
        (("c-t",), desk.ask_temperature),
        (("c-f",), desk.ask_form),
        (("c-a",), desk.ask_acrostic),
        (("c-s",), desk.save),
        (("c-w",), desk.save_as),
        (("c-o",), desk.open),
        (("c-x",), desk.leave),
        (("c-q",), desk.leave),
        (("f1",), desk.help),
        (("c-d",), desk.leave),
        (("backspace",), desk.erase),
        (("enter",), lambda: desk.type("\n")),
        (("c-j",), lambda: desk.type("\n")),
        (("right",), lambda: desk.move(1)),
        (("left",), lambda: desk.move(-1)),
        (("down",), lambda: desk.move_down(1)),
        (("up",), lambda: desk.move_down(-1)),
        (("pageup",), lambda: desk.scroll(5)),
        (("pagedown",), lambda: desk.scroll(-5)),
        *(((("escape", str(n))), lambda n=n: desk.take(n - 1)) for n in range(1, 10)),
    ):
        on(*names)(lambda event, work=work: desk.press(work))
    on(Keys.BracketedPaste)(lambda event: desk.press(lambda: desk.type(event.data)))
    on(Keys.Any)(lambda event: desk.press(lambda: desk.type(event.data)) if event.data.isprintable() else None)
    on("c-g")(lambda event: desk.stop())
    on("c-c")(lambda event: desk.stop_or_leave())
    on("escape", during=asking)(lambda event: desk.cancel())
    on("escape")(lambda event: desk.press(lambda: None))
    on("f1", during=asking)(lambda event: desk.help())
    on("c-g", during=asking)(lambda event: desk.cancel())
    on("c-c", during=asking)(lambda event: desk.cancel())
    on("enter", during=asking)(lambda event: event.current_buffer.validate_and_handle())
    return keys
