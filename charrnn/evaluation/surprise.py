"""A model's surprise at each line, document or character of a text, which shows lines that do not belong there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.likelihood import evaluation_batches, reading_order, surprisals
from charrnn.models import LanguageModel
from charrnn.text.dataset import Part
from charrnn.text.given import By, GivenText


@dataclass(frozen=True)
class Scored:
    """A line, document or character, and how surprising it was."""

    number: int
    """Of a line in its file, of a document or character among all, from 1. Where the texts are fields of a table, of a
    line in its record, and of a document that of its record."""
    own: str
    """What stands in the `given` text."""
    bits: npt.NDArray[np.float64]
    """-log2 p of each character that the model read, and at the end of a document also of that end."""
    given: GivenText = field(repr=False, compare=False)
    record: int | None = None
    """The record of the table, from 1, where the texts are fields of one."""

    @property
    def text(self) -> str:
        """The user's own text."""
        return self.given.shown(self.own)

    @property
    def bits_per_char(self) -> float:
        """The mean of `bits`."""
        return float(self.bits.mean())

    @property
    def characters(self) -> Iterator[tuple[str, float]]:
        """The characters of `text` with their bits, which are the sum where the model read several for one."""
        start = 0
        for own, count in self.given.units(self.own, "character"):
            yield self.given.shown(own), float(self.bits[start : start + count].sum())
            start += count


def score(
    model: LanguageModel, given: GivenText, by: By = "line", progress: Callable[[int], None] = lambda _: None
) -> list[Scored]:
    """The surprise of each line (with its line end), document or character of a text, in the order of the text."""
    scored: list[Scored] = []
    found = bits_of_texts(model, given.part, progress)
    for text, (line, record), bits in zip(given.texts, given.places, found, strict=True):
        start, read = 0, 0
        for own, count in given.units(text, by):
            start, read = read, read + count
            number = record if by == "document" and record is not None else len(scored) + 1
            if by == "line":
                number, line = line, line + 1
            scored.append(Scored(number, own, bits[start:read], given, record))
        scored[-1] = replace(scored[-1], bits=bits[start:])  # the end of a document counts with its last line
    return scored


def bits_of_texts(
    model: LanguageModel, part: Part, progress: Callable[[int], None] = lambda _: None
) -> list[npt.NDArray[np.float64]]:
    """-log2 p of the characters of each document and of its end, in the order of the part.

    Of a stream, those of all its pieces are one array, in the order of the text.
    """
    columns: list[list[npt.NDArray[np.float64]]] = []
    for batch, nats in surprisals(model, evaluation_batches(model, part)):
        if batch.fresh:
            group: list[list[npt.NDArray[np.float64]]] = [[] for _ in batch.lengths]
            columns += group
        rows = nats.double().cpu().numpy() / math.log(2)
        for column, own, count in zip(group, rows.T, batch.lengths, strict=True):
            column.append(own[:count])
        progress(batch.characters)
    order = reading_order(part)[:, 0]
    texts = {int(begin): np.concatenate(column) for begin, column in zip(order, columns, strict=True)}
    if part.documents is not None:
        return [texts[begin] for begin in part.documents[:, 0].tolist()]
    return [np.concatenate([texts[begin] for begin in sorted(texts)])]
