"""Text for a terminal: aligned columns in any script, and no character that could control the terminal."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm
from wcwidth import wcswidth


def say(text: str) -> None:
    """Prints a line on standard error, printable, above the progress bar if there is one.

    If the line cannot be written (the disk is full, the terminal is closed), the work goes on all the same.
    """
    with contextlib.suppress(OSError):
        tqdm.write(printable(text), file=sys.stderr)


@functools.cache
def say_once(text: str) -> None:
    """Says something once in a process."""
    say(text)


def advance(bar: tqdm[Any], count: int) -> None:
    """Moves a bar on by `count`. Unlike `bar.update` it returns nothing, as callbacks must."""
    bar.update(count)


def reading(what: str, size: int, quiet: bool) -> tqdm[Any]:
    """A bar over `size` bytes that are read, which shows itself after a second; never where it should be `quiet`."""
    hidden = True if quiet else None  # None: shown on a terminal
    return tqdm(total=size, desc=what, unit="B", unit_scale=True, leave=False, delay=1, disable=hidden)


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
    width = wcswidth(text)
    return width if width >= 0 else len(text)
