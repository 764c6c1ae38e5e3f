"""Documents that share long runs of characters: which ones they are, and how they are dealt to the parts of a corpus.

A poem that is there twice, with one line changed, must not be learnt from and then be predicted. Documents that share a
run are linked, and those that links join are a group. A group is dealt as one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.config import CorpusConfig
from charrnn.terminal import warn
from charrnn.text.entries import is_whole, put
from charrnn.text.forms import is_ideograph
from charrnn.text.vocab import Vocabulary

CHUNK = 2**19
"""The characters that are looked at at a time."""
COMPARED = 2**22
"""The characters whose runs are compared at a time."""
MOST = 2**25
"""The most characters of a corpus whose documents are compared: a minute."""
GIANT = 0.1
"""A group of more than this fraction of the documents is learnt from, since a held-out part could not hold it."""

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

NEITHER, LETTER, ALONE = 0, 1, 2
"""What an id counts for: nothing; a part of a word, which counts; or by itself, as an ideograph does."""


@dataclass(frozen=True)
class Groups:
    """The group of each of D documents, `[D]`: the number of its first document."""

    of: Ints

    @property
    def sizes(self) -> Ints:
        """The number of documents in the group of each document, `[D]`."""
        return np.bincount(self.of, minlength=len(self.of))[self.of]

    @property
    def shared(self) -> int:
        """The number of documents that share a run with another."""
        return int((self.sizes > 1).sum())

    @property
    def giants(self) -> npt.NDArray[np.bool_]:
        """Whether each document, `[D]`, is in a group that no held-out part could hold."""
        return self.sizes > max(1.0, GIANT * len(self.of))

    def are_too_large(self, split: Sequence[float]) -> bool:
        """Whether the training part could not hold all giants. Every document is then dealt by itself."""
        return int(self.giants.sum()) > split[0] * len(self.of)

    def told(self, corpus: CorpusConfig, unit: str) -> str:
        """What a user should know of the groups: a line, or nothing where nothing is shared, or held out.

        A shared run has `corpus.shared_run` of the `unit` (see `unit_of`).
        """
        fractions = corpus.fractions
        if not self.shared or not any(fractions[1:]):
            return ""
        told = f"{self.shared:,} of {len(self.of):,} documents share {corpus.shared_run} {unit} with another"
        if self.are_too_large(fractions):
            return f"{told}; that is too many to keep together, and each document is dealt by itself"
        shares = self.sizes > 1
        learnt, *held_out = (int(shares[part].sum()) for part in deal(self, fractions))
        return f"{told}; those that share stay together: {learnt:,} to learn from, {sum(held_out):,} held out"


def deal(groups: Groups, split: Sequence[float]) -> list[Ints]:
    """The numbers of the documents of each part, shuffled, in the same way for every model and seed.

    Collections are sorted by author or age, so documents are shuffled. The groups of several documents are dealt first,
    each to the part in whose share of them its middle lies; single documents then fill the parts up. A group larger
    than GIANT goes to the training part, unless it is larger than that. In each part the single documents come last:
    whoever sets some of a part aside takes them from its end, and what is left then shares no run with them.
    """
    total = len(groups.of)
    order = np.random.default_rng(0).permutation(total)
    edges = [round(total * fraction) for fraction in (0.0, split[0], split[0] + split[1], 1.0)]
    wanted, size = np.diff(edges), groups.sizes
    together = order[size[order] > 1]
    if not len(together) or groups.are_too_large(split):
        return [order[a:b] for a, b in pairwise(edges)]
    parts = np.where(groups.giants, 0, -1)
    dealt = together[parts[together] < 0]
    _, first = np.unique(groups.of[dealt], return_index=True)
    firsts = dealt[np.sort(first)]  # a document of each group, in the shuffled order
    middles = size[firsts].cumsum() - size[firsts] / 2
    share = np.array([split[0], split[0] + split[1]]) * size[firsts].sum()
    of_group = np.full(total, -1)
    of_group[groups.of[firsts]] = np.searchsorted(share, middles)
    parts[dealt] = of_group[groups.of[dealt]]
    missing = np.maximum(wanted - np.bincount(parts[parts >= 0], minlength=3), 0)
    singles = order[size[order] == 1]
    bounds = (missing.cumsum() * len(singles) / max(1, missing.sum())).round()
    parts[singles] = np.searchsorted(bounds, np.arange(len(singles)), side="right").clip(0, 2)
    order = np.concatenate([order[size[order] > 1], order[size[order] == 1]])
    return [order[parts[order] == part] for part in range(3)]


def groups_of(
    ids: npt.NDArray[Any], starts: npt.NDArray[Any], vocabulary: Vocabulary, run: int | None, folder: Path | None
) -> Groups:
    """The groups of the documents with edges `starts` `[D + 1]` that share a `run`. They are kept in `folder`."""
    total = len(starts) - 1
    alone = Groups(np.arange(total))
    if run is None or vocabulary.kind == "byte":
        return alone
    file = None if folder is None else folder / f"groups-{run}.bin"
    if file is not None and is_whole(file):
        return Groups(np.fromfile(file, np.int64))
    if int(starts[-1]) > MOST:
        warn(f"a corpus of more than {MOST:,} characters: its documents are not compared, and each is dealt by itself")
        return alone
    groups = find_groups(ids, np.asarray(starts), kinds_of(vocabulary), run)
    if file is not None:
        try:
            with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as out:
                groups.of.tofile(out)
            put(Path(out.name), file)
        except OSError:
            pass  # they are found again the next time
    return groups


def kinds_of(vocabulary: Vocabulary) -> npt.NDArray[np.int8]:
    """NEITHER, LETTER or ALONE for each id. Chinese and Japanese have no spaces between words: a character counts."""

    def kind(c: str) -> int:
        if not c.isalnum():
            return NEITHER
        return LETTER if c < "\u2e80" or "\uac00" <= c <= "\ud7a3" else ALONE  # Korean has spaces

    return np.array([*map(kind, vocabulary.characters), NEITHER, NEITHER], np.int8)


def unit_of(vocabulary: Vocabulary) -> str:
    """What a run is counted in, in words, for texts of an alphabet."""
    kinds = kinds_of(vocabulary)
    alone = [c for c, kind in zip(vocabulary.characters, kinds, strict=False) if kind == ALONE]
    units = []
    if alone:
        units.append("ideographs" if all(map(is_ideograph, alone)) else "characters other than punctuation")
    if LETTER in kinds or not alone:
        units.append("words")
    return f"{' or '.join(units)} in a row"


def find_groups(ids: npt.NDArray[Any], starts: Ints, kinds: npt.NDArray[np.int8], run: int) -> Groups:
    """The groups of documents that share `run` tokens, words or ideographs, one after the other.

    Every run becomes a hash of 64 bits. Equal ones are neighbours when they are sorted. So that memory is bounded, as
    many passes over the text are made as it has COMPARED characters, and each compares only the runs whose hashes are
    its own.
    """
    group = np.arange(len(starts) - 1)
    passes = -(-int(starts[-1]) // COMPARED)
    for turn in range(passes):
        found = [(h[mine], d[mine]) for h, d in _runs(ids, starts, kinds, run) for mine in [h % passes == turn]]
        hashes, documents = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.argsort(hashes)
        hashes, documents = hashes[order], documents[order]
        same = (hashes[1:] == hashes[:-1]) & (documents[1:] != documents[:-1])
        group = _joined(group, documents[:-1][same], documents[1:][same])
    return Groups(group)


def _joined(group: Ints, a: Ints, b: Ints) -> Ints:
    """The groups after documents `a` and `b` are linked. Each link hands the lower number on, until nothing changes."""
    while True:
        low = np.minimum(group[a], group[b])
        joined = group.copy()
        np.minimum.at(joined, group[a], low)
        np.minimum.at(joined, group[b], low)
        joined = joined[joined[group]]
        if (joined == group).all():
            return group
        group = joined


def _runs(ids: npt.NDArray[Any], starts: Ints, kinds: npt.NDArray[np.int8], run: int) -> Iterator[tuple[Hashes, Ints]]:
    """The hashes of all runs of `run` tokens within a document, and the number of the document, chunk by chunk."""
    first = 0
    while first < len(starts) - 1:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + CHUNK, side="right")) - 1)
        text = np.asarray(ids[starts[first] : starts[last]])
        document = np.repeat(np.arange(first, last), np.diff(starts[first : last + 1]))
        tokens, of = _tokens(text, document, kinds)
        hashes = np.zeros(max(0, len(tokens) - run + 1), np.uint64)
        for i in range(run if len(hashes) else 0):
            hashes *= BASE
            hashes += tokens[i : len(tokens) - run + 1 + i]
        within = of[run - 1 :] == of[: len(hashes)]
        yield hashes[within], of[: len(hashes)][within]
        first = last


def _tokens(text: npt.NDArray[Any], document: Ints, kinds: npt.NDArray[np.int8]) -> tuple[Hashes, Ints]:
    """The hashes of the words and ideographs of some documents, and the document of each."""
    kind = kinds[text]
    begins = kind != NEITHER
    begins[1:] &= (kind[1:] == ALONE) | (kind[1:] != kind[:-1]) | (document[1:] != document[:-1])
    places = np.flatnonzero(begins)
    if not len(places):
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    token = begins.cumsum() - 1
    depth = np.arange(len(text)) - places[token.clip(0)]
    letters = _mixed(text.astype(np.uint64) + (depth.astype(np.uint64) << np.uint64(32)))
    letters[kind == NEITHER] = 0
    return np.add.reduceat(letters, places), document[places]


BASE = np.uint64(0xD1342543DE82EF95)
"""Of the polynomial, modulo 2^64, that is the hash of a run of tokens."""


def _mixed(values: Hashes) -> Hashes:
    """A bijection of 64 bits in which every bit depends on all (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
