"""Text to ids on disk. A text is encoded once, cached by its content and memory-mapped, so that it may be large."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from charrnn.cache import cache_folder
from charrnn.config import CorpusConfig, VocabConfig
from charrnn.errors import CharrnnError
from charrnn.files import Digest, read_small, sha256
from charrnn.text.entries import IDS, STARTS, VOCABULARY, Entry, building, open_entry, seal
from charrnn.text.reader import BOUNDARY, Report, read_corpus
from charrnn.text.vocab import CODE_POINTS, Rare, Vocabulary

CACHE_FORMAT = 1
"""A part of every cache key. Another format has another number, so that old entries are not misread."""

SETTLED = 5 * 10**9
"""Nanoseconds. If a file's last change is longer ago, another change would have another time."""

Array = npt.NDArray[Any]
SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Part:
    """Some texts of a corpus: `ids` `[N]`, and in documents mode the start and end of each document, `[D, 2]`."""

    ids: Array
    documents: Array | None = None

    @property
    def characters(self) -> int:
        """The number of characters in this part."""
        if self.documents is None:
            return len(self.ids)
        return int((self.documents[:, 1] - self.documents[:, 0]).sum())


@dataclass(frozen=True)
class Dataset:
    """An encoded corpus: ids `[N]` of the smallest unsigned type that fits, and the edges of D documents, `[D + 1]`."""

    ids: Array
    starts: Array | None
    vocabulary: Vocabulary
    fingerprint: str
    """The SHA-256 of the text's bytes and of the settings by which they become ids."""
    rare: Rare | None = None
    """The characters that became <unk>; None if there are none, or an older version encoded the text."""

    def part(self, name: SplitName, split: list[float]) -> Part:
        """The training, validation or test part. Every character belongs to exactly one of the three."""
        index = ("train", "val", "test").index(name)
        total = len(self.ids) if self.starts is None else len(self.starts) - 1
        edges = [round(total * fraction) for fraction in (0.0, split[0], split[0] + split[1], 1.0)]
        first, last = edges[index], edges[index + 1]
        if self.starts is None:
            return Part(self.ids[first:last])
        # Collections are sorted by author or age, so documents are shuffled, in the same way for every model and seed.
        dealt = np.random.default_rng(0).permutation(total)[first:last]
        return Part(self.ids, np.stack([self.starts[:-1][dealt], self.starts[1:][dealt]], axis=1))


def load_dataset(
    files: list[Path], corpus: CorpusConfig, vocab: VocabConfig, progress: Report = lambda _: None
) -> Dataset:
    """The encoded corpus. It comes from the cache if the same bytes were encoded in the same way before.

    Peak memory does not depend on the size of the corpus. Raises CharrnnError for a text that cannot be read or
    is empty.
    """
    digests = _digests(files)
    fingerprint = _fingerprint(digests, corpus, vocab)
    folder = _cached(fingerprint)
    entry = open_entry(folder)
    if entry is None:
        _build(folder, files, digests, corpus, vocab, fingerprint, progress)
        entry = open_entry(folder)
        if entry is None:
            raise CharrnnError(f"{folder}: the encoded text was damaged as soon as it was written; is the disk whole?")
    return _open(folder, entry)


def cached_dataset(fingerprint: str) -> Dataset | None:
    """The encoded corpus of a fingerprint from the cache; None if it is not there. No text file is read."""
    if len(fingerprint) != 64 or not set(fingerprint) <= set("0123456789abcdef"):
        return None
    folder = _cached(fingerprint)
    entry = open_entry(folder)
    return None if entry is None else _open(folder, entry)


def _cached(fingerprint: str) -> Path:
    return cache_folder("ids") / fingerprint[:32]


def encode_text(text: Iterator[str], vocabulary: Vocabulary) -> Part:
    """A text outside a corpus (`charrnn eval --text`), encoded in memory. BOUNDARY ends a document."""
    ids, ends = [], []
    total = 0
    table = vocabulary.table()
    for piece in text:
        encoded, boundaries = _encode_piece(piece, table)
        ids.append(encoded)
        ends.append(boundaries + total)
        total += len(encoded)
    starts = np.unique(np.concatenate([[0], *ends]))
    whole = np.concatenate([np.zeros(0, np.uint32), *ids])
    if not any(len(e) for e in ends):
        return Part(whole)
    return Part(whole, np.stack([starts[:-1], starts[1:]], axis=1).astype(np.int64))


def _fingerprint(digests: list[bytes], corpus: CorpusConfig, vocab: VocabConfig) -> str:
    how = corpus.model_dump(include={"mode", "separator", "encoding", "normalization", "simplify"})
    start = json.dumps([CACHE_FORMAT, how, vocab.model_dump()], sort_keys=True).encode()
    return hashlib.sha256(b"".join([start, *digests])).hexdigest()


def _digests(files: list[Path]) -> list[bytes]:
    digests = []
    for file in files:
        try:
            digests.append(_digest(file))
        except OSError as error:
            raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None
    return digests


