"""The small piece of a training part that is set aside. Neither the network nor an n-gram learns from it, so that it
shows how far each is to be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from charrnn.config import CorpusConfig
from charrnn.device import to_device
from charrnn.evaluation.likelihood import begin, evaluation_batches, some_characters
from charrnn.models import LanguageModel, Mixture, NGramModel, State
from charrnn.models.background import WEIGHTS, with_each_weight
from charrnn.models.layers import in_cache
from charrnn.models.mixture import Piece
from charrnn.text.batches import IGNORE
from charrnn.text.dataset import Array, Part
from charrnn.training.validation import SHORT_RUN_UP

SHARE = 50
"""One character of so many is set aside."""
MOST = 20_000
"""The most characters that are set aside."""
LOGITS = 2**23
"""The most logits of a fit: in a text with thousands of characters in its alphabet, only every k-th place counts."""
STREAM = 500
"""The characters of each piece that is set aside, where pieces from all over a stream are."""


def set_aside(part: Part, corpus: CorpusConfig) -> tuple[Part, Part]:
    """A training part as two: what the network learns from, and a small rest to which the mixture is fitted.

    Of a stream it is pieces from all over it, as the held-out part is. Where that is the end of the text, or another
    text, it is one stretch from the middle: there, too, much is new that short pieces share with what stands beside
    them, such as the names of a scene.
    """
    wanted = max(1, min(part.characters // SHARE, MOST))
    if part.documents is None:
        is_new = corpus.holdout == "tail" or corpus.validation is not None
        aside = some_characters(part, wanted, wanted if is_new else STREAM)
        return Part(part.ids, pieces=_between(part.spans, aside.spans)), aside
    lengths = (part.documents[:, 1] - part.documents[:, 0])[::-1].cumsum()
    cut = len(lengths) - max(1, int((lengths <= wanted).sum()))
    return Part(part.ids, part.documents[:cut]), Part(part.ids, part.documents[cut:])


@torch.no_grad()
def read_apart(mixture: Mixture, part: Part, run_up: int = SHORT_RUN_UP) -> list[Piece]:
    """What each expert says of the characters of a part, after a run-up that is not counted."""
    pieces: list[Piece] = []
    state: State = ()
    apart = max(1, -(-part.characters * mixture.vocab_size // LOGITS))
    for ids, targets, there, fresh in _texts(mixture, part, run_up):
        state = state if fresh is None else fresh
        features, state = mixture.features(ids, state)
        t, b = (torch.arange(count, device=ids.device) for count in ids.shape)
        there = there & ((t[:, None] + b) % apart == 0)  # of each text other places, so that none is without
        for own, came in in_cache(features[there], targets[there], mixture.vocab_size):
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
