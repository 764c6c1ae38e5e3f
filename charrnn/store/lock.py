"""A run's lock, so that only one process trains it: a file with the process that holds it, and when that began."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from charrnn.errors import CharrnnError
from charrnn.files import read_small, remove

NAME = "lock"
MOST = 100
"""The bytes that a lock has at most."""


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """A context in which this process holds `run`. Raises CharrnnError where a living process holds it."""
    take(run)
    try:
        yield
    finally:
        if held(run):
            (run / NAME).unlink(missing_ok=True)


def take(run: Path) -> None:
    """Writes the lock, and replaces that of a dead process. Raises CharrnnError where a living process holds it."""
    file, own = run / NAME, run / f".{NAME}-{os.getpid()}"
    for _ in range(3):
        try:
            own.unlink(missing_ok=True)
            with own.open("x", encoding="ascii") as stream:  # never through a stranger's link to a file of yours
                stream.write(f"{os.getpid()} {_birth(os.getpid())}")
            os.link(own, file)  # at once: nobody ever sees a lock without its process
            return
        except FileExistsError:
            holder = holder_of(run)
            if holder is not None:
                raise CharrnnError(
                    f"{run}: process {holder} is training in it; wait for it, stop it, or give ‹out› another folder; "
                    f"if that process is something else, remove {file}"
                ) from None
            _remove_stale(file, own.with_suffix(".stale"))
        except OSError as error:
            raise CharrnnError(f"{file}: cannot be written: {error.strerror}") from None
        finally:
            with suppress(OSError):
                own.unlink()
    raise CharrnnError(f"{run}: another process took it just now")


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
    return holder_of(run) == os.getpid()


def holder_of(run: Path) -> int | None:
    """The number of the living process that trains in a run, or None."""
    return _holder(run / NAME)


def is_lock(file: Path) -> bool:
    """Whether a file is what `take` writes: the number of a process, and when that began."""
    try:
        return re.fullmatch(rb"[0-9]+ [0-9]*", read_small(file, MOST)) is not None
    except CharrnnError:
        return False


def _holder(file: Path) -> int | None:
    holder = 0
    try:
        number, _, birth = read_small(file, MOST).decode("ascii").partition(" ")
        holder = int(number)
        if holder < 1:
            return None  # no process has such a number; to kill it means many
        os.kill(holder, 0)  # signal 0 only asks whether the process lives
    except (CharrnnError, OSError, ValueError, OverflowError) as error:
        if not isinstance(error, PermissionError) or not holder:
            return None
    return holder if birth in ("", _birth(holder)) else None


def _birth(process: int) -> str:
    """When a process began, as the system writes it; empty if the system does not say.

    It tells a process from a later one with the same number: in a container a training is always process 1.
    """
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, ValueError, IndexError):
        return ""
