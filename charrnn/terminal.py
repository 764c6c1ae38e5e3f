"""Text for a terminal: aligned columns in any script, and no character that could control the terminal."""

from __future__ import annotations

import contextlib
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


def advance(bar: tqdm[Any], count: int) -> None:
    """Moves a bar on by `count`. Unlike `bar.update` it returns nothing, as callbacks must."""
    bar.update(count)


def printable(text: str) -> str:
    """The text with its control characters made visible, except line ends and tabs."""
    return "".join(c if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f") else f"\\x{ord(c):02x}" for c in text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a text with aligned columns. A wide character counts as two columns."""
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell + " " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _width(text: str) -> int:
    width = wcswidth(text)
    return width if width >= 0 else len(text)
