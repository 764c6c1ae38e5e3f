"""What a sample says of the whole, corrected by an n-gram that has read the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.evaluation.likelihood import Likelihood, ratio_error
from charrnn.evaluation.sampled import corrected
from charrnn.text.dataset import Array


def texts(count: int, common: float, seed: int = 0) -> tuple[Array, Array, Array]:
    """The nats of a model and of its yardstick, and the characters, of texts of which some are hard for both."""
    rng = np.random.default_rng(seed)
    x = rng.integers(20, 60, count)
    hard, own, other = rng.gamma(4, 0.5, (3, count))
    return x * (common * hard + (1 - common) * own), x * (common * hard + (1 - common) * other), x


def told(y: Array, z: Array, x: Array, drawn: Array) -> tuple[float, float]:
    known = Likelihood(float(z.sum()), int(x.sum()), 0.0)
    return corrected(y[drawn], z[drawn], x[drawn], float(x[drawn].sum() / x.sum()), known)


@pytest.mark.parametrize("common", [0.0, 0.5, 0.9])
def test_the_error_is_as_large_as_samples_differ_and_no_larger_than_without_the_yardstick(common: float) -> None:
    y, z, x = texts(400, common)
    rng = np.random.default_rng(1)
    draws = [rng.choice(400, 100, replace=False) for _ in range(400)]
    means, errors = np.array([told(y, z, x, drawn) for drawn in draws]).T
    plain = [ratio_error(y[d], x[d], float(x[d].sum() / x.sum())) or 0.0 for d in draws]
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)
    assert np.mean(means) == pytest.approx(y.sum() / x.sum(), abs=3 * np.std(means) / 20)
    assert np.mean(errors) < 1.02 * np.mean(plain)
    if common == 0.9:
        assert np.mean(errors) < 0.3 * np.mean(plain)


@given(st.floats(0.1, 3), st.floats(-1, 1), st.integers(3, 300))
def test_what_the_yardstick_explains_is_known_exactly(slope: float, more: float, count: int) -> None:
    _, z, x = texts(500, 0.5)
    y = slope * z + more * x
    mean, error = told(y, z, x, np.arange(count))
    assert mean == pytest.approx(y.sum() / x.sum(), abs=1e-9)
    assert error == pytest.approx(0, abs=1e-6)


def test_an_error_of_the_yardstick_is_added() -> None:
    y, z, x = texts(100, 0.7)
    exact = Likelihood(float(z.sum()), int(x.sum()), 0.0)
    mean, error = corrected(y, z, x, 0.1, exact)
    again, more = corrected(y, z, x, 0.1, Likelihood(exact.nats, exact.characters, 0.3))
    slope = np.polyfit(z - z.sum() / x.sum() * x, y - y.sum() / x.sum() * x, 1)[0]
    assert again == mean
    assert more == pytest.approx(math.hypot(error, 0.3 * slope), rel=0.01)


def test_a_yardstick_that_says_the_same_everywhere_corrects_nothing() -> None:
    y, _, x = texts(50, 0.5)
    mean, error = told(y, 2.0 * x, x, np.arange(20))
    assert mean == pytest.approx(y[:20].sum() / x[:20].sum())
    plain = ratio_error(y[:20], x[:20], float(x[:20].sum() / x.sum())) or 0.0
    assert error == pytest.approx(plain * math.sqrt(19 / 18))
