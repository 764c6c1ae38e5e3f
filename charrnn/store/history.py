"""The file `metrics.jsonl`: the metrics of a training, with one JSON object in each line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from charrnn.errors import CharrnnError

MAX_LINE = 10_000
"""The most bytes of a line."""


def read_history(file: Path) -> list[dict[str, Any]]:
    """The lines of the file, without broken ones; none if there is no file. Raises CharrnnError if it is unreadable."""
    history = []
    try:
        if file.is_file():
            with file.open("rb") as stream:
                while line := stream.readline(MAX_LINE):
                    if (document := _measured(line)) is not None:
                        history.append(document)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None
    return history


def _measured(line: bytes) -> dict[str, float] | None:
    """The object in a line of metrics.jsonl; None if the line is broken."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not {"step", "minutes", "epochs"} <= document.keys():
        return None
    if not all(type(value) in (int, float) and abs(value) < 1e15 for value in document.values()):
        return None  # not finite, or too large
    whole = isinstance(document["step"], int) and ("val_loss" in document) == ("val_bits_per_char" in document)
    return document if whole else None
