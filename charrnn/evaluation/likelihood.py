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
"""The fewest characters of a stream of an evaluation: the start without a past then hardly changes the result."""
MAX_STREAMS = 64
"""The most texts that are read side by side."""
MAX_LOGITS = 2**24
"""The most logits of a window: 64 MB."""


@dataclass(frozen=True)
class Likelihood:
    """The likelihood of a text under a model."""

    nats: float
    """-ln P(text), the sum over all characters."""
    characters: int
    """The number of predicted characters. In documents mode the end of each document counts as one."""

    @property
    def nats_per_char(self) -> float:
        """The cross-entropy in nats, which is the loss that training shows."""
        return self.nats / self.characters

    @property
    def bits_per_char(self) -> float:
        """The cross-entropy in bits, which a perfect compressor would need for a character."""
        return self.nats_per_char / math.log(2)

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters that would be as hard to predict."""
        return math.exp(min(self.nats_per_char, 700))


def surprisal(model: LanguageModel, batch: Batch, state: State) -> tuple[Tensor, State]:
    """-ln p of each target of a batch, `[T, B]`, 0 where there is nothing to predict, and the new state."""
    inputs, targets = to_device(batch.inputs, model.device), to_device(batch.targets, model.device)
    log_probs, state = model.log_prob(inputs, targets, state)
    return -log_probs, state


@torch.no_grad()
def surprisals(model: LanguageModel, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Tensor]]:
    """Each batch with its `surprisal`. The state is carried from batch to batch where the texts go on."""
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
    """The likelihood of every character of `part`. Streams carry the state; each document has a fresh one.

    A long text is read as up to 64 streams side by side, of at least `stream` characters (default 10,000). With `block`
    it is read in blocks of so many characters, each from a fresh state after the character before it; nanoGPT reports
    this for its window.
    """
    nats, characters = torch.zeros((), dtype=torch.float64, device=model.device), 0
    for batch, own in surprisals(model, evaluation_batches(model, part, block=block, stream=stream)):
        nats += own.sum(dtype=torch.float64)
        characters += batch.characters
    return Likelihood(nats.item(), characters)


def evaluation_batches(
    model: LanguageModel, part: Part, *, block: int | None = None, stream: int | None = None
) -> Iterator[Batch]:
    """Batches that contain every character of a part once."""
    if block is not None:
        return blocks(part, block, max(1, largest_block(model.vocab_size) // block), model.boundary)
    if part.documents is not None:
        window = _window(model, MAX_STREAMS)
        return once(DocumentBatches(part, MAX_STREAMS, window, model.boundary, seed=None))
    streams = stream_count(len(part.ids), stream)
    return once(StreamBatches(part, streams, _window(model, streams), model.boundary))


def largest_block(vocab_size: int) -> int:
    """The most characters whose logits are held at once."""
    return MAX_LOGITS // vocab_size


def stream_count(characters: int, stream: int | None = None) -> int:
    """The number of streams as which a text of so many characters is evaluated."""
    return max(1, min(MAX_STREAMS, characters // (stream or STREAM)))


def some_characters(part: Part, limit: int, stream: int | None = None) -> Part:
    """About `limit` characters of a part, from evenly spread places. `likelihood` reads each of them as a stream.

    Parts of a text differ in difficulty, so its beginning alone would not stand for the whole. Documents are shuffled
    already, so the first ones are taken whole, at least one.
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
