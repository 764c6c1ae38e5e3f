"""How much memory there is, asked before much is taken: a config of one line can want more than any machine has."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from charrnn.errors import CharrnnError


def require(size: int, what: str, remedy: str) -> None:
    """Raises CharrnnError where `size` bytes, for `what`, are more than this process may still take."""
    free = available()
    if size > free:
        raise CharrnnError(
            f"{what} would take {size / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free; {remedy}"
        )


def available() -> int:
    """Bytes that this process may still take: what the machine has free, or less where a limit is set."""
    return max(0, min([_of_machine(), _of_container(), _of_process()]))


def _of_machine() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(text.split("MemAvailable:")[1].split()[0]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):  # macOS: all of it, since what is free is not told
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2**63


def _of_container() -> int:
    """What the control group (version 2) leaves."""
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # "max" is no number, and no limit
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        return limit - int((group / "memory.current").read_text(encoding="ascii"))
    return 2**63


def _of_process() -> int:
    """What `ulimit -v` leaves."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            return limit - int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    return 2**63
