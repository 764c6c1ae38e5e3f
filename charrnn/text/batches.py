"""Ids to batches: parallel streams of one long text, or documents side by side.

Both give `Batch`es for ever, epoch after epoch. `position` says where they are, so that a run can go on from any step.
The order depends only on the seed and the epoch. Several workers divide each batch by columns: all have the same
positions and epochs, and each reads only its own texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.files import Count, Record
from charrnn.text.dataset import Part

IGNORE = -100
"""The target of padding, for which no loss is counted (PyTorch's own convention)."""

ALL = slice(None)
"""The share of a single worker: every column."""

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Characters to read, and for each of them the next character, which is to be predicted."""

    inputs: Array
    """The ids to read, `[T, B]`."""
    targets: Array
    """The ids to predict, `[T, B]`; IGNORE where there is nothing to predict."""
    fresh: bool
    """Whether the texts begin here. Otherwise they go on where the last batch ended, with its state."""
    columns: int
    """The number of texts in the whole batch, of which this may be one worker's share."""
    characters: int
    """The number of predicted characters in the whole batch."""
    counted: npt.NDArray[np.bool_] | None = None
    """The columns whose characters are counted, `[B]`; the others are only read. None: all are counted."""
    before: Array | None = None
    """The ids `[K, B]` that stand before those of a fresh batch and are not read, -1 where there is none."""

    @property
    def lengths(self) -> Array:
        """The number of predicted characters of each column, `[B]`."""
        lengths = (self.targets != IGNORE).sum(axis=0)
        return lengths if self.counted is None else lengths * self.counted


class Position(Record):
    """A place in the endless sequence of batches."""

    epoch: Count = 0
    group: Count = 0
    """The number of the group of documents in this epoch; always 0 for streams."""
    offset: Count = 0
    """The number of characters of the current texts that have been read."""


class Batches(Protocol):
    """The source of batches for the trainer and the evaluation."""

    position: Position

    def next(self) -> Batch:
        """The batch at `position`, which then moves on."""
        ...

    @property
    def epochs(self) -> float:
        """The number of passes over the text so far."""
        ...


class Spliced:
    """The pieces of a stream, read as one text of places 0 to n - 1. They stay where they are, on the disk."""

    def __init__(self, part: Part) -> None:
        spans = part.spans[part.spans[:, 1] > part.spans[:, 0]]
        lengths = spans[:, 1] - spans[:, 0]
        self._ids = np.asarray(part.ids)
        self._length = int(lengths.sum())
        self._begins = lengths.cumsum() - lengths
        """The place at which each piece begins."""
        self._shifts = spans[:, 0] - self._begins

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, places: Array) -> npt.NDArray[np.integer[Any]]:
        """The ids at some places."""
        piece = np.searchsorted(self._begins, places, side="right") - 1
        return self._ids[places + self._shifts[piece]]

    def begins(self, places: Array) -> npt.NDArray[np.bool_]:
        """Whether a piece begins, for each of some places."""
        return np.isin(places, self._begins)