def _digest(file: Path) -> bytes:
    """The SHA-256 of a file. It is kept while the path, size, inode and times of change stay as they were.

    The system sets the time of change (ctime), even if a program sets the modification time back. A file that was
    changed in the last seconds is always read, because a slow clock may give two changes the same time.
    """
    status = file.stat()
    known = cache_folder("digests") / hashlib.sha256(os.fsencode(file.absolute())).hexdigest()[:32]
    now = [status.st_size, status.st_ino, status.st_dev, status.st_mtime_ns, status.st_ctime_ns]
    try:
        *then, digest = json.loads(read_small(known, 1000))
        if then == now:
            return bytes.fromhex(digest)
    except (CharrnnError, ValueError, TypeError):
        pass  # the digest is not known yet
    one = sha256(file)
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED:
        try:
            known.parent.mkdir(parents=True, exist_ok=True)
            temporary = known.with_name(f"{known.name}.{os.getpid()}")
            temporary.write_text(json.dumps([*now, one.hex()]), encoding="ascii")
            temporary.replace(known)
        except OSError:
            pass  # the file will be read again the next time
    return one


def _open(folder: Path, entry: Entry) -> Dataset:
    starts = folder / STARTS
    return Dataset(
        ids=np.memmap(folder / IDS, dtype=entry.dtype, mode="r"),
        starts=np.memmap(starts, dtype=np.int64, mode="r") if starts.exists() else None,
        vocabulary=Vocabulary.load(folder / VOCABULARY),
        fingerprint=entry.fingerprint,
        rare=entry.rare,
    )


def _build(
    folder: Path,
    files: list[Path],
    digests: list[bytes],
    corpus: CorpusConfig,
    vocab: VocabConfig,
    fingerprint: str,
    progress: Report,
) -> None:
    """Encodes a corpus into an entry of the cache. Nothing is kept where a file is not what its digest says."""
    raw = vocab.kind == "byte"
    if raw:
        vocabulary, rare = Vocabulary("byte"), None
    else:
        counts = np.zeros(CODE_POINTS, np.int64)
        for piece in _unchanged(files, digests, corpus, raw, progress):
            _count(piece, counts)
        counts[0xD800:0xE000] = 0  # BOUNDARY, and halves of surrogate pairs, which a few codecs (utf-7) give
        vocabulary = Vocabulary.from_counts(counts, vocab.min_count, vocab.max_size)
        rare = vocabulary.rare(counts)
    with building(folder) as temporary:
        dtype = np.min_scalar_type(vocabulary.unknown - raw)  # bytes are never <unk>
        total = 0
        documents = corpus.mode == "documents"
        with ExitStack() as stack:
            ids_digest = Digest(stack.enter_context(ThreadPoolExecutor(1)))
            ids_file = stack.enter_context((temporary / IDS).open("wb"))
            starts_file = stack.enter_context((temporary / STARTS).open("wb")) if documents else None
            if starts_file:
                starts_file.write(np.int64(0).tobytes())
            table, last = vocabulary.table().astype(dtype), 0
            for piece in _unchanged(files, digests, corpus, raw, progress):
                encoded, boundaries = _encode_piece(piece, table)
                ids_file.write(encoded.data)
                ids_digest.update(encoded.data)
                if starts_file and len(boundaries):
                    ends = np.unique(boundaries + total)
                    ends = ends[ends > last]  # empty documents are left out
                    last = int(ends[-1]) if len(ends) else last
                    starts_file.write(ends.data)
                total += len(encoded)
        if not total:
            raise CharrnnError(
                f"{_name(files)}: the text is empty; at least a few thousand characters are needed to learn from"
            )
        vocabulary.save(temporary / VOCABULARY)
        seal(temporary, dtype, total, fingerprint, rare, {IDS: ids_digest.digest()})


def _unchanged(
    files: list[Path], digests: list[bytes], corpus: CorpusConfig, raw: bool, progress: Report
) -> Iterator[str]:
    """The text of a corpus. Raises CharrnnError where a file is not, to its end, the one that its digest is of."""
    with ThreadPoolExecutor(1) as beside:
        read = [Digest(beside) for _ in files]
        yield from read_corpus(files, corpus, raw, progress, read)
    for file, was, wanted in zip(files, read, digests, strict=True):
        if was.digest() != wanted:
            raise CharrnnError(
                f"{file}: changed while it was being read, and nothing of it was kept; start again when nobody "
                "writes to it"
            )


def _count(piece: str, counts: Array) -> None:
    """Adds a piece's code points to `counts`. ASCII is counted two characters at a time, which is twice as fast."""
    if piece.isascii():
        data = np.frombuffer(piece.encode("ascii"), np.uint8)
        even = len(data) // 2 * 2
        pairs = np.bincount(data[:even].view(np.uint16), minlength=65536).reshape(256, 256)
        counts[:256] += pairs.sum(axis=0) + pairs.sum(axis=1)
        counts[data[even:]] += 1
    else:
        found = np.bincount(_code_points(piece))
        counts[: len(found)] += found


def _encode_piece(piece: str, table: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """The ids of a piece without its BOUNDARY marks, and the positions in the ids at which documents end."""
    none = np.zeros(0, np.int64)
    if piece.isascii():
        data = piece.encode("ascii")
        if table.dtype == np.uint8:
            return np.frombuffer(data.translate(table[:256].tobytes()), np.uint8), none
        return table[np.frombuffer(data, np.uint8)], none
    points = _code_points(piece)
    if BOUNDARY not in piece:
        return table[points], none
    is_boundary = points == ord(BOUNDARY)
    ends = np.flatnonzero(is_boundary)
    return table[points[~is_boundary]], ends - np.arange(len(ends))


def _code_points(piece: str) -> npt.NDArray[np.int32]:
    return np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.int32)


def _name(files: list[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
