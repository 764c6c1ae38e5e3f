"""Reading the small files of a run, which a stranger may have written: nothing is believed, nothing large is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from charrnn.errors import CharrnnError

MAX_JSON = 1_000_000
"""Bytes of a JSON file of a run; each is far smaller."""


def read_small(file: Path, most: int, hint: str = "such a file never is") -> bytes:
    """The bytes of a file of at most `most`. Raises CharrnnError where it is larger, no file, or cannot be read."""
    try:
        if file.exists() and not file.is_file():  # a folder, or a device that never ends
            raise CharrnnError(f"{file}: cannot be read: not a file")
        with file.open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None
    if len(raw) > most:
        raise CharrnnError(f"{file}: larger than {most:,} bytes; {hint}")
    return raw


def read_json(file: Path, shape: type[BaseModel] | None = None, most: int = MAX_JSON) -> dict[str, Any]:
    """The object in a JSON file, of a certain shape if one is given. Raises CharrnnError, with the key, otherwise."""
    try:
        document = json.loads(read_small(file, most))
    except (ValueError, RecursionError) as error:
        raise CharrnnError(f"{file}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise CharrnnError(f"{file}: a JSON object was expected")
    if shape is not None:
        try:
            shape.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise CharrnnError(f"{file}: {key}: {first['msg'].lower()}") from None
    return document
