"""The small piece of a training part that is set aside. Neither the network nor an n-gram learns from it, so that it
shows how far each is to be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from charrnn.device import to_device
from charrnn.evaluation.likelihood import begin, evaluation_batches, some_characters
from charrnn.models import LanguageModel, Mixture, NGramModel, State
from charrnn.models.background import WEIGHTS, with_each_weight
from charrnn.models.layers import CACHED
from charrnn.models.mixture import Piece
from charrnn.text.batches import IGNORE
from charrnn.text.dataset import Array, Part
from charrnn.training.validation import SHORT_RUN_UP

SHARE = 50
"""One character of so many is set aside."""
MOST = 10_000
"""The most characters that are set aside."""
LOGITS = 2**23
"""The most logits of a fit: of a text with thousands of characters in its alphabet, less is set aside."""
STREAM = 500
"""The characters of each piece of a stream that is set aside."""


def set_aside(part: Part, vocab_size: int) -> tuple[Part, Part]:
    """A training part as two: what the network learns from, and a small rest to which the mixture is fitted."""
    wanted = max(1, min(part.characters // SHARE, MOST, LOGITS // vocab_size))
    if part.documents is None:
        aside = some_characters(part, wanted, STREAM)
        return Part(part.ids, pieces=_between(part.spans, aside.spans)), aside
    lengths = (part.documents[:, 1] - part.documents[:, 0])[::-1].cumsum()
    cut = len(lengths) - max(1, int((lengths <= wanted).sum()))
    return Part(part.ids, part.documents[:cut]), Part(part.ids, part.documents[cut:])


@torch.no_grad()
def read_apart(mixture: Mixture, part: Part, run_up: int = SHORT_RUN_UP) -> list[Piece]:
    """What each expert says of each character of a part, after a run-up that is not counted."""
    pieces: list[Piece] = []
    state: State = ()
    for ids, targets, there, fresh in _texts(mixture, part, run_up):
        state = state if fresh is None else fresh
        features, state = mixture.features(ids, state)
        rows = max(1, CACHED // mixture.vocab_size)
        for own, came in zip(torch.split(features[there], rows), torch.split(targets[there], rows), strict=True):
            pieces.append((*mixture.experts(own), came))
    return pieces


@torch.no_grad()
def likeliest_weight(ngram: NGramModel, background: NGramModel, part: Part) -> tuple[float, float]:
    """The weight of a background under which a part is likeliest that neither has counted.

    Gives also the nats per character of the n-gram without it.
    """
    nats, count = torch.zeros(len(WEIGHTS), dtype=torch.float64), 0
    state: State = ()
    for ids, targets, there, fresh in _texts(ngram, part, SHORT_RUN_UP):
        state = state if fresh is None else fresh
        log_p, state = with_each_weight(ngram, background, ids, targets.clamp(min=0), state)
        nats -= log_p[there].sum(0).cpu()
        count += int(there.sum())
    return WEIGHTS[int(nats.argmin())], float(nats[0]) / max(count, 1)


def _texts(model: LanguageModel, part: Part, run_up: int) -> Iterator[tuple[Tensor, Tensor, Tensor, State | None]]:
    """A part as it is read here: ids, targets, and which of these are counted, `[T, B]`; and the state where texts
    begin.
    """
    for batch in evaluation_batches(model, part, run_up=run_up):
        counted = batch.targets != IGNORE if batch.counted is None else (batch.targets != IGNORE) & batch.counted
        ids, targets, there = (to_device(one, model.device) for one in (batch.inputs, batch.targets, counted))
        yield ids, targets, there, begin(model, batch) if batch.fresh else None


def _between(spans: Array, taken: Array) -> Array:
    """The pieces `[P, 2]` of `spans` that are left between those that are `taken` from inside them."""
    bounds = np.sort(np.concatenate([spans, taken]).ravel())  # begin, taken from, taken to, ..., end
    left = bounds.reshape(-1, 2)
    return left[left[:, 1] > left[:, 0]]
