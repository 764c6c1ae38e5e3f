from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.evaluation.dynamic import WINDOW, dynamic_likelihood
from charrnn.evaluation.likelihood import likelihood
from charrnn.models import build_model
from charrnn.text.dataset import Part

CPU, V, BOUNDARY = torch.device("cpu"), 6, 5
CONFIG = ModelConfig(cell="gru", hidden_size=8, embedding_size=4)
TEXT = np.tile([0, 1, 2, 3, 4, 2], 60)


def dynamic(text: np.ndarray[tuple[int], np.dtype[np.int64]], rate: float) -> float:
    return dynamic_likelihood(build_model(CONFIG, V, seed=1), Part(text), rate).nats


def test_without_learning_it_is_the_likelihood() -> None:
    model = build_model(CONFIG, V, seed=1)
    assert dynamic(TEXT, 1e-12) == pytest.approx(likelihood(model, Part(TEXT)).nats, rel=1e-5)


def test_it_learns_and_the_model_given_does_not() -> None:
    model = build_model(CONFIG, V, seed=1)
    before = [p.clone() for p in model.parameters()]
    static = likelihood(model, Part(TEXT)).nats
    assert dynamic_likelihood(model, Part(TEXT), rate=0.01).nats < 0.8 * static
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("length", [WINDOW, 2 * WINDOW + 7])
def test_a_character_is_scored_before_it_is_learnt_from(length: int) -> None:
    """Over all that could come next the probabilities sum to 1: had the model seen it first, they would exceed it."""
    past = dynamic(TEXT[:length], 0.01)
    total = sum(math.exp(past - dynamic(np.append(TEXT[:length], c), 0.01)) for c in range(V))
    assert total == pytest.approx(1, abs=1e-3)


def test_documents() -> None:
    part = Part(TEXT, np.stack([np.arange(0, 300, 10), np.arange(5, 305, 10)], axis=1))
    model = build_model(CONFIG, V, seed=1)
    static = likelihood(model, part)
    result = dynamic_likelihood(model, part, rate=1e-12)
    assert result.characters == static.characters
    assert result.nats == pytest.approx(static.nats, rel=1e-4)


def test_an_n_gram_cannot_learn_on() -> None:
    model = build_model(ModelConfig(cell="ngram"), V)
    with pytest.raises(CharrnnError, match="n-gram"):
        dynamic_likelihood(model, Part(TEXT))
