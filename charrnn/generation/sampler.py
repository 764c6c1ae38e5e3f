"""Writes texts, many side by side, with whatever computes the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from charrnn.errors import CharrnnError
from charrnn.generation.filters import MEMORY, Filters
from charrnn.generation.stepper import Stepper
from charrnn.text.vocab import Decoder, Vocabulary

BLOCK = 256
"""Characters of each text that are written before any is decoded, at most."""
FIRST = 32
"""Characters of the first block; each further one has twice as many, since a text that has not ended is a long one."""
NUMBERS = 2**20
"""Random numbers held at once, at most, unless one character of each text needs more."""


MAX_SAMPLES = 10_000
"""Texts that are written side by side."""


def check_samples(samples: int) -> None:
    """Raises CharrnnError for a number of texts that cannot be written side by side."""
    if not 1 <= samples <= MAX_SAMPLES:
        raise CharrnnError(f"‹samples={samples}›: expected 1 to {MAX_SAMPLES:,}")


def check_seed(seed: int) -> None:
    """Raises CharrnnError for what is no seed."""
    if not 0 <= seed < 2**63:
        raise CharrnnError(f"‹seed={seed}›: expected 0 to 2^63 - 1")


@dataclass(frozen=True)
class Sample:
    """A text that a model wrote."""

    text: str
    """The prompt and what came after it."""
    log_prob: float
    """ln of the model's probability of what came after the prompt (at temperature 1, without filters); where a document
    was ended by the model, with its end."""
    seed: int
    """Gives the same text again."""


class Sampler:
    """Writes with a model; each sample has a random generator of its own, so that its text follows from its seed.

    The numbers are NumPy's, the same whichever way the model is computed. Two ways give the same text as long as no
    draw is so close that rounding decides it (see `filters.draw`: with log-probabilities equal to 1e-6, less than one
    text of 500 characters in 500).
    """

    def __init__(self, model: Stepper, vocabulary: Vocabulary, filters: Filters, documents: bool) -> None:
        """`documents`: the model may end a text; otherwise it writes on until the length is reached."""
        self.model, self.vocabulary, self.filters, self.documents = model, vocabulary, filters, documents

    def sample(self, prompt: Sequence[int], length: int, seeds: Sequence[int], stop: str | None = None) -> list[Sample]:
        """One text a seed: the prompt and at most `length` characters, ended before by `stop` (kept) or by the model.

        Raises CharrnnError for a length or a number of samples below 1.
        """
        texts = [[self.vocabulary.decode(prompt)] for _ in seeds]
        log_probs = [0.0] * len(seeds)
        for pieces in self.write(prompt, length, seeds, stop):
            for i, (text, log_prob) in enumerate(pieces):
                texts[i].append(text)
                log_probs[i] += log_prob
        return [Sample("".join(text), log_probs[i], seeds[i]) for i, text in enumerate(texts)]

    def write(
        self, prompt: Sequence[int], length: int, seeds: Sequence[int], stop: str | None = None, block: int = BLOCK
    ) -> Iterator[list[tuple[str, float]]]:
        """Yields, `block` characters or fewer at a time, what each text gains: some text and its log-probability.

        A text that has ended gains nothing more.
        """
        if length < 1:
            raise CharrnnError(f"‹length={length}›: expected 1 or more characters")
        check_samples(len(seeds))
        for seed in seeds:
            check_seed(seed)
        vocabulary = self.vocabulary
        never = [vocabulary.unknown] if self.documents else [vocabulary.unknown, vocabulary.boundary]
        generators = [np.random.default_rng(seed) for seed in seeds]
        pieces = [*vocabulary.characters, "\ufffd", ""] if vocabulary.kind == "char" else None
        texts = [_Text(vocabulary, pieces, stop) for _ in seeds]
        recent = np.array([prompt[-MEMORY:]] * len(seeds), np.int64).reshape(len(seeds), -1)
        model = copy(self.model)  # two calls may go on in turns
        model.begin([vocabulary.boundary, *prompt], len(seeds))
        block, now, written = max(1, min(block, NUMBERS // (len(seeds) * len(vocabulary)))), FIRST, 0
        while written < length and any(text.running for text in texts):
            now = min(now, block, length - written)
            chosen, gained = model.write(now, generators, self.filters, never, recent)
            recent, written = np.concatenate([recent, chosen.T], axis=1)[:, -MEMORY:], written + now
            columns = zip(texts, chosen.T.tolist(), gained.T.tolist(), strict=True)
            yield [text.add(ids, log_probs, written == length) for text, ids, log_probs in columns]
            now *= 2


class _Text:
    """One text as it grows: decodes ids, and knows where it ends."""

    def __init__(self, vocabulary: Vocabulary, pieces: list[str] | None, stop: str | None) -> None:
        """`pieces`: the text of each id, where it does not depend on others as a byte's does."""
        self.running, self._pieces = True, pieces
        self._decoder: Decoder = vocabulary.decoder()
        self._boundary, self._stop, self._tail = vocabulary.boundary, stop, ""

    def add(self, ids: list[int], log_probs: list[float], last: bool) -> tuple[str, float]:
        """The text of these ids and its log-probability, up to the text's end if it comes; `last`: it comes here."""
        if not self.running:
            return "", 0.0
        if self._boundary in ids:
            ids, self.running = ids[: ids.index(self._boundary) + 1], False
        decoded = [self._pieces[i] for i in ids] if self._pieces else [self._decoder.add(i) for i in ids]
        if self._stop:
            for n, piece in enumerate(decoded):
                self._tail = (self._tail + piece)[-len(self._stop) - len(piece) :]
                if self._stop in self._tail:
                    decoded, self.running = decoded[: n + 1], False
                    break
        self.running = self.running and not last
        text = "".join(decoded) if self.running else "".join(decoded) + self._decoder.end()
        return text, sum(log_probs[: len(decoded)])
