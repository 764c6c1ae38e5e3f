"""How a model reads held-out text: the bits of each character, measured without PyTorch where the model allows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.generation.filters import Doubles, Filters, Ints, log_softmax
from charrnn.generation.stepper import Stepper
from charrnn.run import Run
from charrnn.text.dataset import Part

ROWS, LENGTH = 32, 400
"""The number of texts that are read side by side, and the most characters of each."""
RUN_UP = 64
"""The characters before each piece of a stream that are read first and not measured: a piece begins no text."""
PASSAGE = 600
"""The characters of the passage that is shown, at least one document."""


@dataclass(frozen=True)
class Read:
    """Held-out texts, as a model has read them."""

    ids: list[Ints]
    """The ids of each text; at the end of a document the boundary."""
    bits: list[Doubles]
    """-log2 p of each of these."""

    @property
    def all_ids(self) -> Ints:
        """The ids of all texts, one after the other."""
        return np.concatenate(self.ids)

    @property
    def all_bits(self) -> Doubles:
        """The bits of all texts, one after the other."""
        return np.concatenate(self.bits)

    def passage(self) -> list[tuple[int, float]]:
        """Ids with their bits, of the first text, or of the first documents."""
        found: list[tuple[int, float]] = []
        for ids, bits in zip(self.ids, self.bits, strict=True):
            if found and len(found) + len(ids) > PASSAGE:
                break
            found += zip(ids.tolist(), bits.tolist(), strict=True)
        return found


def read_held_out(run: Run, progress: Callable[[int], None] = lambda _: None) -> Read:
    """Some of a run's held-out text, spread over all of it, as its model reads it.

    Raises CharrnnError where the text is not at hand, where nothing is held out, and for a bidirectional model.
    """
    stepper = run.sampler(Filters()).model
    part = run.dataset().part("val", run.config.corpus)
    if not part.characters:
        raise CharrnnError(f"{run.path}: nothing is held out (corpus.split is {run.config.corpus.split})")
    texts, before = _texts(part, run.vocabulary.boundary)
    bits = _bits(stepper, texts, run.vocabulary.boundary, progress)
    return Read(
        [ids[skipped:] for ids, skipped in zip(texts, before, strict=True)],
        [own[skipped:] for own, skipped in zip(bits, before, strict=True)],
    )


def _texts(part: Part, boundary: int) -> tuple[list[Ints], list[int]]:
    """ROWS texts of at most LENGTH ids, documents with the boundary at their end, or pieces of a stream after a run-up;
    and the length of each run-up.
    """
    spans = part.spans[part.spans[:, 1] > part.spans[:, 0]]
    if part.documents is not None:
        chosen = spans[np.unique(np.linspace(0, len(spans) - 1, ROWS).astype(int))]
        wholes = [np.append(part.ids[start:end].astype(np.int64), boundary) for start, end in chosen]
        return [whole[:LENGTH] for whole in wholes], [0] * len(wholes)
    ends = (spans[:, 1] - spans[:, 0]).cumsum()
    texts, before = [], []
    for place in np.unique(np.linspace(0, max(0, int(ends[-1]) - LENGTH), ROWS).astype(int)):
        span = int(np.searchsorted(ends, place, side="right"))
        start, end = int(spans[span, 1] - (ends[span] - place)), int(spans[span, 1])
        first = max(0, start - RUN_UP)
        texts.append(part.ids[first : min(start + LENGTH, end)].astype(np.int64))
        before.append(start - first)
    return texts, before


def _bits(stepper: Stepper, texts: list[Ints], boundary: int, progress: Callable[[int], None]) -> list[Doubles]:
    """The bits of each character of each text, all texts side by side."""
    longest = max(map(len, texts))
    ids = np.full((longest, len(texts)), boundary, np.int64)
    for row, text in enumerate(texts):
        ids[: len(text), row] = text
    bits = np.empty(ids.shape)
    stepper.begin([boundary], len(texts))
    for t, now in enumerate(ids):
        log_probs = log_softmax(stepper.logits())
        bits[t] = -log_probs[np.arange(len(texts)), now].astype(np.float64) / math.log(2)
        stepper.step(now)
        progress(len(texts))
    if not all(np.isfinite(bits[: len(text), row]).all() for row, text in enumerate(texts)):
        raise NoNumbers
    return [bits[: len(text), row] for row, text in enumerate(texts)]
