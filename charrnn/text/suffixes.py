"""An exact index of a part of a corpus: whether, how often and where any run of characters stands in it.

It is a suffix array: the places of a text in the order of what follows them, so that all places at which a run stands
are neighbours, and a binary search finds them. It is built once, kept in the user's cache, and memory-mapped.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from charrnn.cache import cache_folder
from charrnn.errors import CharrnnError
from charrnn.text.dataset import Part
from charrnn.text.entries import is_whole, put, sweep
from charrnn.text.reader import Report
from charrnn.text.vocab import Vocabulary

FORMAT = 1
"""A part of every key of the cache. Another layout of the file has another number."""
BLOCK = 2**26
"""The most bytes of text that are sorted at a time. Sorting takes some nine times as much memory."""
LONGEST = 4096
"""No run is followed further than so many characters: what a block is sorted by."""
CHUNK = 2**20
"""The characters that are copied, or searched for, at a time."""
WINDOW, WORD = 32, 8
"""The bytes that are compared for many places at once, a word of so many bytes after the other."""
SEARCHED = 2**14
"""The places of a text that are searched for at a time."""

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """Where a run stands in a part."""

    times: int
    """How often."""
    first: int
    """The id of the corpus at which it first begins."""


class Suffixes:
    """The index of a part of a corpus.

    The spans of the part stand in it one after the other, each followed by a mark that no text has. That mark is <unk>,
    which is no certain character, and so no run goes on over either.
    """

    def __init__(self, part: Part, vocabulary: Vocabulary, file: Path) -> None:
        """Opens the index of a part that `build` has written. Raises CharrnnError where it has another size."""
        layout = _Layout(part, vocabulary)
        self._layout, self._mark, self._width = layout, vocabulary.unknown, layout.width
        if file.stat().st_size != layout.bytes:
            raise CharrnnError(f"{file}: has another size than it should have; `charrnn cache clear` removes it")
        self._sorted = np.memmap(file, np.int32, "r", shape=(layout.size,))
        self._text = np.memmap(file, np.uint8, "r", offset=4 * layout.size, shape=(layout.width * layout.padded,))
        self._words = _words(self._text, layout.width)
        self._windows = np.lib.stride_tricks.sliding_window_view(self._text, WINDOW)

    @property
    def _blocks(self) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
        """Where each block begins, and its places in order, counted from there."""
        for begin, end in self._layout.blocks:
            yield begin, self._sorted[begin:end]

    # Runs of one text

    def find(self, run: Sequence[int]) -> Found | None:
        """Where a run of 1 to LONGEST ids stands in the part; None if it does not."""
        times, first = 0, self._layout.size
        for begin, places in self._bounds(run):
            times += len(places)
            first = min([first, *([begin + int(places.min())] if len(places) else [])])
        return Found(times, self._layout.origin(first)) if times else None

    def after(self, run: Sequence[int]) -> Ints:
        """The ids that follow a run somewhere in the part."""
        size = self._mark + 1
        seen = np.zeros(size, np.bool_)
        text = self._text.view(self._layout.dtype)
        for begin, places in self._bounds(run):
            for i in range(0, len(places), CHUNK):
                seen[text[places[i : i + CHUNK].astype(np.int64) + (begin + len(run))]] = True
        seen[self._mark] = False
        return np.flatnonzero(seen)

    def _bounds(self, run: Sequence[int]) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
        """Of each block its begin, and the places from there at which a run stands."""
        ids = np.asarray(run, np.int64)
        if not len(ids) or len(ids) > LONGEST or (ids >= self._mark).any():
            return
        pattern = ids.astype(self._layout.dtype).tobytes()
        for begin, places in self._blocks:
            low = self._lower(begin, places, pattern)
            yield begin, places[low : self._lower(begin, places, pattern, low, past=True)]

    def _lower(self, begin: int, places: Array, pattern: bytes, low: int = 0, past: bool = False) -> int:
        """The first of the places from which the text is not below a pattern; with `past`, is above it."""
        high, size = len(places), len(pattern)
        while low < high:
            middle = (low + high) // 2
            own = self._bytes(begin + int(places[middle]), size)
            if own < pattern or (past and own == pattern):
                low = middle + 1
            else:
                high = middle
        return low

    def _bytes(self, place: int, size: int) -> bytes:
        return self._text[place * self._width : place * self._width + size].tobytes()

    # The runs at all places of a text

    def lengths(self, ids: Array, progress: Report = lambda _: None) -> Ints:
        """The length of the longest run that begins at each place of a text `[M]` and stands in the part, `[M]`.

        Of a run of more than LONGEST characters that number is given. `progress` is told the characters done.
        """
        ids = np.minimum(np.asarray(ids, np.int64), self._mark)
        padded = np.full(len(ids) + LONGEST, self._mark, self._layout.dtype)
        padded[: len(ids)] = ids
        text = padded.view(np.uint8)
        room = _room(ids, self._mark)
        lengths = np.zeros(len(ids), np.int64)
        for start in range(0, len(ids), SEARCHED):
            at = np.arange(start, min(len(ids), start + SEARCHED))
            for begin, places in self._blocks:
                lengths[at] = np.maximum(lengths[at], self._near(text, at, begin, places))
            progress(len(at))
        lengths = np.minimum(lengths, room)
        self._lengthen(text, lengths, room)
        return lengths

    def _near(self, text: Array, at: Ints, begin: int, places: Array) -> Ints:
        """The longest runs at some places of a text, as far as a window goes. They are those of the neighbours in
        order.
        """
        words, windows = _words(text, self._width), np.lib.stride_tricks.sliding_window_view(text, WINDOW)
        low, high = np.zeros(len(at), np.int64), np.full(len(at), len(places))
        while len(open_ := np.flatnonzero(low < high)):
            middle = (low[open_] + high[open_]) // 2
            below = self._below(places[middle].astype(np.int64) + begin, words, at[open_])
            low[open_[below]] = middle[below] + 1
            high[open_[~below]] = middle[~below]
        own, longest = windows[at * self._width], np.zeros(len(at), np.int64)
        for neighbour in (low - 1, low):
            there = (neighbour >= 0) & (neighbour < len(places))
            place = places[neighbour.clip(0, len(places) - 1)].astype(np.int64) + begin
            same = self._windows[place * self._width] == own
            common = np.where(same.all(axis=1), WINDOW, same.argmin(axis=1)) // self._width
            longest = np.maximum(longest, np.where(there, common, 0))
        return longest

    def _below(self, place: Ints, words: Array, at: Ints) -> npt.NDArray[np.bool_]:
        """Whether the part from each place is below a text from each of its own, as far as a window goes."""
        below, open_ = np.zeros(len(place), np.bool_), np.arange(len(place))
        step = WORD // self._width
        for _ in range(WINDOW // WORD):
            mine, own = self._words[place], words[at]
            below[open_] = mine < own
            same = mine == own
            if not same.any():
                break
            open_, place, at = open_[same], place[same] + step, at[same] + step
        return below

    def _lengthen(self, text: Array, lengths: Ints, room: Ints) -> None:
        """Completes the lengths of runs that fill a window.

        The end of the longest run from a place never lies before that from the place before it. So all places up to the
        first one from which a run goes on beyond that end share it, and a binary search finds that place.
        """
        window, data = WINDOW // self._width, text.tobytes()
        long = np.flatnonzero(lengths >= window)
        at = 0

        def run(start: int, end: int) -> bytes:
            return data[start * self._width : end * self._width]

        while at < len(long):
            i = int(long[at])
            length, place = self._longest(run(i, i + min(LONGEST, int(room[i]))))
            end = i + length
            if length == LONGEST:
                past = self._follow(text, end, place + length, int(room[i]) - length) - length
                lengths[i : past + 1] = LONGEST
            else:
                low, past = i + 1, end + 1 - window
                while low < past and length < room[i]:
                    middle = (low + past) // 2
                    if self._stands(run(middle, end + 1)):
                        past = middle
                    else:
                        low = middle + 1
                past -= 1
                lengths[i : past + 1] = end - np.arange(i, past + 1)
            at = int(np.searchsorted(long, past + 1))

    def _longest(self, pattern: bytes) -> tuple[int, int]:
        """The length of the longest beginning of a pattern that stands in the part, and a place of it."""
        best = (0, 0)
        for begin, places in self._blocks:
            low = self._lower(begin, places, pattern)
            for neighbour in places[max(0, low - 1) : low + 1].tolist():
                own = self._bytes(begin + neighbour, len(pattern))
                best = max(best, (_common(own, pattern) // self._width, begin + neighbour))
        return best

    def _stands(self, pattern: bytes) -> bool:
        for begin, places in self._blocks:
            low = self._lower(begin, places, pattern)
            if low < len(places) and self._bytes(begin + int(places[low]), len(pattern)) == pattern:
                return True
        return False

    def _follow(self, text: Array, at: int, place: int, most: int) -> int:
        """Where a text from `at` on, for `most` characters, ceases to be as the part is from a place on."""
        own = text.view(self._layout.dtype)[at : at + most]
        there = self._text.view(self._layout.dtype)[place : place + most]
        own = own[: len(there)]
        other = np.flatnonzero(own != there[: len(own)])
        return at + (int(other[0]) if len(other) else len(own))


def suffixes_of(part: Part, vocabulary: Vocabulary, fingerprint: str, progress: Report = lambda _: None) -> Suffixes:
    """The index of a part of the corpus of a fingerprint, from the cache; it is built where it is not there.

    `progress` is told the characters done, as they are sorted. Two processes that build at once build the same, and
    each puts a whole file in its place. Raises CharrnnError where pydivsufsort is missing, and where the disk refuses.
    """
    spans = _in_order(part)
    key = hashlib.sha256(f"{FORMAT} {LONGEST} {BLOCK} {fingerprint} ".encode() + spans.tobytes()).hexdigest()[:32]
    file = cache_folder("suffixes") / f"{key}.bin"
    if not is_whole(file):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            sweep(file.parent)
            with tempfile.TemporaryDirectory(prefix=".building-", dir=file.parent) as folder:
                made = Path(folder) / file.name
                with made.open("wb") as out:
                    build(part, vocabulary, out, progress)
                put(made, file)
        except OSError as error:
            where = error.filename or file.parent
            raise CharrnnError(f"{where}: the index of the text cannot be written: {error.strerror}") from None
    return Suffixes(part, vocabulary, file)


def build(part: Part, vocabulary: Vocabulary, out: BinaryIO, progress: Report = lambda _: None) -> None:
    """Writes the index of a part: the places of each block in order, as 32 bits from its begin, and then the text.

    A block is sorted together with the LONGEST characters after it. Ids of several bytes are written with the highest
    first, so that the order of the bytes is theirs; places within an id are left out. Raises CharrnnError where
    pydivsufsort is missing.
    """
    try:
        from pydivsufsort import divsufsort
    except ImportError:
        raise CharrnnError(
            "what a text shares with its corpus is found with pydivsufsort (for Python 3.10 to 3.13): "
            "pip install 'charrnn[novelty]'"
        ) from None
    layout = _Layout(part, vocabulary)
    for begin, end in layout.blocks:
        text = b"".join(piece.tobytes() for piece in layout.text(begin, end + LONGEST))  # concatenate swaps the bytes
        order = divsufsort(text)
        for i in range(0, len(order), CHUNK):
            places = order[i : i + CHUNK]
            places = places[places % layout.width == 0] // layout.width
            out.write(places[places < end - begin].astype(np.int32).tobytes())
        progress(end - begin)
    for piece in layout.text(0, layout.padded):
        out.write(piece.tobytes())


class _Layout:
    """How the spans of a part stand in its index."""

    def __init__(self, part: Part, vocabulary: Vocabulary) -> None:
        self._ids, self._mark = part.ids, vocabulary.unknown
        spans = _in_order(part)
        self._begins = spans[:, 0]
        self._edges = np.concatenate([[0], np.cumsum(spans[:, 1] - spans[:, 0] + 1)])
        """Where each span begins in the index, and where the last one ends, with its mark."""
        self.dtype = np.min_scalar_type(vocabulary.unknown).newbyteorder(">")
        self.width = self.dtype.itemsize
        self.size = int(self._edges[-1])
        self.padded = self.size + LONGEST
        self.bytes = 4 * self.size + self.width * self.padded

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """The begin and the end of each block."""
        size = BLOCK // self.width
        return [(begin, min(begin + size, self.size)) for begin in range(0, self.size, size)]

    def text(self, first: int, last: int) -> Iterator[Array]:
        """The text between two places of the index, chunk by chunk. Behind its end there are marks."""
        for start in range(first, last, CHUNK):
            chunk = np.full(min(CHUNK, last - start), self._mark, self.dtype)
            end = min(start + len(chunk), self.size)
            if start < end:
                one, other = np.searchsorted(self._edges, [start, end - 1], side="right") - 1
                span = np.repeat(np.arange(one, other + 1), np.diff(self._edges[one : other + 2].clip(start, end)))
                at = np.arange(start, end)
                inner = at != self._edges[span + 1] - 1
                chunk[: end - start][inner] = self._ids[(at - self._edges[span] + self._begins[span])[inner]]
            yield chunk

    def origin(self, place: int) -> int:
        """The id of the corpus that stands at a place of the index."""
        span = int(np.searchsorted(self._edges, place, side="right")) - 1
        return int(self._begins[span]) + place - int(self._edges[span])


def _in_order(part: Part) -> Ints:
    """The spans of a part in the order of the corpus, without empty ones."""
    spans = np.asarray(part.spans, np.int64)
    spans = spans[spans[:, 1] > spans[:, 0]]
    return np.ascontiguousarray(spans[np.argsort(spans[:, 0])])


def _words(text: Array, width: int) -> Array:
    """The word that begins at each character of a text of bytes, highest byte first."""
    return np.ndarray((len(text) - WORD) // width + 1, ">u8", text, strides=(width,))


def _room(ids: Ints, mark: int) -> Ints:
    """The number of characters from each place to the next one that no run goes on over, `[M]`."""
    marks = np.append(np.flatnonzero(ids >= mark), len(ids))
    at = np.arange(len(ids))
    return marks[np.searchsorted(marks, at)] - at


def _common(one: bytes, other: bytes) -> int:
    """The number of bytes at the beginning of both that are the same."""
    if one == other:
        return len(one)
    a, b = np.frombuffer(one, np.uint8), np.frombuffer(other[: len(one)], np.uint8)
    return int((a[: len(b)] != b).argmax()) if (a[: len(b)] != b).any() else min(len(one), len(other))
