"""A model's surprise at each line, document or character of a text, which shows lines that do not belong there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.likelihood import MAX_STREAMS, evaluation_batches, surprisals
from charrnn.models import LanguageModel
from charrnn.text.batches import IGNORE
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
    if part.documents is None:
        whole = _stream(model, part, progress)
        pieces = [(part.ids, whole)]
    else:
        documents = _documents(model, part, progress)
        pieces = [(part.ids[a:b], bits) for (a, b), bits in zip(part.documents.tolist(), documents, strict=True)]
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


def _stream(model: LanguageModel, part: Part, progress: Callable[[int], None]) -> npt.NDArray[np.float64]:
    rows = []
    for batch, nats in surprisals(model, evaluation_batches(model, part)):
        rows.append(nats.double().cpu().numpy() / math.log(2))
        progress(batch.characters)
    return np.concatenate(rows).T.reshape(-1)[: len(part.ids)]


def _documents(model: LanguageModel, part: Part, progress: Callable[[int], None]) -> list[npt.NDArray[np.float64]]:
    assert part.documents is not None
    scored: list[npt.NDArray[np.float64]] = []
    for first in range(0, len(part.documents), MAX_STREAMS):
        own = part.documents[first : first + MAX_STREAMS]
        order = np.argsort(own[:, 1] - own[:, 0], kind="stable")  # the order of the evaluation
        batches = list(evaluation_batches(model, Part(part.ids, own)))
        nats = [values.double().cpu().numpy() for _, values in surprisals(model, batches)]
        counted = np.concatenate([batch.targets for batch in batches]) != IGNORE
        columns = np.concatenate(nats) / math.log(2)
        progress(int(counted.sum()))
        by_place = {int(place): columns[counted[:, column], column] for column, place in enumerate(order)}
        scored += [by_place[i] for i in range(len(own))]
    return scored
