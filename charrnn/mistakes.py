"""What is wrong with a config, or with a parameter that has the bounds of a key: pydantic's errors, in words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from charrnn.errors import CharrnnError

MAX_MISTAKES = 20
"""The most mistakes of a config that one message lists."""

BOUNDS = {"ge": "{:g} or more", "gt": "above {:g}", "le": "at most {:g}", "lt": "below {:g}"}
"""What pydantic's names of bounds mean."""

KeyPath = tuple[str, ...]
Marks = dict[KeyPath, str]
"""Where each key was given: "my.yaml, line 3", or "‹overrides=model.cell=gru›"."""


@dataclass(frozen=True)
class Place:
    """Where a config comes from: a file and the place of each key in it, or Python code, which has neither."""

    source: str = "config"
    marks: Marks = field(default_factory=dict)


def mistakes(error: ValidationError, config: type[BaseModel], data: Any, place: Place) -> CharrnnError:
    """The mistakes of `data`, which should be a `config`, with one line for each."""
    lines = [_explain(dict(item), config, data, place) for item in error.errors(include_url=False)]
    told = list(dict.fromkeys(lines))
    more = [f"{place.source}: and {len(told) - MAX_MISTAKES:,} more mistakes"] if len(told) > MAX_MISTAKES else []
    return CharrnnError("\n".join(told[:MAX_MISTAKES] + more))


def check_values(section: type[BaseModel], **values: Any) -> None:
    """Raises CharrnnError for the first of a function's parameters that lies outside the bounds of the key it names."""
    try:
        section.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        bounds = [BOUNDS[kind].format(bound) for kind, bound in first.get("ctx", {}).items() if kind in BOUNDS]
        expected = " and ".join(bounds) or _expected(first["msg"])
        raise CharrnnError(f"‹{first['loc'][0]}={show(first['input'])}›: expected {expected}") from None


def _explain(item: dict[str, Any], config: type[BaseModel], data: Any, given: Place) -> str:
    """The line for one of pydantic's errors: the place, the key, what was expected and what was found."""
    source, marks = given.source, given.marks
    path = _path_in(data, item["loc"])
    kind, message = item["type"], item["msg"]
    context = item.get("ctx", {})
    if kind in ("extra_forbidden", "missing"):
        path = tuple(str(part) for part in item["loc"])
    place = next((marks[path[:n]] for n in range(len(path), -1, -1) if path[:n] in marks), "")
    where = place or source
    key = ".".join(path)
    if kind == "extra_forbidden":
        valid = keys_of(config, path[:-1])
        if key == "sweep":
            return f"{where}: a config with a sweep is many trainings: charrnn sweep {source}"
        sections = any(hasattr(own.annotation, "model_fields") for own in config.model_fields.values())
        what = "section" if sections and len(path) == 1 else "key"
        return f"{where}: {key}: unknown {what}{nearest(path[-1], valid)}; valid here: {', '.join(valid)}"
    if kind == "missing":
        example = (
            " such as `corpus: {name: tiny-shakespeare}` or `corpus: {path: novel.txt}`" if key == "corpus" else ""
        )
        return f"{where}: {key}: missing; it is needed{example}"
    if kind == "value_error":
        return f"{where}: {key + ': ' if key else ''}expected {context['error']}"
    return f"{where}: {key + ': ' if key else ''}expected {_expected(message)}, not {show(item['input'])}"


def _expected(message: str) -> str:
    """What pydantic expected, in the words of a config."""
    for theirs, ours in (
        ("Input should be ", ""),
        ("Keys should be strings", "a text as the key"),
        ("a valid dictionary or instance of", "a section of keys, as in"),
        ("a valid integer", "an integer"),
        ("a valid ", "a "),
        ("a string", "a text"),
    ):
        message = message.replace(theirs, ours)
    return message


def _path_in(data: Any, loc: Iterable[str | int]) -> KeyPath:
    """The part of pydantic's location that exists in the data; the rest names branches of unions."""
    path: list[str] = []
    for part in loc:
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            break
        path.append(str(part))
    return tuple(path)


def keys_of(config: type[BaseModel], section: KeyPath) -> list[str]:
    """The valid keys of a section; for the empty path, the names of the sections."""
    fields = config.model_fields
    if not section:
        return list(fields)
    model = fields[section[0]].annotation if section[0] in fields else None
    return list(getattr(model, "model_fields", {}))


def nearest(word: str, valid: Iterable[str]) -> str:
    """The text ' (nearest: X)' if a valid word X is close to `word`, else an empty text."""
    close = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.5)
    return f" (nearest: {close[0]})" if close else ""


def show(value: Any) -> str:
    """The value as a text of at most 60 characters, for a message."""
    try:
        text = "nothing" if value is None else repr(value)
    except ValueError:  # an integer of more than 4300 digits
        return "so large a number"
    return text if len(text) <= 60 else text[:57] + "..."
