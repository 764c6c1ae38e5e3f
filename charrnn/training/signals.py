"""The signals that ask a training to stop or to save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from charrnn.training.events import Training

STOP = [signal.SIGINT, signal.SIGTERM]
HANG_UP = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
"""The terminal is gone, as with a lost connection. A process that is to outlive it (nohup) ignores this signal."""
SAVE = [signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []


def not_ignored(numbers: list[signal.Signals]) -> list[signal.Signals]:
    """Those of some signals that this process was not told to ignore."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


class Received:
    """The signal that asked the training to stop; None if there was none."""

    number: signal.Signals | None = None


@contextmanager
def heeded(training: Training) -> Iterator[Received]:
    """A context in which SIGINT, SIGTERM and SIGHUP end the training after its step, and SIGUSR1 saves a checkpoint.

    A second SIGINT or SIGTERM has its usual effect. A second SIGHUP has none: a terminal that goes sends several. Only
    the main thread can handle signals; in another one nothing changes.
    """
    received = Received()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def stop(number: int, _: object) -> None:
        received.number = signal.Signals(number)
        training.stop()
        for own in STOP:
            signal.signal(own, before[own])
        for own in hang_up:
            signal.signal(own, signal.SIG_IGN)

    hang_up = not_ignored(HANG_UP)
    before = {number: signal.getsignal(number) for number in (*STOP, *hang_up, *SAVE)}
    try:
        for number in (*STOP, *hang_up):
            signal.signal(number, stop)
        for number in SAVE:
            signal.signal(number, lambda *_: training.save_soon())
        yield received
    finally:
        for own, handler in before.items():
            signal.signal(own, handler)
