"""Files that are read and written with care: those of a run, and those that a user names.

A stranger may have written what is read, so everything is checked and nothing endless is read. A file is replaced at
once: a reader sees the old one or the new one, never a part of one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from charrnn.errors import CharrnnError
from charrnn.memory import require

MAX_JSON = 1_000_000
"""The most bytes of a run's JSON file that are read; real ones are far smaller."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Annotated[float, Field(ge=0, lt=1e15)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """A JSON object of a run. It may have other keys than those named here."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


OwnRecord = TypeVar("OwnRecord", bound=Record)


def read_small(file: Path, most: int, hint: str = "such a file never is") -> bytes:
    """The bytes of a file of at most `most` bytes. Raises CharrnnError where it is larger, no file, or unreadable."""
    try:
        if file.exists() and not file.is_file():  # a folder, or a device that never ends
            raise CharrnnError(f"{file}: cannot be read: not a file")
        with file.open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None
    if len(raw) > most:
        raise CharrnnError(f"{file}: larger than {most:,} bytes; {hint}")
    return raw


def read_given(file: Path, most: int | None = None, times: int = 1, begin: bytes = b"") -> bytes:
    """All bytes of a file that the user names. With `most` there are at most so many, and a pipe may give them.

    Each byte takes `times` bytes of memory. A regular file that does not `begin` so is not read further. Raises
    CharrnnError where there are too many, where it is unreadable, and where it may never end: a device, or without
    `most` a pipe.
    """
    try:
        with open(file, "rb", opener=_without_waiting) as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISFIFO(status.st_mode) and most is not None:
                os.set_blocking(stream.fileno(), True)
            elif not stat.S_ISREG(status.st_mode):
                raise CharrnnError(f"{file}: cannot be read: not a regular file; copy what it gives into one")
            if most is None:
                require(times * status.st_size, f"{file}: it", "give a smaller file")
                start = stream.read(len(begin))
                return start + stream.read() if start == begin else start
            raw = stream.read(most + 1)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None
    if len(raw) > most:
        raise CharrnnError(f"{file}: larger than {most:,} bytes")
    return raw


def _without_waiting(file: str, flags: int) -> int:
    """Opens a file; a pipe too at once, even if nobody writes into it."""
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))


def read_json(file: Path, most: int = MAX_JSON) -> dict[str, Any]:
    """The object in a JSON file. Raises CharrnnError where the file holds none."""
    try:
        document = json.loads(read_small(file, most), parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise CharrnnError(f"{file}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise CharrnnError(f"{file}: a JSON object was expected")
    return document


def _finite(number: str) -> float:
    """The number, which JSON writes in digits; Python would also read NaN, Infinity and 1e999."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number[:30]} is no finite number")
    return value


def read_record(file: Path, record: type[OwnRecord], most: int = MAX_JSON) -> OwnRecord:
    """The object in a JSON file of at most `most` bytes as a record.

    Raises CharrnnError, naming the wrong key, where it does not fit.
    """
    try:
        return record.model_validate(read_json(file, most))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise CharrnnError(f"{file}: {key}: {first['msg'].lower()}") from None


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Replaces a JSON file at once."""
    replace_text(file, json.dumps(document, indent=1, ensure_ascii=False))


def replace_text(file: Path, text: str | Iterable[str]) -> None:
    """Replaces a file, by a text or its pieces, at once: even if the machine stops, a reader sees the old file or the
    new one. A link of that name is replaced, and what it leads to is left alone.
    """
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # left by a process that was killed, or a stranger's link to a file of yours
        with temporary.open("x", encoding="utf-8") as stream:
            stream.writelines([text] if isinstance(text, str) else text)
        sync(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync(file.parent)


@contextmanager
def new_file(file: Path, like: Path, replace: bool = False) -> Iterator[BinaryIO]:
    """Writes a new file, which nobody but those who may read the file `like` may read. It is there when it is whole.

    Raises CharrnnError where there is one already, a dangling link too, unless it is to `replace` it, and where it
    cannot be written.
    """
    try:
        with suppress(FileNotFoundError):
            status = file.lstat()  # says now what would be in the way in the end, such as a name too long
            if not replace or stat.S_ISDIR(status.st_mode):
                raise CharrnnError(f"{file}: exists already; name another file with ‹out›")
        descriptor, name = tempfile.mkstemp(prefix=".charrnn-", dir=file.parent)
        temporary = Path(name)
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123 (a descriptor is no path)
                yield stream
            temporary.chmod(stat.S_IMODE(like.stat().st_mode) & 0o666)
            if replace:
                temporary.replace(file)
                return
            try:
                os.link(temporary, file)  # unlike a renaming, it replaces nothing
            except FileExistsError:
                raise
            except (OSError, NotImplementedError):  # a disk without hard links
                file.open("xb").close()
                temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be written: {error.strerror}") from None


def copy_file(source: Path, file: Path, replace: bool = False) -> None:
    """Copies a file that others may read too: the copy is as private as its folder. Raises CharrnnError."""
    with new_file(file, like=file.parent, replace=replace) as out, source.open("rb") as stream:
        shutil.copyfileobj(stream, out)


def open_to_append(file: Path) -> FileIO:
    """A file of a run, to write at its end, made where there is none. Raises OSError for a link, a hard one too, and
    for a pipe, which a stranger may have put there.
    """
    safely = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | safely, 0o666)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file of this name alone", str(file))
    return FileIO(descriptor, "ab")


def remove(path: Path) -> None:
    """Removes whatever is there: a file, a folder with all in it, a link but not what it leads to. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_hollow(file: Path) -> bool:
    """Whether a file of more than a megabyte is hardly more than holes, which take no place on the disk.

    So a small archive of a stranger's may become a file of any size. Raises OSError.
    """
    with file.open("rb") as stream:
        size = file.stat().st_size
        data = end = 0
        try:
            while data < size // 8 and end < size:
                start = os.lseek(stream.fileno(), end, os.SEEK_DATA)
                end = os.lseek(stream.fileno(), start, os.SEEK_HOLE)
                data += end - start
        except AttributeError:  # a system that does not tell
            return False
        except OSError as error:
            if error.errno != errno.ENXIO:  # which says that nothing but a hole follows
                return False
    return size > 1_000_000 and data < size // 8


def sha256(file: Path) -> bytes:
    """The SHA-256 of a file, which is read in blocks. Raises OSError."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while data := stream.read(2**20):
            digest.update(data)
    return digest.digest()


class Digest:
    """The SHA-256 of blocks, computed by a thread of `beside` while the next block is made: hashlib lets go of
    Python's lock. A block must not change afterwards.
    """

    def __init__(self, beside: Executor) -> None:
        self._beside, self._hash = beside, hashlib.sha256()
        self._before: Future[None] | None = None

    def update(self, block: bytes | memoryview) -> None:
        """Adds a block. Waits for the one before it, so that few are held."""
        self._wait()
        self._before = self._beside.submit(self._hash.update, block)

    def digest(self) -> bytes:
        """The SHA-256 of all blocks until now."""
        self._wait()
        return self._hash.digest()

    def _wait(self) -> None:
        if self._before is not None:
            self._before.result()


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
