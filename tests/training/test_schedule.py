from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import TrainingConfig, parse_interval
from charrnn.training.schedule import Progress, is_due, learning_rate, progress_of

fractions = st.floats(0, 1)


def training(**keys: Any) -> TrainingConfig:
    return TrainingConfig.model_validate(keys)


def at(fraction: float, steps: int = 0, epochs: float = 0) -> Progress:
    return Progress(steps, fraction * 5, epochs, fraction)


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("500 steps", 500, "steps"),
        ("1 step", 1, "steps"),
        ("0.5minutes", 0.5, "minutes"),
        ("2 epochs", 2, "epochs"),
        ("10%", 10, "%"),
    ],
)
def test_intervals(text: str, amount: float, unit: str) -> None:
    assert parse_interval(text) == (amount, unit)


@pytest.mark.parametrize(
    "text", ["", "5", "0 steps", "-1 steps", "5 hours", "steps", "1e9 steps", "five minutes", "9" * 400 + "%"]
)
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        parse_interval(text)


@given(st.sampled_from(["cosine", "constant", "step"]), fractions)
def test_the_rate_stays_between_nothing_and_the_highest(schedule: str, fraction: float) -> None:
    config = training(schedule=schedule, learning_rate=0.1)
    assert 0 < learning_rate(config, at(fraction)) <= 0.1


@given(fractions, fractions)
def test_cosine_falls_after_the_warm_up(a: float, b: float) -> None:
    config = training(learning_rate=0.1, warmup="5%")
    early, late = sorted((max(a, 0.05), max(b, 0.05)))
    assert learning_rate(config, at(early)) >= learning_rate(config, at(late))


def test_ends() -> None:
    config = training(learning_rate=0.1, warmup="5%", final_rate=0.02)
    assert learning_rate(config, at(1)) == pytest.approx(0.002)
    assert learning_rate(config, at(0.025)) == pytest.approx(0.05, rel=0.01)
    assert learning_rate(training(schedule="constant", learning_rate=0.1, warmup=None), at(0.7)) == 0.1


def test_steps_of_decay() -> None:
    config = training(schedule="step", learning_rate=0.8, decay_every="2 epochs", decay_factor=0.5, warmup=None)
    assert [learning_rate(config, at(0.5, epochs=e)) for e in (0, 1.9, 2, 4.1, 7)] == pytest.approx(
        [0.8, 0.8, 0.4, 0.2, 0.1]
    )


def test_steps_of_decay_at_given_moments() -> None:
    config = training(schedule="step", learning_rate=0.8, decay_at=["60%", "4 epochs"], decay_factor=0.1, warmup=None)
    rates = [learning_rate(config, at(fraction, epochs=5 * fraction)) for fraction in (0, 0.5, 0.6, 0.79, 0.8, 1)]
    assert rates == pytest.approx([0.8, 0.8, 0.08, 0.08, 0.008, 0.008])


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=50))
def test_due_as_often_as_the_interval_passes(increments: list[float]) -> None:
    position, count = 0.0, 0
    for increment in increments:
        count += is_due("1 epochs", at(0, epochs=position), at(0, epochs=position + increment))
        position += increment
    assert count == int(position)


def test_never_due() -> None:
    assert not is_due(None, at(0), at(1))


def test_the_fraction_follows_the_unit_of_the_length() -> None:
    assert progress_of(training(steps=10), 5, 99, 99).fraction == 0.5
    assert progress_of(training(minutes=10), 99, 5, 99).fraction == 0.5
    assert progress_of(training(epochs=2), 99, 99, 0.5).fraction == 0.25
    assert progress_of(training(steps=10), 15, 0, 0).fraction == 1


def test_of_two_lengths_the_first_ends_the_training() -> None:
    assert progress_of(training(minutes=10, epochs=2), 99, 5, 0.5).fraction == 0.5
    assert progress_of(training(minutes=10, epochs=2), 99, 5, 1.5).fraction == 0.75
    assert progress_of(training(minutes=10, steps=20), 20, 5, 99).fraction == 1
    assert progress_of(training(minutes=10, steps=20), 2, 10, 99).fraction == 1
