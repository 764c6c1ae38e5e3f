"""Bits per character: how well a model predicts a text that it did not learn from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from charrnn.device import to_device
from charrnn.models import LanguageModel, State
from charrnn.text.batches import Batch, DocumentBatches, StreamBatches, blocks, once
from charrnn.text.dataset import Part

STREAM = 10_000
"""Characters that a stream of an evaluation has at least: so few streams begin without a past that it does not show."""
MAX_STREAMS = 64
MAX_LOGITS = 2**24
"""Numbers that one window of logits may hold: 64 MB."""


@dataclass(frozen=True)
class Likelihood:
    """How surprised a model was by a text."""

    nats: float
    """-ln P(text), of all characters together."""
    characters: int
    """How many were predicted; in documents mode the end of each counts as one."""

    @property
    def nats_per_char(self) -> float:
        """Cross-entropy in nats: the loss that training shows."""
        return self.nats / self.characters

    @property
    def bits_per_char(self) -> float:
        """Cross-entropy in bits: what a perfect compressor would need for a character."""
        return self.nats_per_char / math.log(2)

    @property
    def perplexity(self) -> float:
        """Among how many equally likely characters the model in effect chooses."""
        return math.exp(min(self.nats_per_char, 700))


def surprisal(model: LanguageModel, batch: Batch, state: State) -> tuple[Tensor, State]:
    """-ln p of each character of a batch, `[T, B]`, 0 where there is none to predict, and the state after it."""
    inputs, targets = to_device(batch.inputs, model.device), to_device(batch.targets, model.device)
    log_probs, state = model.log_prob(inputs, targets, state)
    return -log_probs, state


@torch.no_grad()
def surprisals(model: LanguageModel, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Tensor]]:
    """Each batch with its `surprisal`, the state carried from one to the next where the texts go on."""
    training = model.training
    model.eval()
    state: State = ()
    for batch in batches:
        if batch.fresh:
            state = model.initial_state(batch.inputs.shape[1])
        nats, state = surprisal(model, batch, state)
        yield batch, nats
    model.train(training)


def likelihood(model: LanguageModel, part: Part, *, block: int | None = None, stream: int | None = None) -> Likelihood:
    """The likelihood of every character of `part`: streams with the state carried, documents each from a fresh one.

    A long text is read as up to 64 streams side by side, of `stream` characters or more (10,000). With `block` the
    state is fresh every so many characters, the one before the block given: what nanoGPT reports for its window.
    """
    nats, characters = torch.zeros((), dtype=torch.float64, device=model.device), 0
    for batch, own in surprisals(model, evaluation_batches(model, part, block=block, stream=stream)):
        nats += own.sum(dtype=torch.float64)
        characters += batch.characters
    return Likelihood(nats.item(), characters)


def evaluation_batches(
    model: LanguageModel, part: Part, *, block: int | None = None, stream: int | None = None
) -> Iterator[Batch]:
    """Batches that hold every character of a part once."""
    if block is not None:
        return blocks(part, block, max(1, largest_block(model.vocab_size) // block), model.boundary)
    if part.documents is not None:
        window = _window(model, MAX_STREAMS)
        return once(DocumentBatches(part, MAX_STREAMS, window, model.boundary, seed=None))
    streams = stream_count(len(part.ids), stream)
    return once(StreamBatches(part, streams, _window(model, streams), model.boundary))


def largest_block(vocab_size: int) -> int:
    """Characters of which the logits are held at once, at most."""
    return MAX_LOGITS // vocab_size


def stream_count(characters: int, stream: int | None = None) -> int:
    """Streams as which a text of so many characters is evaluated."""
    return max(1, min(MAX_STREAMS, characters // (stream or STREAM)))


def some_characters(part: Part, limit: int, stream: int | None = None) -> Part:
    """About `limit` characters of a part, from places evenly spread: as many as `likelihood` reads streams of `stream`.

    A text is not everywhere as hard: its beginning alone would say something else than the whole. Documents, which
    were shuffled, are taken whole from the first on, at least one.
    """
    if part.characters <= limit:
        return part
    if part.documents is None:
        streams = stream_count(limit, stream)
        length = limit // streams
        starts = np.linspace(0, len(part.ids) - length, streams, dtype=np.int64)
        return Part(np.concatenate([part.ids[start : start + length] for start in starts]))
    lengths = (part.documents[:, 1] - part.documents[:, 0]).cumsum()
    return Part(part.ids, part.documents[: max(1, int((lengths <= limit).sum()))])


def _window(model: LanguageModel, batch: int) -> int:
    return max(1, min(256, largest_block(model.vocab_size) // batch))
