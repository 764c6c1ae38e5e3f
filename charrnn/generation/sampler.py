"""Writes texts, many side by side, with any stepper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.errors import CharrnnError
from charrnn.generation import within
from charrnn.generation.constraints import Constraint, Unfit
from charrnn.generation.filters import MEMORY, Filters
from charrnn.generation.headed import Headed
from charrnn.generation.ranking import Rank
from charrnn.generation.stepper import Stepper
from charrnn.terminal import printable
from charrnn.text.vocab import Decoder, Vocabulary

BLOCK = 256
"""The most characters of each text that are written before they are decoded."""
FIRST = 32
"""The number of characters of the first block. Each further block is twice as long, as far as BLOCK allows."""
NUMBERS = 2**20
"""The most random numbers that are held at once, unless one character of each text needs more."""
MAX_SAMPLES = 10_000
"""The most texts that are written side by side."""


def check_samples(samples: int) -> None:
    """Raises CharrnnError for a number of texts below 1 or above MAX_SAMPLES."""
    if not 1 <= samples <= MAX_SAMPLES:
        raise CharrnnError(f"‹samples={samples}›: expected 1 to {MAX_SAMPLES:,}")


def check_seed(seed: int) -> None:
    """Raises CharrnnError for a seed out of bounds."""
    if not 0 <= seed < 2**63:
        raise CharrnnError(f"‹seed={seed}›: expected 0 to 2^63 - 1")


def generator(seed: int, index: int) -> np.random.Generator:
    """The random numbers of one sample of a seed. No two samples share them, of one seed or of two.

    The first sample has those of the seed itself, and sample i those of its i-th child (numpy's SeedSequence): seed + i
    would be the first sample of the next seed.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,) if index else ()))


def check_length(length: int) -> None:
    """Raises CharrnnError for a length below 1."""
    if length < 1:
        raise CharrnnError(f"‹length={length}›: expected 1 or more characters")


def _generators(length: int, seed: int, samples: int) -> list[np.random.Generator]:
    """The random numbers of each sample. Raises CharrnnError for a length, a seed or a number out of bounds."""
    check_length(length)
    check_samples(samples)
    check_seed(seed)
    return [generator(seed, i) for i in range(samples)]


