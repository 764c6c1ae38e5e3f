"""Ids to batches: parallel streams of one long text, or documents side by side.

Both give `Batch`es for ever, epoch after epoch. `position` says where they are, so that a run can go on from any step.
The order depends only on the seed and the epoch. Several workers divide each batch by columns: all have the same
positions and epochs, and each reads only its own texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


def once(batches: Batches) -> Iterator[Batch]:
    """The batches of one pass over the text."""
    while batches.position.epoch == 0:
        yield batches.next()


class StreamBatches:
    """One text, cut into `batch_size` streams of equal length that are read side by side, window by window.

    The state is carried from window to window, so that a network sees its stream from the beginning, although the
    gradient flows back only through one window. The last stream may be shorter; its end is padding.

    With a `deviation` the windows differ in length (AWD-LSTM, arXiv:1708.02182, section 5), so that they do not begin
    at the same characters in every epoch. One window in twenty has half of `window` as its mean length. None is longer
    than `window` + 2 × `deviation`. The length depends on the seed and the position.
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
        self._ids = part.ids
        self._window, self._boundary = window, boundary
        self._length = -(-len(part.ids) // batch_size)
        self._starts = np.arange(batch_size) * self._length
        self._ends = np.minimum(self._starts + self._length, len(part.ids))
        self.position = Position()

    @property
    def epochs(self) -> float:
        """The number of passes over the text so far."""
        return self.position.epoch + self.position.offset / self._length

    def next(self) -> Batch:
        """The next window of every stream."""
        place = self.position
        start, stop = place.offset, min(place.offset + self._window_at(place), self._length)
        batch = _read(self._ids, self._starts, self._ends, start, stop, self._boundary, closed=False, share=self._share)
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

    def __init__(
        self, part: Part, batch_size: int, window: int, boundary: int, seed: int | None, share: slice = ALL
    ) -> None:
        """The batches of a part. With `seed` None documents are read in the order of their length, for evaluation."""
        if part.documents is None:
            raise ValueError("documents were expected")
        self._share = share
        self._ids, self._documents = part.ids, part.documents
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
        batch = _read(self._ids, begins, ends, start, stop, self._boundary, closed=True, share=self._share)
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
        if self._seed is None:
            order = np.argsort(lengths, kind="stable")
            return [order[i : i + size] for i in range(0, len(order), size)]
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(lengths))
        groups = []
        for i in range(0, len(order), size * self.POOL):
            pool = order[i : i + size * self.POOL]
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            groups += [pool[j : j + size] for j in range(0, len(pool), size)]
        return [groups[i] for i in rng.permutation(len(groups))]


def blocks(part: Part, block: int, batch_size: int, boundary: int) -> Iterator[Batch]:
    """The batches of a text in blocks of `block` characters, each from a fresh state. The last block may be shorter.

    The first input of a block is the character before it. Raises ValueError for documents.
    """
    if part.documents is not None:
        raise ValueError("a stream was expected")
    starts = np.arange(0, len(part.ids), block)
    for i in range(0, len(starts), batch_size):
        own = starts[i : i + batch_size]
        ends = np.minimum(own + block, len(part.ids))
        batch = _read(part.ids, own, ends, 0, block, boundary, closed=False)
        batch.inputs[0] = np.where(own > 0, part.ids[own - 1], boundary)
        yield batch


def _read(
    ids: npt.NDArray[np.integer[Any]],
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
    text = np.asarray(ids)[place.clip(0, len(ids) - 1)].astype(np.int64)
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
    """The batches to train on. Raises CharrnnError, with the numbers that would fit, if the text is too short."""
    if part.documents is not None:
        if len(part.documents) < batch_size:
            count = len(part.documents)
            remedy = f"the largest batch_size is {count}" if count else "give more text or another corpus.split"
            raise CharrnnError(
                f"the training part has {count} documents, and training.batch_size is {batch_size}; {remedy}"
            )
        return DocumentBatches(part, batch_size, window, boundary, seed, share)
    characters = len(part.ids)
    if characters < batch_size * window:
        fits = (
            f"the largest batch_size for this window is {characters // window}"
            if characters >= window
            else "no batch_size fits this window"
        )
        largest = (
            f"the largest window for this batch_size is {characters // batch_size}"
            if characters >= batch_size
            else "no window fits this batch_size"
        )
        raise CharrnnError(
            f"the training part has {characters:,} characters, and one batch needs training.batch_size {batch_size} × "
            f"training.window {window} = {batch_size * window:,}; {fits}; {largest}; or give a longer text"
        )
    return StreamBatches(part, batch_size, window, boundary, deviation, seed, share)
