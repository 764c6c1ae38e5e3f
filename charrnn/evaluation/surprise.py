"""A model's surprise at each line, document or character of a text, which shows lines that do not belong there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.likelihood import evaluation_batches, reading_order, surprisals
from charrnn.models import LanguageModel
from charrnn.text.dataset import Part
from charrnn.text.vocab import Vocabulary

By = Literal["line", "document", "character"]


@dataclass(frozen=True)
class Scored:
    """A line, document or character, and how surprising it was."""

    number: int
    """The number of the line, document or character, from 1."""
    text: str
    bits: npt.NDArray[np.float64]
    """-log2 p of each character, and at the end of a document also of that end."""

    @property
    def bits_per_char(self) -> float:
        """The mean of `bits`."""
        return float(self.bits.mean())


def score(
    model: LanguageModel,
    vocabulary: Vocabulary,
    part: Part,
    by: By = "line",
    progress: Callable[[int], None] = lambda _: None,
) -> list[Scored]:
    """The surprise of each line (with its line end), document or character of a text, in the order of the text."""
    decode = vocabulary.decode
    spans = part.spans.tolist()
    pieces = [(part.ids[a:b], bits) for (a, b), bits in zip(spans, _bits(model, part, progress), strict=True)]
    if by == "document":
        return [Scored(i, decode(ids.tolist()), bits) for i, (ids, bits) in enumerate(pieces, 1)]
    scored: list[Scored] = []
    for ids, bits in pieces:
        start = 0
        for end in _ends(ids, vocabulary, by):
            stop = len(bits) if end == len(ids) else end  # the end of a document counts with its last line
            scored.append(Scored(len(scored) + 1, decode(ids[start:end].tolist()), bits[start:stop]))
            start = end
    return scored


def _ends(ids: npt.NDArray[np.integer[Any]], vocabulary: Vocabulary, by: By) -> list[int]:
    """The places in a text at which its characters, or its lines, end."""
    if by == "character":
        return list(range(1, len(ids) + 1))
    ends = np.flatnonzero(ids == vocabulary.encode("\n")[0]) + 1 if "\n" in vocabulary else np.zeros(0, np.int64)
    return np.unique(np.append(ends, len(ids))).tolist() if len(ids) else []


def _bits(model: LanguageModel, part: Part, progress: Callable[[int], None]) -> list[npt.NDArray[np.float64]]:
    """The bits of the characters of each document, or of each piece of a stream, in the order of the part."""
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
