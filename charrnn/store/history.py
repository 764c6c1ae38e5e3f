"""`metrics.jsonl`: what was measured in a training, an object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from charrnn.errors import CharrnnError

MAX_LINE = 10_000
"""Bytes of a line."""


def read_history(file: Path) -> list[dict[str, Any]]:
    """The lines of the file, none where it is not there; one that was cut short is left out. Raises CharrnnError."""
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
    """What a line of metrics.jsonl says, if it is whole."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not {"step", "minutes", "epochs"} <= document.keys():
        return None
    if not all(type(value) in (int, float) and abs(value) < 1e15 for value in document.values()):
        return None  # NaN among them
    whole = isinstance(document["step"], int) and ("val_loss" in document) == ("val_bits_per_char" in document)
    return document if whole else None
