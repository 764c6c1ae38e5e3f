"""The signals that ask a training to stop or to save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from charrnn.training.events import Training

STOP = [signal.SIGINT, signal.SIGTERM]
SAVE = [signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []


class Received:
    """The signal that asked the training to stop; None if there was none."""

    number: signal.Signals | None = None


@contextmanager
def heeded(training: Training) -> Iterator[Received]:
    """A context in which SIGINT and SIGTERM end the training after its step, and SIGUSR1 saves a checkpoint.

    A second SIGINT or SIGTERM has its usual effect. Only the main thread can handle signals; in another one nothing
    changes.
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

    before = {number: signal.signal(number, stop) for number in STOP}
    before |= {number: signal.signal(number, lambda *_: training.save_soon()) for number in SAVE}
    try:
        yield received
    finally:
        for own, handler in before.items():
            signal.signal(own, handler)
