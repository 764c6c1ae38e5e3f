"""How much of a text stands in the text that a model has learnt from, and where: what is copied, and what is new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.config import CorpusConfig
from charrnn.text.dataset import Dataset
from charrnn.text.reader import Report
from charrnn.text.suffixes import LONGEST, Suffixes, suffixes_of

RUNS = (4, 6, 8, 10)
"""Of each of these lengths it is told how much of a text stands in runs of so many characters or more."""
SHOWN = 5
"""The most runs of a text that are named, the longest ones. None overlaps another."""
HELD_OUT = 100_000
"""The characters of the held-out part that are looked up, spread over it."""
PASSAGE = 1_000
"""The characters of a passage of the held-out part, where that is no documents."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """Where something stands in a corpus."""

    line: int
    """The line, from 1: of its document, or of its file where the corpus is one long text."""
    document: int | None = None
    """The number of the document in the order of the corpus, from 1."""
    file: int | None = None
    """The number of the file, from 1, where one long text comes from several."""

    def __str__(self) -> str:
        """In words."""
        of = "" if self.document is None else f"document {self.document:,}, "
        return f"{of}{'' if self.file is None else f'file {self.file}, '}line {self.line:,}"


@dataclass(frozen=True)
class Copied:
    """A run of characters that a text shares with what its model has learnt from."""

    start: int
    """Its place in the text, counted in the characters that the model reads, from 0."""
    length: int
    text: str
    times: int
    """How often it stands in the training part; of a run of more than LONGEST characters, how often its beginning."""
    place: Place
    """Where it stands there first."""


@dataclass(frozen=True)
class Novelty:
    """What a text shares with the training part of its model's corpus."""

    characters: int
    """Those of the text that count, in the model's alphabet (bytes for a model of bytes)."""
    copied: dict[int, int]
    """For each length that was asked for how many of them stand in runs of at least so many characters."""
    longest: list[Copied]
    """The longest runs, the longest first; up to SHOWN."""
    depths: Ints = field(repr=False, compare=False)
    """The length of the longest shared run in which each character of the text stands, `[M]`; 0 where it is new."""

    @property
    def share(self) -> dict[int, float]:
        """For each such length the share of the characters that stand in runs of at least so many, 0 to 1."""
        return {length: count / max(1, self.characters) for length, count in self.copied.items()}


class Learnt:
    """The training part of a corpus, in which runs of characters are looked up. The held-out part is not in it.

    A run does not go on from one document to the next, nor over a held-out piece, nor over characters that became
    <unk>, which may be different ones.
    """

    def __init__(self, dataset: Dataset, corpus: CorpusConfig, progress: Report = lambda _: None) -> None:
        """Opens the index, or builds it, and tells `progress` the characters done. Raises CharrnnError for that."""
        self.dataset, self._corpus, self.vocabulary = dataset, corpus, dataset.vocabulary
        part = dataset.part("train", corpus)
        self.suffixes: Suffixes = suffixes_of(part, dataset.vocabulary, dataset.fingerprint, progress)

    def novelty(
        self, ids: Any, given: int = 0, runs: Sequence[int] = RUNS, progress: Report = lambda _: None
    ) -> Novelty:
        """What a text of some ids `[M]` shares with the training part, in runs of these lengths.

        Its first `given` characters do not count, such as those of a prompt; runs that begin in them and go on do.
        """
        ids = np.asarray(ids, np.int64)
        shared = runs_of(self.suffixes.lengths(ids, progress))
        shared = shared[np.argsort(shared[:, 0] - shared[:, 1], kind="stable")]
        depths = np.zeros(len(ids), np.int64)
        for begin, end in shared[::-1].tolist():  # longer ones later
            depths[begin:end] = end - begin
        copied = {length: int((depths[given:] >= length).sum()) for length in runs}
        longest = [self._copied(ids, *run) for run in _apart(shared, given, min(runs))]
        return Novelty(max(0, len(ids) - given), copied, longest, depths)

    def held_out(self, runs: Sequence[int] = RUNS) -> Novelty | None:
        """What texts of the corpus that people wrote, and no model learnt from, share with it: about
        HELD_OUT characters of the held-out parts. None where nothing is held out.
        """
        parts = [self.dataset.part(name, self._corpus) for name in ("val", "test")]
        texts = [ids for part in parts for ids in _passages(part.ids, part.spans, part.documents is None)]
        every = max(1, -(-sum(map(len, texts)) // HELD_OUT))
        texts = texts[::every]
        if not texts:
            return None
        together = np.concatenate([np.append(ids, self.vocabulary.unknown) for ids in texts])
        return replace(self.novelty(together, runs=runs), characters=len(together) - len(texts))

    def _copied(self, ids: Ints, begin: int, end: int) -> Copied:
        run = ids[begin:end].tolist()
        found = self.suffixes.find(run[:LONGEST])
        assert found is not None
        return Copied(begin, end - begin, self.vocabulary.decode(run), found.times, self._place(found.first))

    def _place(self, at: int) -> Place:
        """Where an id stands in the corpus."""
        begin, document, file = 0, None, None
        if (starts := self.dataset.starts) is not None:
            document = int(np.searchsorted(starts, at, side="right"))
            begin = int(starts[document - 1])
        elif (files := self.dataset.files) is not None and len(files) > 2:
            file = int(np.searchsorted(files, at, side="right"))
            begin = int(files[file - 1])
        newline = self.vocabulary.encode("\n")[0] if "\n" in self.vocabulary else -1
        return Place(int((self.dataset.ids[begin:at] == newline).sum()) + 1, document, file)


def runs_of(lengths: Ints) -> Ints:
    """The begin and the end of every shared run that no other one contains, `[R, 2]`, in the order of the text.

    `lengths` are those of `Suffixes.lengths`. Runs of LONGEST, each one character after the other, are one.
    """
    ends = np.arange(len(lengths)) + lengths
    begins = np.flatnonzero((ends > np.append(0, ends[:-1])) & (lengths > 0))
    long = lengths[begins] == LONGEST
    goes_on = long[1:] & long[:-1] & (np.diff(begins) == 1)
    first, last = np.append(True, ~goes_on), np.append(~goes_on, True)
    if not len(begins):
        return np.zeros((0, 2), np.int64)
    return np.stack([begins[first], ends[begins[last]]], axis=1)


def _apart(runs: Ints, given: int, least: int) -> Iterable[tuple[int, int]]:
    """Up to SHOWN runs of those given, the longest first, that count and do not overlap one before them."""
    chosen: list[tuple[int, int]] = []
    for begin, end in runs.tolist():
        if end - begin < least or len(chosen) == SHOWN:
            break
        if end > given and all(end <= other or begin >= last for other, last in chosen):
            chosen.append((begin, end))
    return chosen


def _passages(ids: npt.NDArray[Any], spans: npt.NDArray[Any], cut: bool) -> Sequence[npt.NDArray[Any]]:
    """The texts of a part: its documents, or pieces that are `cut` into passages."""
    edges = [
        (start, min(start + PASSAGE, end) if cut else end)
        for begin, end in spans.tolist()
        for start in (range(begin, end, PASSAGE) if cut else [begin])
    ]
    return [ids[begin:end] for begin, end in edges]
