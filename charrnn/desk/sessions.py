"""The journals of writing sessions, one file each, from which a session that was killed comes back.

A file has a line of JSON for the run and one for each record of the writer. A line is in the file before its key is
answered. The files are this user's alone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from charrnn.errors import CharrnnError
from charrnn.files import open_to_append, read_small
from charrnn.generation.writer import Record
from charrnn.trust import Untrusted, trusted

MOST = 100_000_000
"""The most bytes of a journal."""
ENDING = ".jsonl"


def sessions_folder() -> Path:
    """Where the journals lie: the user's folder for the state of programs. Raises CharrnnError where there is none."""
    place = ""
    with suppress(RuntimeError):  # where there is no home
        place = platformdirs.user_state_dir("charrnn")
    if not Path(place).is_absolute():
        raise CharrnnError(
            "there is no folder for the journal: HOME is not set; set XDG_STATE_HOME to a folder of yours"
        )
    try:
        return trusted(Path(place) / "write", make=True)
    except Untrusted as error:
        raise CharrnnError(f"{place}: the journal would not be yours alone: {error}") from None
    except OSError as error:
        raise CharrnnError(f"{error.filename or place}: cannot be made: {error.strerror}") from None


class Session:
    """The journal of one session, which is written as it goes on. Nobody else opens it meanwhile."""

    def __init__(self, file: Path, new: bool) -> None:
        """Opens or makes the file. Raises OSError, and BlockingIOError where another process writes in it."""
        self.file = file
        if new:
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._stream = open_to_append(file)
        try:
            _lock(self._stream.fileno())
        except BlockingIOError:
            self._stream.close()
            raise

    @classmethod
    def begin(cls, run: Path) -> Session:
        """A new journal for a run. Raises CharrnnError where it cannot be written."""
        folder = sessions_folder()
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        try:
            session = cls(folder / f"{name}{ENDING}", new=True)
            session.add({"run": str(run.resolve())})
        except OSError as error:
            raise CharrnnError(f"{folder}: the journal cannot be written: {error.strerror}") from None
        return session

    def add(self, record: Record) -> None:
        """Writes a record. Raises OSError."""
        line = json.dumps(record, ensure_ascii=True).encode("ascii") + b"\n"
        if self._stream.write(line) != len(line):
            raise OSError(28, "no space left for it")

    def sync(self) -> None:
        """Waits until all is on the disk."""
        with suppress(OSError):
            os.fsync(self._stream.fileno())

    def close(self, keep: bool) -> None:
        """Ends the session; its file goes, unless it is to be kept."""
        if not keep:
            with suppress(OSError):
                self.file.unlink()
        self._stream.close()


@dataclass(frozen=True)
class Left:
    """A session that was killed, or left without saving."""

    file: Path
    run: str
    journal: list[Record]

    @property
    def when(self) -> str:
        """When something was last written, in local time."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.file.stat().st_mtime))

    def take_up(self) -> Session:
        """The session, to go on with. Raises OSError where another process did, or where it is gone."""
        _whole(self.file)
        return Session(self.file, new=False)


def left_sessions(run: Path) -> Iterator[Left]:
    """The sessions of a run that were left, the latest first, without those in use and what is no journal."""
    files = [file for file in sessions_folder().glob(f"*{ENDING}") if file.is_file() and not file.is_symlink()]
    for file in sorted(files, key=lambda one: (one.stat().st_mtime, one.name), reverse=True):
        with suppress(OSError, ValueError, CharrnnError):
            if _in_use(file):
                continue
            first, *records = _records(file)
            if len(records) <= 1:  # nobody has done anything in it
                file.unlink()
            elif first.get("run") == str(run.resolve()):
                yield Left(file, first["run"], records)


def _records(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal: a process that is killed may leave half a line at its end."""
    lines = read_small(file, MOST).split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


def _whole(file: Path) -> None:
    """Cuts off half a line at the end."""
    data = read_small(file, MOST)
    os.truncate(file, data.rfind(b"\n") + 1)


def _in_use(file: Path) -> bool:
    """Whether a process writes in a journal."""
    with file.open("rb") as stream:
        try:
            _lock(stream.fileno())
        except BlockingIOError:
            return True
    return False


def _lock(descriptor: int) -> None:
    """Locks a file as long as its process lives. Raises BlockingIOError where another one has it."""
    try:
        import fcntl
    except ImportError:  # Windows does without: a journal in use may be offered there
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
