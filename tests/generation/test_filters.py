from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.generation.filters import Filter, Filters, Floats, draw, log_softmax

NONE = np.zeros((1, 0), np.int64)
logits = st.lists(st.floats(-20, 20), min_size=2, max_size=12)
filters = st.builds(
    Filters,
    temperature=st.one_of(st.just(0.0), st.floats(0.05, 5)),
    top_k=st.one_of(st.none(), st.integers(1, 15)),
    top_p=st.floats(0.01, 1),
    repetition_penalty=st.floats(1, 5),
)


def log_probs(values: list[float]) -> Floats:
    return log_softmax(np.array([values], np.float32))


@given(logits, filters, st.lists(st.integers(0, 1), max_size=5))
def test_gives_probabilities_that_sum_to_one(values: list[float], f: Filters, recent: list[int]) -> None:
    p = f(log_probs(values), np.array([recent], np.int64).reshape(1, -1))
    assert np.isfinite(p).all()
    assert (p >= 0).all()
    assert p.sum().item() == pytest.approx(1, abs=1e-4)


@given(logits)
def test_nothing_asked_nothing_changed(values: list[float]) -> None:
    assert np.allclose(Filters()(log_probs(values), NONE), np.exp(log_probs(values)), atol=1e-6)


@given(logits)
def test_temperature_zero_is_the_most_likely(values: list[float]) -> None:
    p = Filters(temperature=0)(log_probs(values), NONE)
    assert p[0, log_probs(values).argmax()] == 1


@given(logits, st.integers(1, 15))
def test_top_k_keeps_k_of_the_likeliest(values: list[float], k: int) -> None:
    before, p = log_probs(values)[0], Filters(top_k=k)(log_probs(values), NONE)[0]
    kept = p > 0
    assert kept.sum() <= min(k, len(values))
    assert kept[before.argmax()]
    if (~kept).any():
        assert before[kept].min() >= before[~kept].max() - 20 * (p[kept].min() == 0)


@given(logits, st.floats(0.01, 0.999))
def test_top_p_keeps_the_smallest_set_that_holds_p(values: list[float], top_p: float) -> None:
    before = np.exp(log_probs(values)[0])
    kept = Filters(top_p=top_p)(log_probs(values), NONE)[0] > 0
    held = before[kept].sum().item()
    assert held >= top_p - 1e-4
    assert held - before[kept].min().item() < top_p + 1e-4


def test_repetition_penalty_makes_the_seen_less_likely() -> None:
    p = Filters(repetition_penalty=2)(log_probs([0.0, 0.0, 0.0]), np.array([[1, 1]]))
    assert p[0, 1] < p[0, 0] == p[0, 2]


@pytest.mark.parametrize(
    ("name", "bad"),
    [("temperature", -1), ("temperature", 101), ("top_k", 0), ("top_p", 0), ("top_p", 2), ("repetition_penalty", 0.5)],
)
def test_bounds(name: str, bad: float) -> None:
    with pytest.raises(CharrnnError, match=f"{name}=.*expected"):
        Filters(**{name: bad})  # type: ignore[arg-type]


@given(logits, st.lists(st.integers(0, 11), min_size=1, max_size=5), filters)
def test_leaves_its_arguments_as_they_are(values: list[float], recent: list[int], f: Filters) -> None:
    before = log_probs(values)
    given, ids = before.copy(), np.array([recent]) % len(values)
    f(given, ids)
    assert np.array_equal(given, before)


@given(logits, st.integers(0, 2**32 - 1))
def test_draw_never_takes_the_impossible(values: list[float], seed: int) -> None:
    p = Filters(top_k=2)(log_probs(values), NONE)
    i = draw(p, np.random.default_rng(seed).standard_exponential(p.shape))
    assert p[0, i] > 0


