"""Text to ids on disk. A text is encoded once, cached by its content and memory-mapped, so that it may be large."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from charrnn.cache import cache_folder
from charrnn.config import CorpusConfig, VocabConfig
from charrnn.errors import CharrnnError
from charrnn.files import Digest, read_small, sha256
from charrnn.text.documents import BOUNDARY
from charrnn.text.entries import FILES, IDS, STARTS, VOCABULARY, Entry, building, open_entry, remove, seal
from charrnn.text.groups import Groups, deal, groups_of
from charrnn.text.holdout import held_out, line_ends_of
from charrnn.text.points import CODE_POINTS, code_points, count
from charrnn.text.reader import Damage, Report, find_files, read_corpus
from charrnn.text.vocab import Rare, Vocabulary

CACHE_FORMAT = 1
"""A part of every cache key. Another format has another number, so that old entries are not misread."""

SETTLED = 5 * 10**9
"""Nanoseconds. If a file's last change is longer ago, another change would have another time."""

Array = npt.NDArray[Any]
SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Part:
    """Some texts of a corpus, whose ids `[N]` lie in the file with all others.

    In documents mode the part is whole documents; otherwise it is pieces of one long text. Without either it is all of
    the ids, as one piece.
    """

    ids: Array
    documents: Array | None = None
    """The start and the end of each document, `[D, 2]`."""
    pieces: Array | None = None
    """The start and the end of each piece of a stream, `[P, 2]`, in the order of the text."""

    @property
    def spans(self) -> Array:
        """The start and the end of each document or piece, `[S, 2]`."""
        if self.documents is not None:
            return self.documents
        return np.array([[0, len(self.ids)]]) if self.pieces is None else self.pieces

    @property
    def characters(self) -> int:
        """The number of characters in this part."""
        return int((self.spans[:, 1] - self.spans[:, 0]).sum())


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
    damage: Damage | None = None
    """The bytes of the text that did not decode; None if there are none."""
    files: Array | None = None
    """The edges of F files in the ids, `[F + 1]`. None in entries of versions that did not keep them."""
    corpus: int | None = None
    """The number of ids of the corpus, if those of another text, its validation part, come after them."""
    folder: Path | None = None
    """The entry of the cache, in which the groups of documents are kept."""

    def part(self, name: SplitName, corpus: CorpusConfig) -> Part:
        """The training, validation or test part. Every character belongs to exactly one of the three."""
        if self.corpus is not None:
            first, other = self._halves(self.corpus)
            return other.whole if name == "val" else first.part(name, corpus)
        index, fractions = ("train", "val", "test").index(name), corpus.fractions
        if self.starts is None:
            newline = self.vocabulary.encode("\n")[0] if "\n" in self.vocabulary else None
            way, files = corpus.holdout or "tail", np.zeros(0, np.int64) if self.files is None else self.files
            lines = line_ends_of(self.ids, newline)
            return Part(self.ids, pieces=held_out(len(self.ids), fractions, way, files, lines)[index])
        dealt = deal(self.groups(corpus.shared_run), fractions)[index]
        return Part(self.ids, np.stack([self.starts[:-1][dealt], self.starts[1:][dealt]], axis=1))

    @property
    def mode(self) -> Literal["stream", "documents"]:
        """Whether it is one long text, or many."""
        return "stream" if self.starts is None else "documents"

    @property
    def whole(self) -> Part:
        """All of the text."""
        if self.starts is None:
            return Part(self.ids)
        shuffled = np.random.default_rng(0).permutation(len(self.starts) - 1)
        return Part(self.ids, np.stack([self.starts[:-1][shuffled], self.starts[1:][shuffled]], axis=1))

    def groups(self, shared_run: int | None) -> Groups:
        """The groups of documents that share a run of so many characters."""
        assert self.starts is not None
        if self.corpus is not None:
            return self._halves(self.corpus)[0].groups(shared_run)
        return groups_of(self.ids, self.starts, self.vocabulary, shared_run, self.folder)

    def _halves(self, seam: int) -> tuple[Dataset, Dataset]:
        """The corpus, and the other text, each as a dataset of its own: nothing is read across the seam."""
        starts = [None, None] if self.starts is None else [self.starts[self.starts <= seam], self.starts]
        if starts[1] is not None:
            starts[1] = starts[1][starts[1] >= seam] - seam
        first = replace(self, ids=self.ids[:seam], starts=starts[0], corpus=None)
        return first, replace(self, ids=self.ids[seam:], starts=starts[1], corpus=None, files=None, folder=None)


