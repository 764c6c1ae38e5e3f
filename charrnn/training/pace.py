"""Steps that have become absurdly slow, and threads that wait for a core: a training tells it once, with what to do."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import median
from typing import NamedTuple

from charrnn.run import Run
from charrnn.terminal import warn
from charrnn.training import waiting
from charrnn.training.events import Event, Training
from charrnn.training.standing import Standing
from charrnn.training.waiting import Scheduled

SLOW = 10.0
"""Steps are slow if they take so many times as long as the first ones."""
WAITS = 0.7
"""A training waits for a core if its thread could run and does not for this share of its time. Beside one other program
of equal priority for each core it is a half, which is the user's business."""
COMPILING = 5
"""The first steps, which compile and fill caches, count for nothing."""
STEPS, SECONDS = 11, 10.0
"""Steps are judged together, as many and as long at least. A few that are slow, or a laptop that slept, are no sign."""


class Step(NamedTuple):
    """How long a step took, and how much it learnt from."""

    seconds: float
    characters: int

    @property
    def of_a_character(self) -> float:
        """The seconds for each character."""
        return self.seconds / max(1, self.characters)


def slowdown(first: Sequence[Step], now: Sequence[Step]) -> float:
    """How many times as long steps take now as the first ones did, by their medians; both are of odd numbers.

    A step of longer documents takes longer, and a character of shorter ones does. What is slow is so in both ways.
    """
    per_step = _median(step.seconds for step in now) / _median(step.seconds for step in first)
    per_character = _median(step.of_a_character for step in now) / _median(step.of_a_character for step in first)
    return min(per_step, per_character)


def _median(values: Iterable[float]) -> float:
    return max(median(values), 1e-12)  # a clock that stands still divides by nothing


def diagnosis(times: float, waits: float | None) -> str:
    """What is said of steps that take so many times as long as the first ones; nothing where they are not slow.

    `waits` is the share of its time in which the training waits for a core, if that is known.
    """
    if waits is not None and waits >= (WAITS if times < SLOW else 0.5):
        return (
            f"other programs are on the cores: the training waits for one {100 * waits:.0f} % of its time; end them "
            "(top lists them)"
        )
    if times < SLOW:
        return ""
    return (
        f"a step takes {times:,.0f} times as long as the first ones did; look for other programs on the cores, on a "
        "laptop for power saving or heat, and for swapping (then a smaller training.batch_size or model helps)"
    )


class Pace:
    """Measures steps, and nothing else that a training does, and tells once if they are absurdly slow."""

    def __init__(
        self,
        run: Run,
        training: Training,
        clock: Callable[[], float] = time.perf_counter,
        scheduled: Callable[[], Scheduled | None] | None = None,
    ) -> None:
        self._run, self._training, self._clock = run, training, clock
        self._scheduled = scheduled or partial(waiting.scheduled, str(threading.get_native_id()))
        self._before: tuple[float, int] | None = None  # the clock and the characters at the end of the step before
        self._heard, self._told = 0, False
        self._first: list[Step] = []
        self._begin()

    def hear(self, event: Event) -> None:
        """Takes the time from a step to the next one. What comes between them (an evaluation) is no step."""
        if self._told or event.kind != "step":
            self._before = None
            return
        standing = self._training.standing
        now = self._clock(), standing.learnt if isinstance(standing, Standing) else 0
        before, self._before = self._before, now
        self._heard += 1
        if before is None or self._heard <= COMPILING:
            return
        self._steps.append(Step(now[0] - before[0], now[1] - before[1]))
        self._seconds += self._steps[-1].seconds
        if len(self._steps) >= STEPS and len(self._steps) % 2 and self._seconds >= SECONDS:
            self._judge()

    def close(self) -> None:
        """Does nothing."""

    def _judge(self) -> None:
        steps, waits = self._steps, self._waits()
        self._first = self._first or steps
        if said := diagnosis(slowdown(self._first, steps), waits):
            resume = f"charrnn train --resume {shlex.quote(str(self._run.path))}"
            warn(f"slow: {said}. Ctrl-C saves, and this goes on later: {resume}")
            self._told = True
        self._begin()

    def _waits(self) -> float | None:
        """The share of its time in which this thread has waited for a core since `_begin`."""
        now = self._scheduled()
        if now is None or self._began is None:
            return None
        ran, waited = now[0] - self._began[0], now[1] - self._began[1]
        return waited / (ran + waited) if ran + waited > 0 else None

    def _begin(self) -> None:
        self._steps: list[Step] = []
        self._seconds, self._began = 0.0, self._scheduled()
