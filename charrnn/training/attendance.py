"""Workers that do not answer: which ones they are, how long they have been silent, and when to go on without them.

A worker that waits for the others for long says so in the store by which they found each other. Those that have not
said so are the silent ones. A process that is stopped has no connection that breaks, so nothing else tells of it.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import torch.distributed as dist

from charrnn.errors import CharrnnError
from charrnn.terminal import warn

SILENCE = 20.0
"""Seconds without an answer of another worker after which that is told."""
LOOK = 1.0
"""Seconds between two looks at the others."""


class Store(Protocol):
    """By which the workers found each other: texts under names, the same for all."""

    def set(self, name: str, text: str, /) -> None:
        """Puts a text."""

    def get(self, name: str, /) -> bytes:
        """A text that is there."""

    def check(self, names: list[str], /) -> bool:
        """Whether texts are there."""


class WorkerLost(CharrnnError):
    """Another worker no longer answers. The last step is whole, except for the state of that worker's streams."""


class Attendance:
    """What worker `rank` of `count` knows of those that it waits for."""

    def __init__(self, store: Store, rank: int, count: int, one_machine: bool, silence: float = SILENCE) -> None:
        self._store, self._rank, self._count = store, rank, count
        self._one_machine, self._silence = one_machine, silence
        self._meetings = 0
        self._since = math.inf
        store.set(f"process/{rank}", str(os.getpid()))

    def begin(self) -> None:
        """This worker begins to wait for the others. All workers meet equally often."""
        self._meetings += 1
        self._since = time.monotonic()

    def end(self) -> None:
        """The others have come."""
        self._since = math.inf

    @property
    def seconds(self) -> float:
        """How long this worker has been waiting; 0 or less while it is not."""
        return time.monotonic() - self._since

    def silent(self) -> list[int]:
        """The workers that have not said that they wait for this meeting too."""
        return [rank for rank in range(self._count) if rank != self._rank and self._meeting_of(rank) < self._meetings]

    def watch(self) -> None:
        """Says that this worker waits, to the others; worker 0 says to the user who does not. Never ends."""
        told = 0.0
        while True:
            time.sleep(min(LOOK, self._silence / 20))
            waited, meeting = self.seconds, self._meetings
            if waited < self._silence / 2:
                told = 0.0
                continue
            if self._meeting_of(self._rank) != meeting:
                self._store.set(f"waiting/{self._rank}", str(meeting))
            if self._rank == 0 and waited > max(self._silence, 2 * told):
                warn(f"{self._names()} not answered for {waited:.0f} s")
                told = waited

    def await_until(self, work: dist.Work, is_time_up: Callable[[], bool]) -> None:
        """Waits for the others. Where the time is up and one has long been silent, that one is ended.

        Only workers of one machine can be ended; those of others are waited for until the group's own timeout. Raises
        WorkerLost where one was ended, and RuntimeError where one is gone.
        """
        while True:
            try:
                work.wait(timedelta(seconds=LOOK))
                return
            except RuntimeError:
                if work.is_completed():
                    raise
            if self._one_machine and self.seconds > self._silence and is_time_up():
                what = f"{self._names()} not answered for {self.seconds:.0f} s, and the time is up"
                self._end_silent()
                with contextlib.suppress(RuntimeError):
                    work.wait()  # it fails, since the connections are gone
                raise WorkerLost(what)

    def _names(self) -> str:
        """Subject and verb: the silent ones have."""
        silent = self.silent()
        if not silent:
            return "the workers do not hear each other, and have"
        listed = ", ".join(map(str, silent[:8])) + (" ..." if len(silent) > 8 else "")
        return f"worker {listed} has" if len(silent) == 1 else f"workers {listed} have"

    def _end_silent(self) -> None:
        for rank in self.silent():
            with contextlib.suppress(OSError):
                os.kill(int(self._said(f"process/{rank}")), signal.SIGKILL)

    def _meeting_of(self, rank: int) -> int:
        return int(self._said(f"waiting/{rank}") or 0)

    def _said(self, key: str) -> str:
        return self._store.get(key).decode() if self._store.check([key]) else ""