def load_dataset(
    files: list[Path], corpus: CorpusConfig, vocab: VocabConfig, progress: Report = lambda _: None
) -> Dataset:
    """The encoded corpus. It comes from the cache if the same bytes were encoded in the same way before.

    Peak memory does not depend on the size of the corpus. Raises CharrnnError for a text that cannot be read or
    is empty.
    """
    other = [] if corpus.validation is None else find_files(corpus.validation, "corpus.validation")
    source = _Source(files, _digests(files), other, _digests(other), corpus, vocab, progress)
    folder = _cached(source.fingerprint)
    entry = open_entry(folder, source.fingerprint)
    if entry is not None and corpus.holdout == "each-file" and FILES not in entry.files:
        remove(folder)  # made by a version that did not keep the edges of files; the ids will be the same
        entry = None
    if entry is None:
        _build(folder, source)
        entry = open_entry(folder, source.fingerprint)
        if entry is None:
            raise CharrnnError(f"{folder}: the encoded text was damaged as soon as it was written; is the disk whole?")
    return _open(folder, entry)


def cached_dataset(fingerprint: str) -> Dataset | None:
    """The encoded corpus of a fingerprint from the cache; None if it is not there. No text file is read."""
    if len(fingerprint) != 64 or not set(fingerprint) <= set("0123456789abcdef"):
        return None
    folder = _cached(fingerprint)
    entry = open_entry(folder, fingerprint)
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
    known = _known(file)
    now = [status.st_size, status.st_ino, status.st_dev, status.st_mtime_ns, status.st_ctime_ns]
    try:
        *then, digest = json.loads(read_small(known, 1000))
        if then == now and len(bytes.fromhex(digest)) == 32:
            return bytes.fromhex(digest)
    except (CharrnnError, ValueError, TypeError, RecursionError):
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


def _known(file: Path) -> Path:
    """Where the digest of a file is kept."""
    return cache_folder("digests") / hashlib.sha256(os.fsencode(file.absolute())).hexdigest()[:32]


def _open(folder: Path, entry: Entry) -> Dataset:
    starts, files = (folder / name if name in entry.files else None for name in (STARTS, FILES))
    return Dataset(
        ids=np.memmap(folder / IDS, dtype=entry.dtype, mode="r"),
        starts=np.memmap(starts, dtype=np.int64, mode="r") if starts else None,
        vocabulary=Vocabulary.load(folder / VOCABULARY),
        fingerprint=entry.fingerprint,
        rare=entry.rare,
        damage=entry.damage,
        files=np.fromfile(files, np.int64) if files else None,
        corpus=entry.corpus,
        folder=folder,
    )


@dataclass(frozen=True)
class _Source:
    """The files that become an entry of the cache, with their digests, and how they are read."""

    files: list[Path]
    digests: list[bytes]
    other: list[Path]
    """The files of another text, the validation part. They have no say in the alphabet."""
    other_digests: list[bytes]
    corpus: CorpusConfig
    vocab: VocabConfig
    progress: Report

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the text's bytes and of the settings by which they become ids."""
        how = self.corpus.model_dump(include={"mode", "separator", "encoding", "normalization", "simplify"})
        vocab = self.vocab.model_dump(exclude={"also"})
        # Keys of later versions: where they are not used, the fingerprint is that of before.
        how |= self.corpus.model_dump(include={"errors", "field"}, exclude_defaults=True)
        vocab |= self.vocab.model_dump(include={"also"}, exclude_defaults=True)
        seam = [len(self.files)] if self.other else []
        start = json.dumps([CACHE_FORMAT, how, vocab, *seam], sort_keys=True).encode()
        return hashlib.sha256(b"".join([start, *self.digests, *self.other_digests])).hexdigest()

    def text(self, at_end: Callable[[], None] = lambda: None, damage: Damage | None = None) -> Iterator[str]:
        """The text of the corpus; `at_end` is called after each file, `damage` is told what does not decode."""
        return self._unchanged(self.files, self.digests, at_end, damage)

    def other_text(self) -> Iterator[str]:
        """The other text, if there is one."""
        return self._unchanged(self.other, self.other_digests, lambda: None, None)

    def _unchanged(
        self, files: list[Path], digests: list[bytes], at_end: Callable[[], None], damage: Damage | None
    ) -> Iterator[str]:
        """The text of files. Raises CharrnnError where a file is not, to its end, the one that its digest is of."""
        with ThreadPoolExecutor(1) as beside:
            read = [Digest(beside) for _ in files]
            yield from read_corpus(files, self.corpus, self.vocab.kind == "byte", self.progress, read, at_end, damage)
        for file, was, wanted in zip(files, read, digests, strict=True):
            if was.digest() != wanted:
                with suppress(OSError):
                    _known(file).unlink()  # unless the digest that was kept is the damaged one
                raise CharrnnError(
                    f"{file}: changed while it was being read, and nothing of it was kept; start again when nobody "
                    "writes to it"
                )


