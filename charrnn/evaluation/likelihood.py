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
from charrnn.text.batches import Batch, blocks, once
from charrnn.text.dataset import Array, Part

RUN_UP = 1_000
"""The most characters before a stream of an evaluation that are read, and not counted, so that its first characters
have their past too. A longer past no longer changes the result (docs/comparing.md)."""
STREAM = 1_000
"""The fewest characters of a stream of an evaluation."""
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
    standard_error: float | None = None
    """Of `nats_per_char`: how far another text of this kind and length may lie from it. None where that is unknown."""

    @property
    def nats_per_char(self) -> float:
        """The cross-entropy in nats, which is the loss that training shows."""
        return self.nats / self.characters

    @property
    def bits_per_char(self) -> float:
        """The cross-entropy in bits, which a perfect compressor would need for a character."""
        return self.nats_per_char / math.log(2)

    @property
    def standard_error_bits(self) -> float | None:
        """`standard_error` in bits: that of `bits_per_char`."""
        return None if self.standard_error is None else self.standard_error / math.log(2)

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters that would be as hard to predict."""
        return math.exp(min(self.nats_per_char, 700))


def surprisal(model: LanguageModel, batch: Batch, state: State) -> tuple[Tensor, State]:
    """-ln p of each target of a batch, `[T, B]`, 0 where none is counted, and the new state."""
    inputs, targets = to_device(batch.inputs, model.device), to_device(batch.targets, model.device)
    if not batch.characters:
        return torch.zeros(targets.shape, device=model.device), model.read(inputs, targets, state)[1]
    log_probs, state = model.log_prob(inputs, targets, state)
    if batch.counted is not None:
        log_probs = log_probs * to_device(batch.counted, model.device)
    return -log_probs, state


def begin(model: LanguageModel, batch: Batch) -> State:
    """The state before a fresh batch."""
    state = model.initial_state(batch.inputs.shape[1])
    return state if batch.before is None else model.recall(state, to_device(batch.before, model.device))


@torch.no_grad()
def surprisals(model: LanguageModel, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Tensor]]:
    """Each batch with its `surprisal`. The state is carried from batch to batch where the texts go on."""
    training = model.training
    model.eval()
    state: State = ()
    for batch in batches:
        if batch.fresh:
            state = begin(model, batch)
        nats, state = surprisal(model, batch, state)
        yield batch, nats
    model.train(training)


def likelihood(model: LanguageModel, part: Part, *, block: int | None = None, run_up: int = RUN_UP) -> Likelihood:
    """The likelihood of every character of `part`. Streams carry the state; each document has a fresh one.

    A long text is read as some 64 streams side by side, each after a run-up of the characters that stand before it.
    With `block` it is read in blocks of so many characters, each from a fresh state after the character before it;
    nanoGPT reports this for its window.
    """
    nats, characters = by_text(model, part, block=block, run_up=run_up)
    error = None if block is not None else ratio_error(nats, characters)
    return Likelihood(float(nats.sum()), int(characters.sum()), error)


def by_text(model: LanguageModel, part: Part, *, block: int | None = None, run_up: int = RUN_UP) -> tuple[Array, Array]:
    """The nats and the characters `[C]` of each text that `likelihood` reads by itself, in an order that is the same
    for all models.
    """
    sums, lengths = [], []
    for batch, own in surprisals(model, evaluation_batches(model, part, block=block, run_up=run_up)):
        if batch.fresh:
            sums.append(torch.zeros(own.shape[1], dtype=torch.float64, device=own.device))
            lengths.append(np.zeros(own.shape[1], np.int64))
        sums[-1] += own.sum(0, dtype=torch.float64)
        lengths[-1] += batch.lengths
    if not sums:
        return np.zeros(0), np.zeros(0, np.int64)
    return torch.cat(sums).cpu().numpy(), np.concatenate(lengths)


def ratio_error(nats: Array, characters: Array, fraction: float = 0.0) -> float | None:
    r"""The standard error of the nats per character of C texts, from the `nats` and `characters` `[C]` of each.

    .. math::
        r = \frac{\sum_i y_i}{\sum_i x_i}, \qquad
        s^2 = (1 - f)\, \frac{C}{C - 1}\, \frac{\sum_i (y_i - r x_i)^2}{(\sum_i x_i)^2}

    This is the ratio estimator of a cluster sample (Cochran, Sampling Techniques, 1977, section 6.3): characters of one
    place are alike, so places are what is drawn. f is the `fraction` of the whole that was read; where all of it was,
    nothing is left to chance. None where one text says nothing of how texts differ.
    """
    if fraction >= 1:
        return 0.0
    if len(nats) < 2:
        return None
    ratio = nats.sum() / characters.sum()
    variance = len(nats) / (len(nats) - 1) * ((nats - ratio * characters) ** 2).sum() / characters.sum() ** 2
    return math.sqrt((1 - fraction) * variance)


def evaluation_batches(
    model: LanguageModel, part: Part, *, block: int | None = None, run_up: int = RUN_UP
) -> Iterator[Batch]:
    """Batches that count every character of a part once. They are those of `reading_order`, unless there are blocks.

    Of the RUN_UP characters before a stream, `run_up` are read, and the others only told.
    """
    largest = largest_block(model.vocab_size)
    if block is not None:
        return blocks(part, block, max(1, largest // block), model.boundary)
    spans = reading_order(part)
    side_by_side = max(1, min(MAX_STREAMS, len(spans)))
    windows = 256, max(1, min(256, largest // side_by_side))
    return once(part, spans, side_by_side, windows, model.boundary, run_up, max(0, RUN_UP - run_up))


def reading_order(part: Part) -> Array:
    """The start and the end of each text that is read by itself, `[S, 2]`, in the order of their length.

    These are the documents, or the pieces of a stream, of which long ones are cut: into about 64 streams in all.
    """
    spans = part.spans if part.documents is not None else cut(part, max(STREAM, -(-part.characters // MAX_STREAMS)))
    return spans[np.argsort(spans[:, 1] - spans[:, 0], kind="stable")]


def cut(part: Part, length: int) -> Array:
    """The pieces of a stream, each cut into as many equal ones, of at least `length` characters, as it holds."""
    pieces = part.spans[part.spans[:, 1] > part.spans[:, 0]].tolist()
    edges = [np.linspace(a, b, max(1, (b - a) // length) + 1).round().astype(np.int64) for a, b in pieces]
    return np.concatenate([np.zeros((0, 2), np.int64), *(np.stack([e[:-1], e[1:]], axis=1) for e in edges)])


def largest_block(vocab_size: int) -> int:
    """The most characters whose logits are held at once."""
    return MAX_LOGITS // vocab_size


def some_characters(part: Part, limit: int, stream: int = STREAM) -> Part:
    """About `limit` characters of a part, from evenly spread places. `likelihood` reads each of them as a stream.

    Parts of a text differ in difficulty, so its beginning alone would not stand for the whole. It is cut into as many
    pieces as streams of `stream` characters are wanted, and the middle of each is taken. Documents are shuffled
    already, so the first ones are taken whole, at least one.
    """
    whole = part.characters
    if whole <= limit:
        return part
    if part.documents is not None:
        lengths = (part.documents[:, 1] - part.documents[:, 0]).cumsum()
        return Part(part.ids, part.documents[: max(1, int((lengths <= limit).sum()))])
    spans = cut(part, max(1, whole * min(stream, limit) // limit))
    taken = np.diff((spans[:, 1] - spans[:, 0]).cumsum() * limit // whole, prepend=0)
    begins = spans[:, 0] + (spans[:, 1] - spans[:, 0] - taken) // 2
    return Part(part.ids, pieces=np.stack([begins, begins + taken], axis=1))
