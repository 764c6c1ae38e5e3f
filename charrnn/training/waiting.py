"""How the threads of a training wait for each other beside other processes.

They meet some hundred times in a step. The one that comes first spins, because waking a thread that sleeps takes longer
than most waits. But if another process has the core of the thread that is waited for, it does not come for
milliseconds, and all that time is lost. So they sleep after a short spin while others want the cores.

libgomp, the OpenMP of PyTorch on Linux, spins for 300,000 rounds, or for 100 while it has more threads than there are
cores (its manual, GOMP_SPINCOUNT). Beside other processes it is therefore given a crowd: threads that sleep.

The system puts one of our threads on each core, beside the others. Then it seldom lets all of them run at once, so that
most of a turn on a core is spent in waiting. They are therefore drawn together to half of the cores, for a moment, from
which they may leave again: the system then moves the others to the cores that are less used.

Results depend on neither. What the user sets (OMP_WAIT_POLICY, GOMP_SPINCOUNT) stands. Other runtimes of OpenMP are
left alone.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import torch

from charrnn import native
from charrnn.device import cores

PERIOD = 0.2
"""Seconds from one look at the cores to the next."""
WAITS = 0.05
"""The share of their time for which threads wait for a core, from which on others want it. Alone it is under 0.01,
beside one busy process 0.2 or more."""
MOMENT = 0.004
"""Seconds for which threads are held together. One that sleeps moves when it is woken, within a step."""


Scheduled = tuple[int, int]
"""The nanoseconds for which threads ran, and for which they waited for a core."""


def scheduled(task: str = "*") -> Scheduled | None:
    """What the threads of this process did until now, or one of them, by its number. None where nothing tells it."""
    ran = waited = count = 0
    for file in Path("/proc/self/task").glob(f"{task}/schedstat"):
        with suppress(OSError, ValueError):  # it has just ended
            numbers = file.read_bytes().split()
            ran, waited, count = ran + int(numbers[0]), waited + int(numbers[1]), count + 1
    return (ran, waited) if count else None


@contextmanager
def considerate(look: Callable[[], Scheduled | None] = scheduled, period: float = PERIOD) -> Iterator[None]:
    """A context in which threads spin for each other briefly while other processes want the cores."""
    runtime, first = _libgomp(), look()
    if runtime is None or first is None:
        yield
        return
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(runtime, look, first, period, threading.get_native_id(), ended), daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _watch(
    runtime: ctypes.CDLL,
    look: Callable[[], Scheduled | None],
    before: Scheduled,
    period: float,
    leader: int,
    ended: threading.Event,
) -> None:
    """While others want the cores, gives libgomp a crowd and draws our threads together."""
    with ExitStack() as crowd:
        crowded = False
        while not ended.wait(period):
            now = look() or before
            ran, waited = now[0] - before[0], now[1] - before[1]
            before, wanted = now, waited > WAITS * (ran + waited)
            if wanted and not crowded:
                crowd.enter_context(_crowd(runtime, max(2, cores() - torch.get_num_threads() + 2)))
            elif not wanted:
                crowd.close()
            crowded = wanted
            if wanted:
                _draw_together(leader, ended)


def _draw_together(leader: int, ended: threading.Event) -> None:
    """Moves the threads of libraries to half of the cores, that of the thread `leader` among them. After a moment they
    may use all cores again. Threads of Python stay where they are: what they start would inherit their half.
    """
    allowed = sorted(os.sched_getaffinity(leader))
    first = allowed.index(core) if (core := _core_of(leader)) in allowed else 0
    half = set((allowed + allowed)[first : first + len(allowed) // 2])
    if not half:
        return
    known = {thread.native_id for thread in threading.enumerate()}
    moved = [int(task.name) for task in Path("/proc/self/task").iterdir() if int(task.name) not in known]
    free = {thread: own for thread in moved if (own := _cores_of(thread)) > half}
    _let_use(dict.fromkeys(free, half))
    ended.wait(MOMENT)
    _let_use(free)


def _core_of(thread: int) -> int:
    """The core on which a thread runs, or ran last; -1 where nothing tells it."""
    with suppress(OSError, ValueError, IndexError):
        after_name = Path(f"/proc/self/task/{thread}/stat").read_text().rpartition(")")[2].split()
        return int(after_name[36])  # the 39th field; two stand before these (proc(5))
    return -1


def _cores_of(thread: int) -> set[int]:
    """The cores that a thread may use; none if it has just ended."""
    with suppress(OSError):
        return os.sched_getaffinity(thread)
    return set()


def _let_use(cores: dict[int, set[int]]) -> None:
    for thread, own in cores.items():
        with suppress(OSError):  # it has just ended
            os.sched_setaffinity(thread, own)


@contextmanager
def _crowd(runtime: ctypes.CDLL, threads: int) -> Iterator[None]:
    """A context with one more team of libgomp, of so many threads, which sleep. A team lives as long as the thread that
    began it.
    """
    leave = threading.Event()

    def stay() -> None:
        runtime.GOMP_parallel(runtime.omp_in_parallel, None, threads, 0)  # any function would do
        leave.wait()

    host = threading.Thread(target=stay, daemon=True)
    host.start()
    try:
        yield
    finally:
        leave.set()
        host.join()


def _libgomp() -> ctypes.CDLL | None:
    """PyTorch's libgomp; None where that is another runtime, or the user has set how it waits."""
    if any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")):
        return None
    file = native.openmp_of_torch()
    if file is None or not Path(file).name.startswith("libgomp"):
        return None
    with suppress(OSError):
        runtime = ctypes.CDLL(file)
        if hasattr(runtime, "GOMP_parallel"):
            return runtime
    return None
