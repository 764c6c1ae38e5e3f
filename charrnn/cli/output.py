"""Results on standard output: texts and JSON. On a terminal, nothing in them can control it."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show(text: str, end: str = "\n") -> None:
    """Writes a text: as it is into a pipe or a file, printable on a terminal."""
    if sys.stdout.isatty():
        from charrnn.terminal import printable

        text = printable(text)
    sys.stdout.write(text + end)


def show_bytes(data: bytes) -> None:
    """Writes bytes as they are. Standard output is UTF-8, in which surrogate escapes stand for any byte (PEP 383)."""
    sys.stdout.write(data.decode("utf-8", "surrogateescape"))


def show_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows as CSV with the keys of all rows as columns. What is None is an empty field."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    show(text.getvalue(), end="")


def show_json(document: Any, indent: int | None = 1) -> None:
    """Writes a document as JSON, in which everything that a terminal would obey is escaped."""
    from charrnn.terminal import printable_json

    sys.stdout.write(printable_json(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent)) + "\n")
