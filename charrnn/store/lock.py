"""A run's lock, so that only one process trains it: a file with the process that holds it, when that began, and where.

On a disk that machines share, nobody can ask whether a process of another machine lives. Whoever holds a lock therefore
touches it every half a minute, and a lock of another machine counts until it was not touched for five minutes.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from charrnn.errors import CharrnnError
from charrnn.files import read_small, remove

NAME = "lock"
MOST = 100
"""The bytes that a lock has at most."""
BEAT = 30.0
"""The seconds between two signs of life."""
SILENCE = 300.0
"""The seconds without a sign of life after which the process of another machine counts as dead."""


class Taken(CharrnnError):
    """A living process holds the run."""


class Holder(NamedTuple):
    """A process that holds a lock."""

    process: int
    machine: str
    """The name of its machine; nothing for this one."""

    def __str__(self) -> str:
        return f"process {self.process}" + (f" of the machine {self.machine}" if self.machine else "")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """A context in which this process holds `run`. Raises Taken where a living process holds it."""
    take(run)
    done = Event()
    heart = Thread(target=_beat, args=(run, done), daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
        if held(run):
            (run / NAME).unlink(missing_ok=True)


def take(run: Path) -> None:
    """Writes the lock, and replaces that of a dead process. Raises Taken where a living process holds it."""
    file, own = run / NAME, run / f".{NAME}-{os.getpid()}"
    for _ in range(3):
        try:
            own.unlink(missing_ok=True)
            with own.open("x", encoding="ascii") as stream:  # never through a stranger's link to a file of yours
                stream.write(f"{os.getpid()} {_birth(os.getpid())} {_machine()}")
            os.link(own, file)  # at once: nobody ever sees a lock without its process
            return
        except FileExistsError:
            holder = _holder(file, now=own.stat().st_mtime if own.exists() else None)
            if holder is not None:
                raise Taken(
                    f"{run}: {holder} is training in it; wait for it, stop it, or give ‹out› another folder; "
                    f"if that process is something else, remove {file}"
                ) from None
            _remove_stale(file, own.with_suffix(".stale"))
        except OSError as error:
            raise CharrnnError(f"{file}: cannot be written: {error.strerror}") from None
        finally:
            with suppress(OSError):
                own.unlink()
    raise Taken(f"{run}: another process took it just now")


def _beat(run: Path, done: Event) -> None:
    """Touches the lock until `done`, as long as it is this process's."""
    while not done.wait(BEAT):
        with suppress(OSError):
            if held(run):
                os.utime(run / NAME)


def _remove_stale(file: Path, aside: Path) -> None:
    """Removes the lock of a dead process; one that a living process has put in its place meanwhile is put back."""
    with suppress(FileNotFoundError):
        file.rename(aside)
        if _holder(aside) is not None:
            with suppress(FileExistsError):
                os.link(aside, file)
        remove(aside)


def held(run: Path) -> bool:
    """Whether this process holds a run."""
    return holder_of(run) == (os.getpid(), "")


def holder_of(run: Path) -> Holder | None:
    """The living process that trains in a run, or None."""
    return _holder(run / NAME)


def is_lock(file: Path) -> bool:
    """Whether a file is what `take` writes: the number of a process, when that began, and its machine."""
    try:
        return re.fullmatch(rb"[0-9]+ [0-9]*( [\w.-]*)?", read_small(file, MOST)) is not None
    except CharrnnError:
        return False


def _holder(file: Path, now: float | None = None) -> Holder | None:
    """The living process that a file names. `now` is the time of the disk, by which another machine's is judged."""
    process = 0
    try:
        number, birth, machine, *_ = [*read_small(file, MOST).decode("ascii").split(" "), "", ""]
        process = int(number)
        if process < 1:
            return None  # no process has such a number; to kill it means many
        if machine not in ("", _machine()):
            return Holder(process, machine) if _shows_life(file, now) and is_lock(file) else None
        os.kill(process, 0)  # signal 0 only asks whether the process lives
    except (CharrnnError, OSError, ValueError, OverflowError) as error:
        if not isinstance(error, PermissionError) or not process:
            return None
    return Holder(process, "") if birth in ("", _birth(process)) else None


def _shows_life(file: Path, now: float | None) -> bool:
    """Whether a lock was touched within `SILENCE` seconds. The clocks of two machines may differ, the disk has one."""
    if now is None:
        probe = file.with_name(f".{NAME}-{os.getpid()}")
        try:
            probe.unlink(missing_ok=True)
            probe.touch(exist_ok=False)
            now = probe.stat().st_mtime
        except OSError:
            return True  # a folder in which nobody else writes either; what is there is believed
        finally:
            with suppress(OSError):
                probe.unlink()
    return abs(now - file.stat().st_mtime) < SILENCE


def _machine() -> str:
    """The name of this machine, in letters that a lock may have."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", platform.node())[:40]


def _birth(process: int) -> str:
    """When a process began, as the system writes it; empty if the system does not say.

    It tells a process from a later one with the same number: in a container a training is always process 1.
    """
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, ValueError, IndexError):
        return ""
