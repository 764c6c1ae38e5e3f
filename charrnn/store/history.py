"""The file `metrics.jsonl`: the metrics of a training, with one JSON object in each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from charrnn.errors import CharrnnError
from charrnn.files import replace_text

MAX_LINE = 10_000
"""The most bytes of a line."""
LAST = 100_000_000
"""The most bytes that are read to look at a training, those at the end: half a million lines, in some seconds."""


def read_history(file: Path, key: str = "step", last: int = LAST) -> Iterator[dict[str, Any]]:
    """The lines of the file that have a key, one after the other, without broken ones; none if there is no file.

    Of a file of more than `last` bytes, only those are read.

    Raises CharrnnError if it is unreadable.
    """
    needed = json.dumps(key).encode()
    try:
        if file.is_file():
            with file.open("rb") as stream:
                stream.seek(max(0, file.stat().st_size - last))
                while line := stream.readline(MAX_LINE):
                    # Most lines of a long training are of steps. Who wants evaluations need not have them parsed.
                    if needed in line and (document := _measured(line)) is not None and key in document:
                        yield document
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None


def cut_history(file: Path, step: int) -> None:
    """Removes the lines after a step, and broken ones, at once. Raises CharrnnError."""
    try:
        replace_text(file, (json.dumps(line) + "\n" for line in read_history(file, last=2**62) if line["step"] <= step))
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be written: {error.strerror}") from None


def _measured(line: bytes) -> dict[str, Any] | None:
    """The object in a line of metrics.jsonl; None if the line is broken."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not {"step", "minutes", "epochs"} <= document.keys():
        return None
    numbers = [value for key, value in document.items() if key != "kind"]
    if not all(type(value) in (int, float) and abs(value) < 1e15 for value in numbers):
        return None  # not finite, or too large
    whole = isinstance(document["step"], int) and ("val_loss" in document) == ("val_bits_per_char" in document)
    whole = whole and document.get("kind", "") in ("", "step", "evaluation", "explosion")  # early runs have no kind
    return document if whole else None
