"""Texts in tables: a column of CSV or TSV, a key of JSON (a list of objects, or of texts) or of JSON lines."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from charrnn.config import names_in
from charrnn.errors import CharrnnError

TABLES = {".csv": "CSV", ".tsv": "TSV", ".tab": "TSV"}
LINES = (".jsonl", ".ndjson")
TEXT = "text"
"""The field of a text that is no object, but stands in a list by itself."""
NEWLINE = r"\n"
"""A line end in a template, as it is typed."""
HEAD = 4096
"""The characters of a file by which its kind is told."""


def documents(file: Path, text: str, field: str) -> Iterator[str]:
    """The document of each record of a file with `text`. Raises CharrnnError where it has no such records or field."""
    names = names_in(field)
    names, template = (names, field) if names else ([field], f"{{{field}}}")
    for number, record in enumerate(_records(file, text), 1):
        missing = [name for name in names if name not in record]
        if missing:
            there = ", ".join(map(str, list(record)[:20]))
            raise CharrnnError(
                f"{file}: record {number}: corpus.field: {missing[0]} was expected, and the record has {there}"
            )
        yield template.format_map({name: _plain(record[name]) for name in names})


def looks_like(file: Path, head: str) -> str | None:
    """What a file is beside a plain text, with what it holds, in words; None if it is nothing else."""
    start = head.lstrip("\ufeff \n\t")
    if start[:9].lower() == "<!doctype" or start[:5].lower() == "<html":
        return "an HTML page; its tags will be learnt too: save it as plain text"
    try:
        first = next(_records(file, head if file.suffix.lower() not in (".json", *LINES) else _first_object(start)))
    except (CharrnnError, StopIteration):
        return None
    kind = TABLES.get(file.suffix.lower(), "JSON")
    names = [str(name) for name in first if str(name)]
    if not names:
        return None
    text = max(names, key=lambda name: len(_plain(first[name])))
    plain = [name for name in names if not set(name) & set(".[]{}!:")]
    other = next((name for name in plain if name != text and text in plain), None)
    template = "" if other is None else f", and with {_option(f'{{{other}}}{NEWLINE}{{{text}}}')} to take several"
    return (
        f"{kind} with the fields {', '.join(names[:10])}; it is read as plain text: train with {_option(text)} to take "
        f"one field as the texts{template}"
    )


def _option(field: str) -> str:
    """The option that takes a field, as it is typed."""
    return f"--set {shlex.quote(f'corpus.field={field}')}"


def _first_object(start: str) -> str:
    """The first object or text of a JSON list that may be cut, as a list."""
    try:
        found, _ = json.JSONDecoder().raw_decode(start.lstrip("[ \n\t"))
    except (ValueError, RecursionError):
        found = None
    return json.dumps([found] if isinstance(found, dict | str) else [])


def _records(file: Path, text: str) -> Iterator[Mapping[str, Any]]:
    """The records of a file, by its name's ending. Raises CharrnnError where it holds none."""
    ending = file.suffix.lower()
    try:
        if ending in TABLES:
            yield from _rows(text, "\t" if TABLES[ending] == "TSV" else _delimiter(text))
            return
        if ending in LINES and not text.startswith("["):
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        elif ending == ".json" or ending in LINES:
            found = json.loads(text)
        else:
            raise CharrnnError(
                f"{file}: corpus.field takes a column of .csv or .tsv, or a key of .json or .jsonl; this file's name "
                "ends in none of them"
            )
    except (ValueError, RecursionError, csv.Error) as error:
        raise CharrnnError(f"{file}: corpus.field: not {ending.lstrip('.').upper()}: {error}") from None
    if not isinstance(found, list) or not all(isinstance(record, dict | str) for record in found):
        raise CharrnnError(f"{file}: corpus.field: a list of objects, or of texts, was expected")
    yield from ({TEXT: record} if isinstance(record, str) else record for record in found)


def _rows(text: str, delimiter: str) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(2**31 - 1)
    for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter):
        yield {name: "" if value is None else value for name, value in row.items() if name is not None}


def _delimiter(text: str) -> str:
    """The delimiter of a table: that of , ; and tab which is most frequent in its first line."""
    first = text[: text.find("\n")] if "\n" in text else text
    return max(",;\t", key=first.count)


def _plain(value: Any) -> str:
    """A field as text. A list of texts, such as the lines of a poem, is lines."""
    if isinstance(value, list):
        return "\n".join(map(_plain, value))
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
