"""What a training is judged by is the likelihood of the same characters at every evaluation."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.evaluation.likelihood import RUN_UP, Likelihood, likelihood, some_characters
from charrnn.models import LanguageModel, build_model, set_kernels
from charrnn.text.dataset import Part
from charrnn.training import validation
from charrnn.training.standing import Standing
from charrnn.training.validation import LEAST, SHARE, SHORT_RUN_UP, STREAM, Validation, metrics

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
    """Reads in the place of `likelihood`, and remembers what."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def __call__(self, model: LanguageModel, part: Part, **_: Any) -> Likelihood:
        self.parts.append(part)
        return Likelihood(1.0, part.characters)


@pytest.mark.parametrize("part", [text(700), poems(20, 30)], ids=["stream", "documents"])
@pytest.mark.parametrize("wanted", [1, 100, 300, 10_000, "all"])
def test_it_is_the_likelihood_of_as_many_characters_as_are_wanted(part: Part, wanted: Any) -> None:
    own, standing = Validation(part, wanted), Standing(learnt=10**9)
    expected = part if wanted == "all" else some_characters(part, wanted, STREAM)
    assert own.characters == expected.characters
    run_up = RUN_UP if expected is part else SHORT_RUN_UP
    assert own.measure(network(), standing) == likelihood(network(), expected, run_up=run_up, of=part.characters)
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
    assert own == likelihood(network(), some, run_up=SHORT_RUN_UP, of=40_000)
    assert standing.evaluated == 30_000


@given(learnt=st.integers(0, 10**7), later=st.integers(0, 10**7), size=st.integers(1, 90_000), whole=st.booleans())
def test_the_first_evaluation_decides_for_all_later_ones(learnt: int, later: int, size: int, whole: bool) -> None:
    """Otherwise their losses could not be compared; and a training that goes on goes on with the same characters."""
    part = text(size) if whole else poems(-(-size // 50), 50)
    reading, standing = Reading(), Standing(learnt=learnt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "likelihood", reading)
        first = Validation(part, "auto")
        first.measure(network(), standing)
        wanted = standing.evaluated
        standing.learnt += later
        first.measure(network(), standing)
        resumed = Standing.model_validate(standing.model_dump())
        Validation(part, "auto").measure(network(), resumed)
    assert wanted == standing.evaluated == resumed.evaluated == max(LEAST, learnt // SHARE)
    for read in reading.parts:
        assert np.array_equal(read.spans, reading.parts[0].spans)
    count = reading.parts[0].characters
    assert 0 < count <= part.characters
    if part.characters <= wanted:
        assert reading.parts[0] is part
    else:
        assert 0.95 * wanted <= count <= 1.05 * wanted