class StreamBatches:
    """One text, cut into `batch_size` streams of equal length that are read side by side, window by window.

    The state is carried from window to window, so that a network sees its stream from the beginning, although the
    gradient flows back only through one window. The last stream may be shorter; its end is padding.

    With a `deviation` the windows differ in length (AWD-LSTM, arXiv:1708.02182, section 5), so that they do not begin
    at the same characters in every epoch. One window in twenty has half of `window` as its mean length. None is longer
    than `window` + 2 × `deviation`. The length depends on the seed and the position.

    Where the text has a hole, because what stood there is held out, the next character is predicted from the boundary,
    so that nobody learns that it follows what stands before the hole.
    """

    def __init__(
        self,
        part: Part,
        batch_size: int,
        window: int,
        boundary: int,
        deviation: float = 0.0,
        seed: int = 0,
        share: slice = ALL,
    ) -> None:
        self._deviation, self._seed = deviation, seed
        self._share = share
        self._text = Spliced(part)
        self._window, self._boundary = window, boundary
        self._length = -(-len(self._text) // batch_size)
        self._starts = np.arange(batch_size) * self._length
        self._ends = np.minimum(self._starts + self._length, len(self._text))
        self.position = Position()

    @property
    def epochs(self) -> float:
        """The number of passes over the text so far."""
        return self.position.epoch + self.position.offset / self._length

    def next(self) -> Batch:
        """The next window of every stream."""
        place = self.position
        start, stop = place.offset, min(place.offset + self._window_at(place), self._length)
        batch = read(self._text, self._starts, self._ends, start, stop, self._boundary, closed=False, share=self._share)
        places = self._starts[self._share] + np.arange(start, stop)[:, None]
        batch.inputs[self._text.begins(places)] = self._boundary
        if stop == self._length:
            self.position = Position(epoch=place.epoch + 1)
        else:
            place.offset = stop
        return batch

    def _window_at(self, place: Position) -> int:
        if not self._deviation:
            return self._window
        rng = np.random.default_rng([self._seed, place.epoch, place.offset])
        mean = self._window if rng.random() < 0.95 else self._window / 2
        longest = self._window + 2 * self._deviation
        return max(1, round(min(rng.normal(mean, self._deviation), longest)))


class DocumentBatches:
    """Documents of similar length side by side, each between boundaries and from a fresh state.

    A document longer than a window is read in several windows, with the state carried along. Padding has the target
    IGNORE.
    """

    POOL = 50
    """Number of groups whose documents are sorted by length together: enough for little padding, and few enough that
    every epoch puts other documents side by side."""

    def __init__(self, part: Part, batch_size: int, window: int, boundary: int, seed: int, share: slice = ALL) -> None:
        if part.documents is None:
            raise ValueError("documents were expected")
        self._share = share
        self._ids, self._documents = np.asarray(part.ids), part.documents
        self._batch_size, self._window = batch_size, window
        self._boundary, self._seed = boundary, seed
        self.position = Position()
        self._groups_of: int | None = None
        self._groups: list[Array] = []

    @property
    def epochs(self) -> float:
        """The number of passes over the text so far."""
        return self.position.epoch + self.position.group / -(-len(self._documents) // self._batch_size)

    def next(self) -> Batch:
        """The next window of the current group of documents."""
        place = self.position
        if self._groups_of != place.epoch:
            self._groups, self._groups_of = self._deal(place.epoch), place.epoch
        group = self._documents[self._groups[place.group]]
        longest = int((group[:, 1] - group[:, 0]).max()) + 1  # with the end, which is predicted too
        start, stop = place.offset, min(place.offset + self._window, longest)
        begins, ends = group[:, 0], group[:, 1]
        batch = read(self._ids, begins, ends, start, stop, self._boundary, closed=True, share=self._share)
        if stop < longest:
            place.offset = stop
        elif place.group + 1 < len(self._groups):
            self.position = Position(epoch=place.epoch, group=place.group + 1)
        else:
            self.position = Position(epoch=place.epoch + 1)
        return batch

    def _deal(self, epoch: int) -> list[Array]:
        """The groups of an epoch, as indices of documents: documents of similar length together, groups shuffled."""
        lengths = self._documents[:, 1] - self._documents[:, 0]
        size = self._batch_size
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(lengths))
        groups = []
        for i in range(0, len(order), size * self.POOL):
            pool = order[i : i + size * self.POOL]
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            groups += [pool[j : j + size] for j in range(0, len(pool), size)]
        return [groups[i] for i in rng.permutation(len(groups))]


def once(
    part: Part,
    spans: Array,
    batch_size: int,
    windows: tuple[int, int],
    boundary: int,
    run_up: int = 0,
    before: int = 0,
) -> Iterator[Batch]:
    """One reading of some `spans` `[S, 2]` of a part, `batch_size` of them side by side, in their order.

    Documents are read from boundary to boundary. A span of a stream is read after its run-up: up to `run_up` characters
    that stand before it in the text, whichever part they belong to. They are read and not counted. Where the text
    begins, the run-up does. The `before` characters that stand before that are told and not read. `windows` are the
    numbers of characters of a batch in a run-up, and where some are counted.
    """
    ids, closed = np.asarray(part.ids), part.documents is not None
    for i in range(0, len(spans), batch_size):
        begins, ends = spans[i : i + batch_size].T
        past = np.zeros_like(begins) if closed else np.minimum(begins, run_up)
        longest, stop = int((past + ends - begins).max()) + closed, 0
        while stop < longest:
            start, counted = stop, past <= stop
            stop = min(start + windows[int(counted.any())], longest, *past[~counted])
            batch = read(ids, begins - past, ends, start, stop, boundary, closed)
            told = None
            if start == 0 and not closed:
                place = begins - past - np.arange(before, 0, -1)[:, None]
                told = np.where(place < 0, -1, ids[place.clip(0)].astype(np.int64))
            yield replace(batch, characters=int(batch.lengths[counted].sum()), counted=counted, before=told)


def blocks(part: Part, block: int, batch_size: int, boundary: int) -> Iterator[Batch]:
    """The batches of a text in blocks of `block` characters, each from a fresh state. A last block may be shorter.

    The first input of a block is the character before it, and that of a piece the boundary. Raises ValueError for
    documents.
    """
    if part.documents is not None:
        raise ValueError("a stream was expected")
    own = [np.arange(start, end, block) for start, end in part.spans]
    starts = np.concatenate([np.zeros(0, np.int64), *own])
    ends = np.minimum(starts + block, np.repeat(part.spans[:, 1], [len(one) for one in own]))
    first = np.isin(starts, part.spans[:, 0])
    ids = np.asarray(part.ids)
    for i in range(0, len(starts), batch_size):
        begin = starts[i : i + batch_size]
        batch = read(ids, begin, ends[i : i + batch_size], 0, block, boundary, closed=False)
        batch.inputs[0] = np.where(first[i : i + batch_size], boundary, ids[begin - 1])
        yield batch


def read(
    ids: npt.NDArray[np.integer[Any]] | Spliced,
    begins: Array,
    ends: Array,
    start: int,
    stop: int,
    boundary: int,
    closed: bool,
    share: slice = ALL,
) -> Batch:
    """The window from `start` to `stop` of the texts that lie from `begins` to `ends` in `ids`, as a batch.

    A text is read as the boundary, its characters, and if `closed` the boundary again. Character t is predicted from
    t-1, the first one from the boundary. Only the window is read from `ids`, which may be on the disk.
    """
    columns, characters = len(begins), int(np.clip(ends - begins + closed - start, 0, stop - start).sum())
    begins, ends = begins[share], ends[share]
    place = begins + np.arange(start - 1, stop)[:, None]
    text = ids[place.clip(0, len(ids) - 1)].astype(np.int64)
    text[place >= ends] = IGNORE
    if closed:
        text[place == ends] = boundary
    if start == 0:
        text[0] = boundary
    inputs = text[:-1]
    return Batch(np.where(inputs == IGNORE, boundary, inputs), text[1:], start == 0, columns, characters)


def training_batches(
    part: Part,
    batch_size: int,
    window: int,
    boundary: int,
    seed: int,
    deviation: float = 0.0,
    share: slice = ALL,
) -> Batches:
    """The batches to train on, of a size that is `fitting`."""
    if part.documents is not None:
        return DocumentBatches(part, batch_size, window, boundary, seed, share)
    return StreamBatches(part, batch_size, window, boundary, deviation, seed, share)


def fitting(part: Part, batch_size: int, window: int, workers: int = 1) -> tuple[int, int]:
    """The batch size and the window, brought down to what a small text fills: the batch size first.

    The batch size stays a multiple of the `workers`, who divide it. Raises CharrnnError where a worker would get
    nothing.
    """
    documents = part.documents is not None
    most = len(part.spans) if documents else part.characters // window
    if documents or most >= workers:
        batch_size = min(batch_size, most // workers * workers)
    else:
        batch_size, window = workers, part.characters // workers
    if not batch_size or not window:
        what = "documents" if documents else "characters"
        raise CharrnnError(
            f"the training part has {most if documents else part.characters} {what}, too few to learn from with "
            f"{workers} worker{'s' * (workers != 1)}; give more text or another corpus.split"
        )
    return batch_size, window
