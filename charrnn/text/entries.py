"""Entries of the cache of encoded texts: folders that are written whole, and checked when they are opened."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np

from charrnn.errors import CharrnnError
from charrnn.files import Count, Record, read_record, sha256, sync, write_json
from charrnn.files import remove as remove_path
from charrnn.terminal import warn
from charrnn.text.reader import Damage
from charrnn.text.vocab import Rare
from charrnn.trust import Untrusted, check, check_file

MANIFEST = "dataset.json"
IDS, STARTS, FILES, VOCABULARY = "ids.bin", "starts.bin", "files.bin", "vocab.json"
SAMPLES, SAMPLE = 16, 2**16
"""Blocks of a large file, and bytes of each, that are compared whenever it is opened: some milliseconds."""
ABANDONED = 3600
"""Seconds without a change after which a half-made entry is that of a process that died."""


class Contents(Record):
    """What the manifest says of a file."""

    bytes: Count
    sha256: str
    sampled: str
    """Of its size and of blocks spread over it."""


class Entry(Record):
    """The manifest, written last."""

    dtype: Literal["uint8", "uint16", "uint32"]
    characters: Count
    fingerprint: str
    rare: Rare | None = None
    """The characters that became <unk>; None if there are none, and in entries of versions before it was written."""
    damage: Damage | None = None
    """The bytes of the text that did not decode."""
    corpus: Count | None = None
    """The characters of the corpus, if another text, its validation part, comes after them."""
    files: dict[str, Contents]


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A folder beside `folder`, which takes its place when `seal` has been called: others see all of it or nothing.

    Raises CharrnnError where the disk refuses.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        temporary = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
        try:
            yield temporary
            for file in temporary.iterdir():
                sync(file)
            try:
                temporary.rename(folder)
            except OSError:
                if fault(folder) is not None:  # not because another process was quicker
                    raise
            sync(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        where = error.filename or folder.parent
        raise CharrnnError(f"{where}: the encoded text cannot be written: {error.strerror}") from None


def seal(
    folder: Path,
    dtype: np.dtype[np.generic],
    characters: int,
    fingerprint: str,
    rare: Rare | None,
    known: Mapping[str, bytes],
    corpus: int | None = None,
    damage: Damage | None = None,
) -> None:
    """Writes the manifest of all that lies in a folder. `known` has the SHA-256 of some of it."""
    found = {file.name: contents(file, known.get(file.name)) for file in sorted(folder.iterdir())}
    facts = Entry(
        dtype=dtype.name,
        characters=characters,
        fingerprint=fingerprint,
        rare=rare,
        damage=damage,
        corpus=corpus,
        files=found,
    ).model_dump()
    (folder / MANIFEST).write_text(json.dumps(facts), encoding="utf-8")


def open_entry(folder: Path, fingerprint: str) -> Entry | None:
    """The manifest of an entry that is whole; None where there is none. A damaged one is told and removed."""
    if not os.path.lexists(folder):
        return None
    if (found := fault(folder)) is None:
        entry = read_record(folder / MANIFEST, Entry)
        if entry.fingerprint == fingerprint:
            return entry
        found = "is that of another text"
    warn(f"{folder}: {found}; it is removed from the cache")
    remove(folder)
    return None


def fault(folder: Path, whole: bool = False) -> str | None:
    """What is wrong with an entry, or None. Compares sizes, and of each file some blocks, or with `whole` all bytes."""
    try:
        check(folder)
        entry = read_record(folder / MANIFEST, Entry)
        if not entry.fingerprint.startswith(folder.name):
            return "is that of another text"
        for name in {IDS, VOCABULARY} | entry.files.keys():
            if not (folder / name).is_file() or name not in entry.files:
                return f"{name} is missing"
        for name in (STARTS, FILES):
            if name not in entry.files and os.path.lexists(folder / name):
                return f"{name} has no checksum"
        if (folder / IDS).stat().st_size != entry.characters * np.dtype(entry.dtype).itemsize or not entry.characters:
            return f"{IDS} has another size than it should have"
        for name, wanted in entry.files.items():
            if not _agrees(folder / name, wanted, whole):
                return f"{name} is damaged"
    except Untrusted as error:
        return f"is not used: {error}"
    except CharrnnError as error:
        return f"is damaged ({error.message})"
    except OSError as error:
        return f"is damaged ({error.filename}: {error.strerror})"
    return None


def remove(folder: Path) -> bool:
    """Removes an entry: first its name, so that nobody opens half of it. Gives whether all of it is gone."""
    gone = folder.with_name(f".gone-{folder.name}-{os.getpid()}")
    try:
        folder.rename(gone)
    except OSError:
        gone = folder
    with suppress(OSError):
        remove_path(gone)
    return not os.path.lexists(gone)


def put(made: Path, file: Path) -> None:
    """Gives a file its place in the cache, with a manifest beside it. Raises OSError.

    Several processes may put the same file at once: each writes under names of its own, and then replaces.
    """
    sync(made)
    manifest = made.with_name(f"{made.name}.json")
    write_json(manifest, contents(made).model_dump())
    manifest.replace(file.with_suffix(".json"))
    made.replace(file)
    sync(file.parent)


def is_whole(file: Path) -> bool:
    """Whether a file that `put` placed is there, and what it was. One that is not is told and removed."""
    if not os.path.lexists(file):
        return False
    found = fault_of_file(file)
    if found is not None:
        warn(f"{file}: {found}; it is made again")
        remove(file)
        remove(file.with_suffix(".json"))
    return found is None


def fault_of_file(file: Path, whole: bool = False) -> str | None:
    """What is wrong with a file that `put` placed, or None."""
    try:
        check_file(file)
        return None if _agrees(file, read_record(file.with_suffix(".json"), Contents), whole) else "is damaged"
    except Untrusted as error:
        return f"is not used: {error}"
    except (CharrnnError, OSError) as error:
        return f"is damaged ({error})"


def _agrees(file: Path, wanted: Contents, whole: bool = False) -> bool:
    return (
        file.stat().st_size == wanted.bytes
        and _sampled(file) == wanted.sampled
        and (not whole or sha256(file).hex() == wanted.sha256)
    )


def contents(file: Path, digest: bytes | None = None) -> Contents:
    """What a manifest says of a file, whose SHA-256 may be known."""
    return Contents(bytes=file.stat().st_size, sha256=(digest or sha256(file)).hex(), sampled=_sampled(file))


def _sampled(file: Path) -> str:
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        for start in np.linspace(0, max(0, size - SAMPLE), SAMPLES, dtype=np.int64) if size > SAMPLE else [0]:
            stream.seek(int(start))
            digest.update(stream.read(SAMPLE))
    return digest.hexdigest()


def sweep(folder: Path) -> None:
    """Removes what builders left that died."""
    for left in (*folder.glob(".building-*"), *folder.glob(".gone-*")):
        try:
            newest = max(path.stat().st_mtime for path in (left, *left.glob("*")))  # a file may grow for hours
            old = time.time() - newest > ABANDONED
        except OSError:
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)
