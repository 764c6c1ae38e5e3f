"""Any sequence of evaluations gets one verdict, and it is true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.training.verdict import MOST, TOLERANCE, Evaluation, Trend, evaluations_of, judge

losses = st.lists(st.floats(0.5, 8.0), min_size=1, max_size=20)
RISEN = ("risen", "risen from the start")


def trend(nats: Sequence[float], error: float | None = None) -> str:
    verdict = judge([Evaluation(10 * (i + 1), value, error) for i, value in enumerate(nats)])
    assert verdict is not None
    return verdict.trend


@given(losses)
def test_the_best_is_the_lowest_and_the_verdict_is_one(nats: list[float]) -> None:
    verdict = judge([Evaluation(10 * (i + 1), value) for i, value in enumerate(nats)])
    assert verdict is not None and verdict.trend in get_args(Trend)
    assert verdict.best.nats == min(nats) and verdict.last.nats == nats[-1]
    assert nats[len(nats) - 1 - verdict.since_best] == min(nats)
    assert (verdict.trend == "once") == (len(nats) == 1)


@given(losses)
def test_risen_means_that_it_was_better_before(nats: list[float]) -> None:
    risen = nats[-1] > min(nats) * (1 + TOLERANCE)
    assert (trend(nats) in RISEN) == risen
    assert (trend(nats) == "risen from the start") == (risen and nats[0] == min(nats))


@given(losses, st.sampled_from([0.125, 0.5, 4.0]))
def test_the_unit_does_not_matter(nats: list[float], factor: float) -> None:
    assert trend([value * factor for value in nats]) == trend(nats)


@given(st.floats(0.5, 8.0), st.lists(st.floats(-0.49, 0.49), min_size=2, max_size=20), st.booleans())
def test_noise_has_no_trend(nats: float, noise: list[float], known: bool) -> None:
    error = 0.1 if known else None
    size = 0.1 if known else TOLERANCE * nats * 0.99
    assert trend([nats + size * value for value in noise], error) == "settled"


@given(st.lists(st.floats(1.02, 2.0), min_size=1, max_size=15))
def test_what_always_falls_is_falling_and_backwards_it_has_risen(ratios: list[float]) -> None:
    nats = [100.0]
    for ratio in ratios:
        nats.append(nats[-1] / ratio)
    assert trend(nats) == "falling"
    assert trend(nats[::-1]) == "risen from the start"


@given(losses, st.floats(0.01, 1.0))
def test_a_standard_error_decides_where_there_is_one(nats: list[float], error: float) -> None:
    assert (trend(nats, error) in RISEN) == (nats[-1] > min(nats) + error)


def test_a_hair_is_no_trend_even_where_all_was_read() -> None:
    assert trend([2.0, 2.001, 2.0, 1.999], error=0.0) == "settled"
    assert trend([2.0, 2.1, 2.2], error=0.0) == "risen from the start"


def test_by_heart_is_low_in_training_after_many_passes_while_others_suffer() -> None:
    first = Evaluation(40, 2.2, train=2.2, epochs=10)
    last = Evaluation(400, 3.4, train=0.1, epochs=100)
    cases = [
        (last, True),
        (replace(last, train=1.5), False),  # it still learns what is common to both
        (replace(last, epochs=5), False),  # what it has read five times it does not know by heart
        (replace(last, nats=2.1), False),  # the other part gains too
        (replace(last, train=None), False),
    ]
    for one, expected in cases:
        verdict = judge([first, one])
        assert verdict is not None and verdict.by_heart == expected


def test_underfit_is_as_bad_in_training() -> None:
    for train, expected in ((3.0, True), (2.8, False), (None, False)):
        verdict = judge([Evaluation(20, 3.0), Evaluation(40, 3.0, train=train)])
        assert verdict is not None and verdict.underfit == expected


def test_beside_an_n_gram_the_network_is_compared_with_itself() -> None:
    """The mixture predicts better than the network, whose loss in training is no sign of a large model's need."""
    lines: list[dict[str, float]] = [
        {"step": step, "epochs": 1.0, "loss": 2.9, "val_loss": 2.5, "aside_network": 3.0} for step in (20, 40)
    ]
    verdict = judge(evaluations_of(lines))
    assert verdict is not None and not verdict.underfit
    verdict = judge(evaluations_of([line | {"aside_network": 2.5} for line in lines]))
    assert verdict is not None and verdict.underfit


def test_nothing_evaluated_gets_no_verdict() -> None:
    assert judge([]) is None


@given(st.lists(st.integers(1, 30), max_size=30))
def test_what_an_explosion_has_undone_does_not_count(steps: list[int]) -> None:
    found = evaluations_of({"step": step, "epochs": 1.0, "val_loss": 1.0 + i} for i, step in enumerate(steps))
    assert [one.step for one in found] == sorted({one.step for one in found})
    if steps:
        assert found[-1].step == steps[-1] and found[-1].nats == float(len(steps))


def test_of_any_number_of_evaluations_the_last_ones_are_looked_at() -> None:
    found = evaluations_of({"step": i, "epochs": 1.0, "val_loss": 1.0} for i in range(3 * MOST))
    assert [one.step for one in found] == list(range(2 * MOST, 3 * MOST))


def test_the_loss_in_training_is_the_mean_since_the_evaluation_before() -> None:
    lines = [{"step": i, "epochs": i / 2, "loss": float(i)} for i in range(1, 7)]
    lines[2] |= {"val_loss": 5.0, "val_error": 0.5}
    lines[5] |= {"val_loss": 4.0}
    assert evaluations_of(lines) == [Evaluation(3, 5.0, 0.5, 2.0, 1.5), Evaluation(6, 4.0, None, 5.0, 3.0)]
    assert judge([replace(one, error=None) for one in evaluations_of(lines)]) is not None
    assert evaluations_of([{"step": 1, "epochs": 1.0, "val_loss": 3.0}])[0].train == pytest.approx(None)
