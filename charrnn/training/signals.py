"""What a training does when it is asked to stop, or to save."""

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
    """Which signal asked the training to stop, if one did."""

    number: signal.Signals | None = None


@contextmanager
def heeded(training: Training) -> Iterator[Received]:
    """SIGINT, SIGTERM and SIGHUP end the training after its step; a second SIGINT or SIGTERM at once, as if nobody
    listened; a second SIGHUP does nothing, since a terminal that goes sends several. SIGUSR1 saves.

    Only the main thread can have signals; in another one nothing changes.
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
    before = {number: signal.signal(number, stop) for number in [*STOP, *hang_up]}
    before |= {number: signal.signal(number, lambda *_: training.save_soon()) for number in SAVE}
    try:
        yield received
    finally:
        for own, handler in before.items():
            signal.signal(own, handler)