def test_draw_follows_the_distribution() -> None:
    p, n = np.array([0.5, 0.0, 0.2, 0.3], np.float32), 20_000
    race = np.random.default_rng(0).standard_exponential((n, 4))
    counts = np.bincount(draw(np.tile(p, (n, 1)), race), minlength=4) / n
    assert np.allclose(counts, p, atol=0.02)


@given(st.lists(st.floats(-8, 0), min_size=2, max_size=400), st.integers(0, 2**32 - 1))
def test_roundings_hardly_ever_change_a_draw(values: list[float], seed: int) -> None:
    """Relative errors of e, however many characters there are: another outcome with a probability of 2 e at most."""
    rng, n, e = np.random.default_rng(seed), 4000, 1e-3
    p = np.exp(log_probs(values))
    race = rng.standard_exponential((n, len(values)))
    changed = draw(p, race) != draw(p * (1 + e * rng.choice([-1, 1], p.shape)).astype(np.float32), race)
    assert changed.mean() <= 2 * e + 5 * (2 * e / n) ** 0.5


@given(logits, st.sets(st.integers(0, 11)), filters)
def test_what_an_own_filter_forbids_is_never_drawn_and_the_rest_keeps_its_proportions(
    values: list[float], forbidden: set[int], f: Filters
) -> None:
    columns = [i for i in forbidden if i < len(values)]

    def without(given: Floats) -> Floats:
        given[:, columns] = -np.inf
        return given

    before = log_probs(values)
    if len(columns) == len(values):
        with pytest.raises(CharrnnError, match=r"filters: without: no character is left"):
            replace(f, own=[without])(before, NONE)
        return
    p = replace(f, own=[without])(before, NONE)
    assert (p[:, columns] == 0).all()
    assert p.sum().item() == pytest.approx(1, abs=1e-4)
    left = np.exp(before)
    left[:, columns] = 0
    assert np.allclose(Filters(own=[without])(before, NONE), left / left.sum(), atol=1e-5)


@given(logits, st.integers(0, 11))
def test_an_own_filter_cannot_allow_what_is_forbidden(values: list[float], i: int) -> None:
    before = log_probs(values)
    before[:, i % len(values)] = -np.inf
    assert Filters(own=[np.zeros_like])(before, NONE)[0, i % len(values)] == 0


@given(logits, st.floats(-50, 50), st.floats(1, 5))
def test_own_filters_need_not_normalise(values: list[float], shift: float, penalty: float) -> None:
    before, recent = log_probs(values), np.array([[0, 1]])
    moved = Filters(repetition_penalty=penalty, own=[lambda given: given + np.float32(shift)])(before, recent)
    assert np.allclose(moved, Filters(repetition_penalty=penalty)(before, recent), atol=1e-3)


def test_own_filters_come_one_after_the_other_and_before_top_k() -> None:
    heard: list[str] = []

    def named(name: str) -> Filter:
        def listen(given: Floats) -> Floats:
            heard.append(f"{name} {np.isfinite(given).sum()}")
            return given

        return listen

    Filters(top_k=1, own=[named("one"), named("two")])(log_probs([0.0, 1.0, 2.0]), NONE)
    assert heard == ["one 3", "two 3"]


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (lambda given: None, "not nothing"),
        (lambda given: given[:, 1:], r"\[1, 3\] was expected, not float32 \[1, 2\]"),
        (lambda given: given[0], r"\[1, 3\] was expected"),
        (lambda given: given > 0, "not bool"),
        (lambda given: given * np.nan, "NaN"),
        (lambda given: given + np.inf, "inf"),
    ],
)
def test_what_an_own_filter_may_not_give(bad: Filter, match: str) -> None:
    with pytest.raises(CharrnnError, match=rf"^filters: <lambda>: .*{match}"):
        Filters(own=[bad])(log_probs([0.0, 1.0, 2.0]), NONE)


@pytest.mark.parametrize("bad", [[3], [None], log_softmax])
def test_what_is_no_filter(bad: Any) -> None:
    with pytest.raises(CharrnnError, match=r"^filters: .*a list of functions"):
        Filters(own=bad)
