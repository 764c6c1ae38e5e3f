"""Slow steps are told once, and nothing else is taken for them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.training import pace
from charrnn.training.events import Event
from charrnn.training.pace import COMPILING, SECONDS, SLOW, STEPS, WAITS, Pace, Step, diagnosis, slowdown
from charrnn.training.schedule import Progress
from charrnn.training.standing import Standing

seconds = st.floats(1e-4, 100.0)
lengths = st.lists(st.integers(1, 10_000), min_size=STEPS, max_size=STEPS)
NOW = Progress(1, 0.0, 0.0, 0.0)


@given(st.lists(seconds, min_size=STEPS, max_size=STEPS), st.floats(0.01, 1000))
def test_the_slowdown_is_the_factor(took: list[float], factor: float) -> None:
    first = [Step(one, 64) for one in took]
    assert slowdown(first, [Step(one * factor, 64) for one in took]) == pytest.approx(factor)
    assert slowdown(first, first) == pytest.approx(1)


@given(seconds, st.lists(st.floats(1, 1e9), max_size=STEPS // 2))
def test_a_few_gaps_are_no_slowness(took: float, gaps: list[float]) -> None:
    first = [Step(took, 64)] * STEPS
    assert slowdown(first, [*first[len(gaps) :], *(Step(took * gap, 64) for gap in gaps)]) == pytest.approx(1)


@given(lengths, lengths, st.floats(0, 1e-2), st.floats(1e-7, 1e-3))
def test_documents_of_other_lengths_are_no_slowness(
    first: list[int], now: list[int], of_a_step: float, of_a_character: float
) -> None:
    def steps(characters: list[int]) -> list[Step]:
        return [Step(of_a_step + of_a_character * one, one) for one in characters]

    assert slowdown(steps(first), steps(now)) <= 1 + 1e-9


@given(st.floats(0, 1000), st.none() | st.floats(0, 1))
def test_what_is_said(times: float, waits: float | None) -> None:
    said = diagnosis(times, waits)
    assert bool(said) == (times >= SLOW or (waits or 0) >= WAITS)
    assert ("power saving" in said) == (times >= SLOW and (waits or 0) < 0.5)


@dataclass
class Made:
    """A training of made-up steps, with a clock that they move."""

    path: Path = Path("runs/a novel")
    standing: Standing = field(default_factory=Standing)
    now: float = 0.0
    ran: int = 0
    waited: int = 0
    knows: bool = True

    def pace(self) -> Pace:
        made: Any = self
        return Pace(made, made, lambda: self.now, lambda: (self.ran, self.waited) if self.knows else None)

    def step(self, listener: Pace, took: float, waits: float = 0.0, characters: int = 64) -> None:
        self.now += took
        self.ran += int(1e9 * took * (1 - waits))
        self.waited += int(1e9 * took * waits)
        self.standing.learnt += characters
        listener.hear(Event("step", NOW))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(pace, "warn", lines.append)
    return lines


def test_slow_steps_are_told_once_with_the_command_to_go_on(told: list[str]) -> None:
    made = Made()
    listener = made.pace()
    for _ in range(COMPILING + 200):
        made.step(listener, 0.1)
    assert told == []
    for _ in range(100):
        made.step(listener, 1.2)
    assert len(told) == 1
    assert "12 times" in told[0] and told[0].endswith("charrnn train --resume 'runs/a novel'")


@pytest.mark.parametrize("between", ["evaluation", "sample", "checkpoint", "explosion"])
def test_the_other_work_of_a_training_is_no_step(told: list[str], between: Any) -> None:
    made = Made()
    listener = made.pace()
    for i in range(300):
        made.step(listener, 0.1)
        if i > 150:
            made.now += 1000
            listener.hear(Event(between, NOW))
    assert told == []


def test_the_first_steps_and_a_laptop_that_slept_are_no_measure(told: list[str]) -> None:
    made = Made()
    listener = made.pace()
    for _ in range(COMPILING):
        made.step(listener, 1000)
    for i in range(1000):
        made.step(listener, 100_000 if i % 200 == 150 else 0.1)
    assert told == []


def test_short_bursts_of_slow_steps_are_not_told(told: list[str]) -> None:
    made = Made()
    listener = made.pace()
    for _ in range(50):
        for took in itertools.chain([0.01] * 800, [0.15] * (STEPS - 1)):
            made.step(listener, took)
    assert told == []


@pytest.mark.parametrize(("waits", "expected"), [(0.0, 0), (0.5, 0), (0.8, 1)])
def test_waiting_for_a_core_is_told_from_the_first_steps_on(told: list[str], waits: float, expected: int) -> None:
    made = Made()
    listener = made.pace()
    for _ in range(int(20 * SECONDS)):
        made.step(listener, 0.2, waits)
    assert len(told) == expected
    assert all("80 % of its time" in line for line in told)


def test_where_the_system_does_not_say_how_long_a_thread_waits(told: list[str]) -> None:
    made = Made(knows=False)
    listener = made.pace()
    for _ in range(200):
        made.step(listener, 0.2, 0.99)
    assert told == []
