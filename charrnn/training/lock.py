"""One training a run: a lock file with the process that holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from charrnn.errors import CharrnnError


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Holds `run` for this process. Raises CharrnnError where a living process holds it.

    The lock of a process that no longer lives is stale and is taken over.
    """
    file, own = run / "lock", run / f".lock-{os.getpid()}"
    for _ in range(3):
        try:
            own.write_text(str(os.getpid()), encoding="ascii")
            os.link(own, file)  # all at once: nobody ever sees a lock without a name in it
            break
        except FileExistsError:
            holder = holder_of(run)
            if holder is not None:
                raise CharrnnError(
                    f"{run}: process {holder} is training in it; wait for it, stop it, or give --out another folder; "
                    f"if that process is something else, remove {file}"
                ) from None
            file.unlink(missing_ok=True)
        except OSError as error:
            raise CharrnnError(f"{file}: cannot be written: {error.strerror}") from None
        finally:
            own.unlink(missing_ok=True)
    else:
        raise CharrnnError(f"{run}: another process took it just now")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def holder_of(run: Path) -> int | None:
    """The living process that trains in a run, if there is one."""
    file, holder = run / "lock", 0
    try:
        holder = int(file.read_text(encoding="ascii"))
        if holder < 1:
            return None  # no process; to the system it would mean many
        os.kill(holder, 0)  # sends nothing: asks whether it lives
    except (OSError, ValueError, OverflowError) as error:
        return holder if isinstance(error, PermissionError) else None
    return holder
