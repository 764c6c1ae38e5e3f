"""How much memory is free, and what becomes of memory that the process frees.

The free memory is asked for before much is taken: one line of a config can want more than any machine has.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

from charrnn.errors import CharrnnError

FREED = ((-1, 2**30), (-2, 2**26), (-3, 2**25))
"""M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD of malloc.h, each with its value in bytes."""
ARENAS = (-8, 2)
"""M_ARENA_MAX of malloc.h, with its value."""


def require(size: int, what: str, remedy: str) -> None:
    """Raises CharrnnError if `what` takes `size` bytes, and this process may not take that much more."""
    free = available()
    if size > free:
        raise CharrnnError(
            f"{what} would take {size / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free; {remedy}"
        )


def available() -> int:
    """The bytes that this process may still take: the machine's free memory, or less if a limit is set."""
    return max(0, min([_of_machine(), _of_container(), _of_process()]))


def share_arenas() -> None:
    """Makes threads take memory from two arenas that they share, instead of one each.

    An arena keeps up to 64 MB that its thread has freed. A server's threads come and go, each with its large answers.
    Only glibc has this setting.
    """
    _tune(ARENAS)


def keep_freed() -> None:
    """Makes the process keep up to 1 GB of the memory that it frees, instead of giving it back to the system.

    A training step frees tens of megabytes that the next step takes again. The system fills each page with zeros before
    it hands it out, which takes some 7 % of the time of a small network. Only glibc has this setting.
    """
    _tune(*FREED)


def _tune(*options: tuple[int, int]) -> None:
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "linux":
            library = ctypes.CDLL(None)
            for key, value in options:
                library.mallopt(key, value)


def _of_machine() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(text.split("MemAvailable:")[1].split()[0]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):  # macOS does not tell what is free: all of it
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2**63


def _of_container() -> int:
    """The bytes that the control group (version 2) still allows."""
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # "max" is no number, and no limit
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        return limit - int((group / "memory.current").read_text(encoding="ascii"))
    return 2**63


def _of_process() -> int:
    """The bytes that `ulimit -v` still allows."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            return limit - int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    return 2**63
