"""Headings: what stands above the text of each document, such as its title and author, and what is known of it.

A heading is a template such as "《{title}》{author}\\n". A model that has read one above every text goes on from one
that the user gives.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import numpy as np
from pydantic import Field, field_validator

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.files import Record
from charrnn.text.corpora import named
from charrnn.text.dataset import Dataset, Part
from charrnn.text.forms import are_variants
from charrnn.text.reader import normalizer

USUAL = ("title", "author", "tune")
"""The fields that have an option of their own."""
HEAD = 300
"""The most characters of a heading."""
EACH = 4
"""A field whose values are each in so many documents, on average, has known values: authors have, titles have not."""
MOST = 100_000
"""The most characters of all known values of a field. More are no list that anyone could choose from."""
MANY = 300_000
"""The documents of a corpus in which no list of values is looked for: it would take half a minute."""
MAX_BYTES = 16_000_000
"""The most bytes of the file of a run."""


class Headings(Record):
    """How the documents of a corpus begin, as `headings.json` of a run holds it."""

    template: str
    """Names in braces, with a text between any two and after the last: "《{title}》{author}\\n"."""
    known: dict[str, list[str]] = Field(default_factory=dict)
    """The values of some fields, those of most documents first."""

    @field_validator("template")
    @classmethod
    def _can_be_read(cls, template: str) -> str:
        """Checks that a reader sees where each field ends."""
        parts = _parts(template)
        names = [name for _, name in parts if name is not None]
        told_apart = len({*names}) == len(names) and all(literal for literal, _ in parts[1:])
        plain = all(name and not set(name) & set(".[]") for name in names)  # a template formats names alone
        if not names or not plain or not told_apart or parts[-1][1] is not None:
            raise ValueError("different names in braces were expected, with a text between any two and after the last")
        return template

    def __str__(self) -> str:
        """In words: `《{tune}》{author}; known: 1,340 of tune, 1,339 of author`."""
        known = ", ".join(f"{len(values):,} of {name}" for name, values in self.known.items())
        return self.template.strip() + (f"; known: {known}" if known else "")

    @property
    def parts(self) -> list[tuple[str, str | None]]:
        """The text before each field and the name of the field; the last part has no field."""
        return _parts(self.template)

    @property
    def names(self) -> list[str]:
        """The names of the fields."""
        return [name for _, name in self.parts if name is not None]

    def read(self, text: str) -> dict[str, str] | None:
        """The fields of a text that begins with a heading; None where it does not."""
        found = self._find(text)
        return None if found is None else dict(zip(self.names, found.groups(), strict=True))

    def below(self, text: str) -> str:
        """What stands below the heading of a text; the whole text where it has none."""
        found = self._find(text)
        return text if found is None else text[found.end() :]

    def _find(self, text: str) -> re.Match[str] | None:
        pattern = "".join(re.escape(literal) + ("" if name is None else "(.*)") for literal, name in self.parts)
        return re.match(pattern, text[:HEAD])

    def taken(self, given: Mapping[str, str]) -> dict[str, str]:
        """The fields that are given, each known value as the model knows it.

        Raises CharrnnError for a field that there is not, for an empty value or one of several lines, and, with the
        nearest one, for a value that is not among those known.
        """
        for name, value in given.items():
            if name not in self.names:
                raise CharrnnError(
                    f"{as_given(name, value)}: the headings of this model's texts have no {name}, but "
                    f"{', '.join(self.names)}"
                )
            if not value.strip() or "\n" in value or "\r" in value:
                raise CharrnnError(f"{as_given(name, value)}: a text in one line was expected")
        return {name: self._as_known(name, value.strip()) for name, value in given.items()}

    def _as_known(self, name: str, value: str) -> str:
        known = self.known.get(name)
        if known is None or value in known:
            return value
        if variant := next((one for one in known if are_variants(value, one)), None):
            return variant
        near = get_close_matches(value, known, n=len(known), cutoff=0.5)
        near = sorted(near, key=lambda one: (abs(len(one) - len(value)), known.index(one)))[:3]
        told = f"near to it {'is' if len(near) == 1 else 'are'}" if near else f"of the {len(known):,} that it knows are"
        raise CharrnnError(
            f"{as_given(name, value)}: no {name} that this model knows; {told} {', '.join(near or known[:5])}"
        )

    @classmethod
    def of(cls, dataset: Dataset, corpus: CorpusConfig) -> Headings | None:
        """The headings of a corpus, whose known values are those of its training part.

        None where it has none, where bytes are read, for which a table is none, and where what would be the heading is
        the longer part of the texts.
        """
        template = template_of(corpus)
        raw = dataset.vocabulary.kind == "byte"
        if template is None or dataset.starts is None or (raw and corpus.field is not None):
            return None
        headings, part = cls(template=template), dataset.part("train", corpus)
        if len(part.spans) > MANY:
            return headings
        found = [fields for fields in map(headings.read, _beginnings(part, dataset, corpus)) if fields is not None]
        if 2 * sum(len("".join(fields.values())) for fields in found) >= part.characters or not found:
            return None
        known = {}
        for name in headings.names:
            values = Counter(one for one in (fields[name] for fields in found) if one and "\ufffd" not in one)
            if len(values) * EACH <= len(found) and sum(map(len, values)) <= MOST:
                known[name] = [value for value, _ in values.most_common()]
        return cls(template=template, known=known)


def as_given(name: str, value: str) -> str:
    """A field as a message names it: by its own option, if it has one."""
    return f"‹{name}={value}›" if name in USUAL else f"‹field={name}={value}›"


def template_of(corpus: CorpusConfig) -> str | None:
    """The template of the headings of a corpus: that of a named one, or what stands in `corpus.field` before the text,
    which is the last of its names. None where there is none, or a reader would not see where its fields end.
    """
    if corpus.name is not None:
        template = named(corpus.name).heading
        template = template and template + "\n"
    else:
        template, _, last = (corpus.field or "").rpartition("{")
        if not template or not last:
            return None
    normal, braces = normalizer(corpus), str.maketrans({"{": "{{", "}": "}}"})
    try:
        parts = [(normal(literal).translate(braces), name) for literal, name in _parts(template)]
        whole = "".join(literal + ("" if name is None else f"{{{name}}}") for literal, name in parts)
        return Headings(template=whole).template
    except ValueError:
        return None


def _parts(template: str) -> list[tuple[str, str | None]]:
    """The text before each name of a template and the name; None after a last text. Raises ValueError for what is no
    template, or would format a field.
    """
    parts: list[tuple[str, str | None]] = []
    before = ""
    for literal, name, spec, conversion in string.Formatter().parse(template):
        if spec or conversion:
            raise ValueError("plain names in braces were expected")
        before += literal
        if name is not None:
            parts.append((before, name))
            before = ""
    return [*parts, (before, None)] if before else parts


def _beginnings(part: Part, dataset: Dataset, corpus: CorpusConfig) -> Iterator[str]:
    """How each document of a part begins."""
    vocabulary = dataset.vocabulary.in_encoding(corpus.encoding)
    ids = np.asarray(part.ids)
    pieces = [*vocabulary.characters, "\ufffd", ""]
    for start, end in part.spans.tolist():
        own = ids[start : min(end, start + HEAD)].tolist()
        yield vocabulary.decode(own) if vocabulary.kind == "byte" else "".join(map(pieces.__getitem__, own))
