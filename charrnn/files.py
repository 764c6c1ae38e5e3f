"""The small files of a run.

Reading: a stranger may have written them, so nothing is believed and nothing large is read. Writing: a reader sees the
old file or the new one, never half of one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from charrnn.errors import CharrnnError

MAX_JSON = 1_000_000
"""Bytes of a JSON file of a run; each is far smaller."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Annotated[float, Field(ge=0, lt=1e15)]


class Record(BaseModel):
    """A JSON object of a run. Other keys may stand beside those that are named."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


OwnRecord = TypeVar("OwnRecord", bound=Record)


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


def read_json(file: Path, most: int = MAX_JSON) -> dict[str, Any]:
    """The object in a JSON file. Raises CharrnnError where there is none."""
    try:
        document = json.loads(read_small(file, most))
    except (ValueError, RecursionError) as error:
        raise CharrnnError(f"{file}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise CharrnnError(f"{file}: a JSON object was expected")
    return document


def read_record(file: Path, record: type[OwnRecord]) -> OwnRecord:
    """The object in a JSON file as a record. Raises CharrnnError, with the key that is wrong, where it is another."""
    try:
        return record.model_validate(read_json(file))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise CharrnnError(f"{file}: {key}: {first['msg'].lower()}") from None


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Replaces a JSON file at once."""
    replace_text(file, json.dumps(document, indent=1, ensure_ascii=False))


def replace_text(file: Path, text: str) -> None:
    """Replaces a file at once: a reader sees the old one or the new one, whenever the machine stops."""
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        sync(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync(file.parent)


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
