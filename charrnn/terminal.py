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
    """Prints a line on standard error, above the progress bar if there is one.

    If the line cannot be written (the disk is full, the terminal is closed), the work goes on all the same.
    """
    with contextlib.suppress(OSError):
        tqdm.write(text, file=sys.stderr)


@functools.cache
def say_once(text: str) -> None:
    """Says something once in a process."""
    say(printable(text))


def advance(bar: tqdm[Any], count: int) -> None:
    """Moves a bar on by `count`. Unlike `bar.update` it returns nothing, as callbacks must."""
    bar.update(count)


REORDERING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Code points that change the order in which a terminal shows those after them."""
_VISIBLE = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"},
    **{code: f"\\u{code:04x}" for code in REORDERING},
}


def printable(text: str) -> str:
    """The text with control characters made visible, apart from line ends and tabs."""
    return text.translate(_VISIBLE)


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a text with aligned columns. A wide character counts as two columns."""
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell + " " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _width(text: str) -> int:
    width = wcswidth(text)
    return width if width >= 0 else len(text)
