"""Text for a terminal: aligned columns in any script, and no character that could control the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported where something is said or drawn: a command that writes a poem begins sooner without
    from tqdm import tqdm

LOG = logging.getLogger("charrnn")
"""The logger through which all is said that the library says."""


class StandardError(logging.Handler):
    """Prints on standard error, above the progress bar if there is one.

    If a line cannot be written (the disk is full, the terminal is closed), the work goes on all the same.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Prints the message and nothing else."""
        from tqdm import tqdm

        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except OSError:
            pass


_LAST_RESORT = StandardError()


def say(text: str) -> None:
    """Says something to the person at work, printable, through the logger `charrnn`."""
    _log(logging.INFO, text)


def warn(text: str) -> None:
    """Says something that a person should know of, although the work goes on."""
    _log(logging.WARNING, text)


@cache
def warn_once(text: str) -> None:
    """Warns of something once in a process."""
    warn(text)


def _log(level: int, text: str) -> None:
    """Logs a text.

    As long as nobody has given a handler to the logger `charrnn` or to the root, it is shown on standard error, INFO
    too, unless the logger `charrnn` has another level. Python itself would show warnings only.
    """
    if LOG.hasHandlers():
        LOG.log(level, "%s", printable(text), stacklevel=3)
    elif level >= (LOG.level or logging.INFO) and level > logging.root.manager.disable and not LOG.disabled:
        record = LOG.makeRecord(LOG.name, level, "", 0, "%s", (printable(text),), None)
        if LOG.filter(record):
            _LAST_RESORT.handle(record)


def say_on_standard_error() -> None:
    """Has the command print what the library says, whatever else sets up logging in its process."""
    if not any(isinstance(handler, StandardError) for handler in LOG.handlers):
        LOG.addHandler(StandardError())
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def bar(*, hidden: bool = False, **how: Any) -> tqdm[Any]:
    """A progress bar of the library, as tqdm takes it: on a terminal or in a notebook, and nowhere if `hidden`."""
    notebook = "ipykernel" in sys.modules
    how["disable"] = True if hidden else False if notebook else None  # None: shown on a terminal
    if not notebook:
        from tqdm import tqdm

        return tqdm(**how)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets there is a bar of text, which is as good
        from tqdm.auto import tqdm as in_notebook

        return in_notebook(**how)


def advance(bar: tqdm[Any], count: int) -> None:
    """Moves a bar on by `count`. Unlike `bar.update` it returns nothing, as callbacks must."""
    bar.update(count)


def reading(what: str, size: int, quiet: bool) -> tqdm[Any]:
    """A bar over `size` bytes that are read, which shows itself after a second; never where it should be `quiet`."""
    return bar(hidden=quiet, total=size, desc=what, unit="B", unit_scale=True, leave=False, delay=1)


REORDERING = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Code points that change the order in which a terminal shows those around them."""
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_HALVES = range(0xD800, 0xE000)
"""Halves of surrogate pairs, as which Python reads the bytes of a name that is not UTF-8. No encoding has them."""
_VISIBLE = {
    **{code: f"\\x{code:02x}" for code in _CONTROLS if chr(code) not in "\n\t"},
    **{code: f"\\u{code:04x}" for code in (*REORDERING, *_HALVES)},
}
_ESCAPED = {code: f"\\u{code:04x}" for code in (*_CONTROLS[0x20:], *REORDERING, *_HALVES)}


def printable(text: str) -> str:
    """The text with control characters made visible, apart from line ends and tabs."""
    return text.translate(_VISIBLE)


def printable_json(document: str) -> str:
    """The same JSON with such characters escaped, which stand in its strings only; json.dumps escapes the others."""
    return document.translate(_ESCAPED)


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a printable text with aligned columns. A wide character counts as two columns."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell + " " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _width(text: str) -> int:
    from wcwidth import wcswidth

    width = wcswidth(text)
    return width if width >= 0 else len(text)