def _build(folder: Path, source: _Source) -> None:
    """Encodes a corpus into an entry of the cache. Nothing is kept where a file is not what its digest says."""
    raw, documents = source.vocab.kind == "byte", source.corpus.mode == "documents"
    vocabulary, rare = (Vocabulary("byte"), None) if raw else _alphabet(source)
    with building(folder) as temporary:
        dtype = np.min_scalar_type(vocabulary.unknown - raw)  # bytes are never <unk>
        table = vocabulary.table().astype(dtype)
        total, last, edges, damage = 0, 0, [0], Damage()
        with ExitStack() as stack:
            ids_digest = Digest(stack.enter_context(ThreadPoolExecutor(1)))
            ids_file = stack.enter_context((temporary / IDS).open("wb"))
            starts_file = stack.enter_context((temporary / STARTS).open("wb")) if documents else None
            if starts_file:
                starts_file.write(np.int64(0).tobytes())

            def write(piece: str) -> None:
                nonlocal total, last
                encoded, boundaries = _encode_piece(piece, table)
                ids_file.write(encoded.data)
                ids_digest.update(encoded.data)
                if starts_file and len(boundaries):
                    ends = np.unique(boundaries + total)
                    ends = ends[ends > last]  # empty documents are left out
                    last = int(ends[-1]) if len(ends) else last
                    starts_file.write(ends.data)
                total += len(encoded)

            for piece in source.text(lambda: edges.append(total), damage):
                write(piece)
            for piece in source.other_text():
                write(piece)
        for files, characters in ((source.files, edges[-1]), (source.other, total - edges[-1])):
            if files and not characters:
                raise CharrnnError(
                    f"{_name(files)}: the text is empty; at least a few thousand characters are needed to learn from"
                )
        np.array(edges).tofile(temporary / FILES)
        vocabulary.save(temporary / VOCABULARY)
        corpus = edges[-1] if source.other else None
        known = {IDS: ids_digest.digest()}
        found = damage if damage.count else None
        seal(temporary, dtype, total, source.fingerprint, rare, known, corpus, found)


def _alphabet(source: _Source) -> tuple[Vocabulary, Rare | None]:
    counts = np.zeros(CODE_POINTS, np.int64)
    for piece in source.text():
        count(piece, counts)
    counts[0xD800:0xE000] = 0  # BOUNDARY, and halves of surrogate pairs, which a few codecs (utf-7) give
    vocabulary = Vocabulary.from_counts(counts, source.vocab.min_count, source.vocab.max_size)
    if source.vocab.also:
        vocabulary = Vocabulary("char", sorted({*vocabulary.characters, *source.vocab.also}))
    return vocabulary, vocabulary.rare(counts)


def _encode_piece(piece: str, table: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """The ids of a piece without its BOUNDARY marks, and the positions in the ids at which documents end."""
    none = np.zeros(0, np.int64)
    if piece.isascii():
        data = piece.encode("ascii")
        if table.dtype == np.uint8:
            return np.frombuffer(data.translate(table[:256].tobytes()), np.uint8), none
        return table[np.frombuffer(data, np.uint8)], none
    points = code_points(piece)
    if BOUNDARY not in piece:
        return table[points], none
    is_boundary = points == ord(BOUNDARY)
    ends = np.flatnonzero(is_boundary)
    return table[points[~is_boundary]], ends - np.arange(len(ends))


def _name(files: list[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
