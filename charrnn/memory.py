"""How much memory there is, asked before much is taken: a config of one line can want more than any machine has; and
what becomes of memory that is free again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
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


def keep_freed() -> None:
    """Has the process keep what it frees, up to 1 GB, instead of giving it back to the system; only glibc can.

    A training step frees tens of megabytes that the next one takes again, and the system hands them out page by page,
    each filled with zeros: some 7 % of the time of a small network.
    """
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # the numbers of malloc.h
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "linux":
            library = ctypes.CDLL(None)
            for key, size in ((trim_threshold, 2**30), (top_pad, 2**26), (mmap_threshold, 2**25)):
                library.mallopt(key, size)


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
