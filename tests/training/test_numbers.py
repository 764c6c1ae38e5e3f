"""The numbers of the steps: each counts once, in whatever way they come from the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import takewhile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.training.distributed import Agreement, Workers
from charrnn.training.numbers import Delayed, Numbers

CPU = torch.device("cpu")
Step = tuple[int, float, float]

finite = st.floats(0, 1e4, width=32)
numbers_ = finite | st.sampled_from([math.nan, math.inf])
walks = st.lists(st.tuples(st.integers(0, 10_000), numbers_, numbers_), max_size=20)


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def numbers(clock: Callable[[], float], lag: int = 0) -> tuple[Numbers, Agreement]:
    """As on a device whose numbers come `lag` steps later."""
    agreement = Agreement(Workers(), clock)
    own = Numbers(CPU, clock, agreement)
    own._delayed = Delayed(CPU, lag)
    return own, agreement


def add(own: Numbers, step: Step, message: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
    characters, loss, norm = step
    own.add(characters, torch.tensor([loss, norm, *message]))


def applied(steps: list[Step]) -> list[Step]:
    return [step for step in steps if math.isfinite(step[1]) and math.isfinite(step[2])]


@given(steps=walks, lag=st.integers(0, 6), seconds=st.floats(0.5, 1e4))
def test_the_means_are_those_of_the_steps_that_were_applied(steps: list[Step], lag: int, seconds: float) -> None:
    clock = Clock()
    own, _ = numbers(clock, lag)
    for step in steps:
        add(own, step)
    clock.now = seconds
    means, counted = own.means(rate=0.25), applied(steps)
    if not counted:
        assert means == {}
        return
    characters, losses, norms = np.array(counted).T
    assert means["loss"] == pytest.approx(losses.mean())
    assert means["bits_per_char"] == pytest.approx(losses.mean() / np.log(2))
    assert means["gradient_norm"] == pytest.approx(norms.mean())
    assert means["characters_per_second"] == pytest.approx(characters.sum() / seconds)
    assert means["learning_rate"] == 0.25
    assert own.means(rate=0.25) == {}


@given(steps=walks, cuts=st.sets(st.integers(0, 20)), lag=st.integers(0, 6))
def test_each_step_is_in_one_mean_wherever_they_are_asked_for(steps: list[Step], cuts: set[int], lag: int) -> None:
    clock = Clock()
    own, _ = numbers(clock, lag)
    total = speed = 0.0
    since = 0
    for i, step in enumerate([*steps, None]):
        if step is None or i in cuts:
            clock.now += 1.0
            if means := own.means(1.0):
                count = len(applied(steps[since:i]))
                total += means["loss"] * count
                speed += means["characters_per_second"]
            else:
                own.restart_clock()
            since = i
        if step is not None:
            add(own, step)
    assert total == pytest.approx(sum(step[1] for step in applied(steps)))
    assert speed == pytest.approx(sum(step[0] for step in applied(steps)))


@given(steps=walks, lag=st.integers(0, 6))
def test_skipped_are_the_last_in_a_row_that_have_come(steps: list[Step], lag: int) -> None:
    own, _ = numbers(Clock(), lag)
    for i, step in enumerate(steps, 1):
        add(own, step)
        come = steps[: max(0, i - lag)]
        assert own.skipped == len(list(takewhile(lambda step: not applied([step]), reversed(come))))


@given(
    messages=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1000)), min_size=1, max_size=12),
    lag=st.integers(0, 6),
)
def test_a_message_is_heard_when_its_step_has_come_and_not_before(
    messages: list[tuple[int, int, int]], lag: int
) -> None:
    """All workers must hear it at the same step, whatever became of that step itself."""
    own, agreement = numbers(Clock(), lag)
    for i, message in enumerate(messages, 1):
        add(own, (1, math.nan, 1.0), (float(message[0]), float(message[1]), float(message[2])))
        come = messages[: max(0, i - lag)]
        assert agreement.stop == any(stop > 0 for stop, _, _ in come)
        assert agreement.save == any(save > 0 for _, save, _ in come)
    own.means(1.0)
    assert agreement.stop == any(stop > 0 for stop, _, _ in messages)
    assert agreement.save == any(save > 0 for _, save, _ in messages)


@given(before=walks, after=walks, lag=st.integers(0, 6))
def test_what_is_forgotten_counts_no_more_though_it_was_on_its_way(
    before: list[Step], after: list[Step], lag: int
) -> None:
    clock = Clock()
    own, agreement = numbers(clock, lag)
    fresh, _ = numbers(clock, lag)
    for step in before:
        add(own, step)
    add(own, (1, 1.0, 1.0), (float(lag > 0), 0.0, 0.0))
    clock.now = 100.0
    own.forget()
    fresh.restart_clock()
    assert own.skipped == 0
    for step in after:
        add(own, step)
        add(fresh, step)
    clock.now = 107.0
    assert own.means(1.0) == fresh.means(1.0)
    assert own.skipped == fresh.skipped
    assert not agreement.stop


def test_time_that_was_not_training_is_left_out() -> None:
    clock = Clock()
    own, _ = numbers(clock)
    clock.now = 1000.0  # an evaluation
    own.restart_clock()
    add(own, (600, 1.0, 1.0))
    clock.now = 1003.0
    assert own.means(1.0)["characters_per_second"] == 200.0
    clock.now = 1005.0
    add(own, (600, 1.0, 1.0))
    assert own.means(1.0)["characters_per_second"] == 300.0


def test_a_clock_that_stands_still_breaks_nothing() -> None:
    own, _ = numbers(Clock())
    add(own, (600, 1.0, 1.0))
    assert math.isfinite(own.means(1.0)["characters_per_second"])