@dataclass(frozen=True)
class Sample:
    """A text that a model wrote. `str(sample)` is the text, and a notebook shows it."""

    text: str
    """The prompt and the characters after it."""
    log_prob: float
    """ln of the model's probability of the characters after the prompt (at temperature 1, without filters), and of the
    end of a document, if the model ended it."""
    seed: int
    """The seed that gives the same text again, as sample `index`."""
    index: int = 0
    """Which of the samples of this seed it is, from 0."""
    data: bytes | None = None
    """The bytes of a model of bytes, not all of which need be text; None from a model of characters."""
    constraint_bits: float | None = None
    """What a constraint cost, in bits per character: -log2 of the probability that the model gave to what was allowed.
    None without one."""
    fields: Mapping[str, str] | None = None
    """What stands in the heading, by the names of its fields; None where no heading was asked for."""
    rank: Rank | None = None
    """Why it is the best of several; None where there was no other."""

    def __str__(self) -> str:
        return self.text

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Shows the text in IPython and in notebooks, also within a list, with nothing that controls a terminal."""
        printer.text(printable(self.text))


class Piece(NamedTuple):
    """Some characters of a text that a model writes."""

    text: str
    log_prob: float
    """ln of their probability, as in `Sample`."""
    data: bytes
    """The bytes of a model of bytes; empty from a model of characters."""


class Sampler:
    """Writes with a model. Each sample has a random generator of its own, so that its text depends on the seed and on
    its place among the samples of that seed, and not on how many there are.

    NumPy draws the random numbers for all steppers. Two steppers write the same text unless rounding decides a draw. If
    log-probabilities agree to 1e-6, that happens in less than one of 500 texts of 500 characters (see `filters.draw`).
    """

    def __init__(self, model: Stepper, vocabulary: Vocabulary, filters: Filters, documents: bool) -> None:
        """With `documents` the model may end a text; otherwise it writes until the length is reached."""
        self.model, self.vocabulary = model, vocabulary
        self.filters, self.documents = filters, documents

    def sample(
        self,
        prompt: Sequence[int],
        length: int,
        seed: int,
        samples: int = 1,
        stop: str | None = None,
        shown: str | None = None,
    ) -> list[Sample]:
        """So many texts: the prompt and at most `length` characters. `stop` (kept) or the model may end each.

        The text begins with the prompt as it is `shown`, or else as its ids are decoded. Raises CharrnnError for a
        length, a seed or a number of samples out of bounds.
        """
        begin = Piece(self.vocabulary.decode(prompt) if shown is None else shown, 0.0, self.data(prompt))
        blocks = list(self.write(prompt, length, seed, samples, stop))
        written = []
        for i, text in enumerate(zip(*blocks, strict=True)):
            data = b"".join(piece.data for piece in (begin, *text)) if self.vocabulary.kind == "byte" else None
            whole = "".join(piece.text for piece in (begin, *text))
            written.append(Sample(whole, sum(piece.log_prob for piece in text), seed, i, data))
        return written

    def sample_within(
        self,
        constraint: Constraint,
        prompt: Sequence[int],
        length: int,
        seed: int,
        samples: int = 1,
        shown: str | None = None,
    ) -> list[Sample]:
        """`sample`, of texts that keep a constraint. Raises CharrnnError as `within.write` does too."""
        generators = _generators(length, seed, samples)
        try:
            kept = within.write(
                self.model, self.vocabulary, prompt, constraint, self.filters, generators, length, self.documents
            )
        except Unfit as unfit:
            raise unfit.told(self.vocabulary, prompt) from None
        begin = self.vocabulary.decode(prompt) if shown is None else shown
        heads = [0] * samples
        if isinstance(constraint, Headed):  # what a heading costs is no price of what is below it
            heads = [max(0, constraint.within([*prompt, *one.ids]) - len(prompt)) for one in kept]
        return [
            Sample(
                begin + self.vocabulary.decode(one.ids),
                one.log_prob,
                seed,
                i,
                self.data([*prompt, *one.ids]) if self.vocabulary.kind == "byte" else None,
                one.bits(head),
            )
            for i, (one, head) in enumerate(zip(kept, heads, strict=True))
        ]

    def data(self, ids: Sequence[int]) -> bytes:
        """The bytes of some ids; none for a model of characters."""
        return bytes(i for i in ids if i < self.vocabulary.unknown) if self.vocabulary.kind == "byte" else b""

    def write(
        self,
        prompt: Sequence[int],
        length: int,
        seed: int,
        samples: int = 1,
        stop: str | None = None,
        block: int = BLOCK,
    ) -> Iterator[list[Piece]]:
        """Yields, for at most `block` characters at a time, the new piece of each sample.

        The piece of a sample that has ended is empty.
        """
        generators = _generators(length, seed, samples)
        vocabulary = self.vocabulary
        never, pieces = never_drawn(vocabulary, self.documents), pieces_of(vocabulary)
        texts = [Text(vocabulary, pieces, stop) for _ in generators]
        recent = np.array([prompt[-MEMORY:]] * samples, np.int64).reshape(samples, -1)
        model = copy(self.model)  # so that two calls can be consumed in turns
        model.begin([vocabulary.boundary, *prompt], samples)
        filters = [self.filters] * samples
        block = max(1, min(block, NUMBERS // (samples * len(vocabulary))))
        now, written = FIRST, 0
        while written < length and any(text.running for text in texts):
            now = min(now, block, length - written)
            chosen, gained = model.write(now, generators, filters, never, recent)
            recent = np.concatenate([recent, chosen.T], axis=1)[:, -MEMORY:]
            written += now
            columns = zip(texts, chosen.T.tolist(), gained.T.tolist(), strict=True)
            yield [text.add(ids, log_probs, written == length) for text, ids, log_probs in columns]
            now *= 2


def never_drawn(vocabulary: Vocabulary, documents: bool) -> list[int]:
    """The ids that are not drawn: <unk>, and unless the texts are documents, their end."""
    return [vocabulary.unknown] if documents else [vocabulary.unknown, vocabulary.boundary]


def pieces_of(vocabulary: Vocabulary) -> list[str] | None:
    """The text of each id; None for bytes, whose text depends on other bytes."""
    return [*vocabulary.characters, "\ufffd", ""] if vocabulary.kind == "char" else None


class Text:
    """One text as it grows: decodes ids, and finds the end of the text."""

    def __init__(self, vocabulary: Vocabulary, pieces: list[str] | None, stop: str | None) -> None:
        """`pieces` are `pieces_of` the vocabulary. The text ends after `stop`."""
        self.running, self._pieces = True, pieces
        self.ended = False
        """Whether the model or `stop` ended it."""
        self._decoder: Decoder = vocabulary.decoder()
        self._boundary = vocabulary.boundary
        self._stop, self._tail = stop, ""

    def add(self, ids: list[int], log_probs: list[float], last: bool) -> Piece:
        """The piece of these ids up to the end of the text. `last` ends the text here."""
        if not self.running:
            return Piece("", 0.0, b"")
        if self._boundary in ids:
            ids, self.ended = ids[: ids.index(self._boundary) + 1], True
        decoded: list[str] = []
        for i in ids:  # a byte after the end is not decoded: it could be half a character
            decoded.append(self._pieces[i] if self._pieces else self._decoder.add(i))
            if self._stop:
                self._tail = (self._tail + decoded[-1])[-len(self._stop) - len(decoded[-1]) :]
                if self._stop in self._tail:
                    self.ended = True
                    break
        self.running = not self.ended and not last
        text = "".join(decoded) if self.running else "".join(decoded) + self._decoder.end()
        data = b"" if self._pieces else bytes(i for i in ids[: len(decoded)] if i < 256)
        return Piece(text, sum(log_probs[: len(decoded)]), data)
