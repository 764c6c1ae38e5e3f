"""What a training is judged by is the likelihood of the same characters at every evaluation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.evaluation.likelihood import Likelihood, likelihood, some_characters
from charrnn.evaluation.sampled import sampled, yardstick
from charrnn.models import LanguageModel, Mixture, NGramModel, build_model, set_kernels
from charrnn.text.dataset import Part
from charrnn.training import validation
from charrnn.training.standing import Standing
from charrnn.training.validation import LEAST, MOST, SHARE, SHORT_RUN_UP, STREAM, Validation, metrics

V = 6


@cache
def network() -> LanguageModel:
    model = build_model(ModelConfig(cell="gru", hidden_size=8, embedding_size=4), V, seed=1)
    set_kernels(model, "plain")
    return model


def text(characters: int) -> Part:
    return Part(np.random.default_rng(0).integers(0, V - 2, characters))


def poems(count: int, length: int) -> Part:
    starts = np.arange(count) * length
    return Part(text(count * length).ids, np.stack([starts, starts + length], axis=1))


class Reading:
    """Reads in the place of `likelihood` and `sampled`, and remembers what."""

    def __init__(self, error: float | None) -> None:
        self.parts: list[Part] = []
        self.error = error

    def __call__(self, model: LanguageModel, part: Part, *_: Any) -> Likelihood:
        self.parts.append(part)
        return Likelihood(float(part.characters), part.characters, self.error)


@pytest.mark.parametrize("part", [text(700), poems(20, 30)], ids=["stream", "documents"])
@pytest.mark.parametrize("wanted", [1, 100, 300, 10_000, "all"])
def test_it_is_the_likelihood_of_as_many_characters_as_are_wanted(part: Part, wanted: Any) -> None:
    own, standing = Validation(part, wanted), Standing(learnt=10**9)
    expected = part if wanted == "all" else some_characters(part, wanted, STREAM)
    assert own.characters == expected.characters
    told = own.measure(network(), standing)
    if expected is part:
        assert told == replace(likelihood(network(), part), standard_error=0.0)
    else:
        assert told == sampled(network(), expected, part, SHORT_RUN_UP, None)
    assert standing == Standing(learnt=10**9)


@pytest.mark.parametrize("part", [text(700), poems(20, 30)], ids=["stream", "documents"])
def test_where_all_is_read_it_says_what_eval_says(part: Part) -> None:
    own, told = Validation(part, "all").measure(network(), Standing()), likelihood(network(), part)
    assert own.nats == told.nats and own.characters == told.characters
    assert own.standard_error == 0
    assert metrics(own) == {"val_loss": told.nats_per_char, "val_bits_per_char": told.bits_per_char, "val_error": 0}


@pytest.mark.parametrize("part", [text(40_000), poems(1000, 40)], ids=["stream", "documents"])
def test_by_itself_it_reads_the_chosen_characters_in_short_streams(part: Part) -> None:
    standing = Standing(learnt=30_000 * SHARE + 1)
    own = Validation(part, "auto").measure(network(), standing)
    some = some_characters(part, 30_000, STREAM)
    assert own == sampled(network(), some, part, SHORT_RUN_UP, None)
    assert standing.evaluated == 30_000


@given(
    learnt=st.integers(0, 10**7),
    later=st.integers(0, 10**7),
    size=st.integers(1, 90_000),
    whole=st.booleans(),
    error=st.one_of(st.none(), st.floats(0, 0.1)),
)
def test_the_first_evaluation_decides_for_all_later_ones(
    learnt: int, later: int, size: int, whole: bool, error: float | None
) -> None:
    """Otherwise their losses could not be compared; and a training that goes on goes on with the same characters."""
    part = text(size) if whole else poems(-(-size // 50), 50)
    reading, standing = Reading(error), Standing(learnt=learnt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "likelihood", reading)
        patch.setattr(validation, "sampled", reading)
        first = Validation(part, "auto")
        first.measure(network(), standing)
        wanted = standing.evaluated
        standing.learnt += later
        first.measure(network(), standing)
        resumed = Standing.model_validate(standing.model_dump())
        Validation(part, "auto").measure(network(), resumed)
    tried, *others = reading.parts
    assert wanted == standing.evaluated == resumed.evaluated
    assert max(LEAST, learnt // SHARE) <= wanted <= max(MOST, learnt // SHARE)
    assert tried is part or tried.characters <= 1.05 * LEAST
    for read in others:
        assert np.array_equal(read.spans, others[0].spans)
    count = others[0].characters
    assert 0 < count <= part.characters
    if part.characters <= wanted:
        assert others[0] is part
    else:
        assert 0.95 * wanted <= count <= 1.05 * wanted


@pytest.mark.parametrize(("error", "expected"), [(None, MOST), (0.0, LEAST), (0.01, LEAST), (0.015, 6750), (0.1, MOST)])
def test_it_reads_as_much_as_an_error_of_one_percent_needs(error: float | None, expected: int) -> None:
    """Half of the error needs four times the characters."""
    standing, reading = Standing(), Reading(error)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "sampled", reading)
        Validation(text(90_000), "auto").measure(network(), standing)
    assert standing.evaluated == expected


def test_the_error_is_one_percent_where_that_needs_no_more_than_the_most() -> None:
    part, standing = text(60_000), Standing()
    told = Validation(part, "auto").measure(network(), standing)
    assert LEAST <= standing.evaluated < MOST
    assert told.standard_error is not None and told.standard_error < 0.013 * told.nats_per_char


@pytest.mark.parametrize("part", [text(9_000), poems(300, 30)], ids=["stream", "documents"])
def test_a_model_with_an_ngram_is_corrected_by_it(part: Part) -> None:
    mixture = Mixture(network(), NGramModel(V, order=2), recent=0)
    mixture.ngram.fit(text(500))
    standing = Standing()
    own = Validation(part, "auto").measure(mixture, standing)
    some = some_characters(part, LEAST, STREAM)
    assert standing.evaluated == LEAST  # before it is fitted, a mixture is its n-gram, so that no error is left
    assert own == sampled(mixture, some, part, SHORT_RUN_UP, yardstick(mixture, part, SHORT_RUN_UP))
    assert own.nats_per_char == pytest.approx(likelihood(mixture, part).nats_per_char, rel=1e-6)
    assert own.standard_error == pytest.approx(0, abs=1e-5)
