from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.evaluation import likelihood as module
from charrnn.evaluation.likelihood import Likelihood, likelihood, some_characters, stream_count
from charrnn.models import LanguageModel, build_model
from charrnn.text.dataset import Part

CPU, V, BOUNDARY = torch.device("cpu"), 6, 5


def model() -> LanguageModel:
    return build_model(ModelConfig(cell="gru", hidden_size=8, embedding_size=4), V, seed=1)


def one_by_one(m: LanguageModel, text: list[int]) -> float:
    """-ln P of a text, a character at a time."""
    state, before, nats = m.initial_state(1), BOUNDARY, 0.0
    for character in text:
        logits, state = m.step(torch.tensor([before]), state)
        nats -= logits.log_softmax(1)[0, character].item()
        before = character
    return nats


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=600))
def test_a_stream_is_one_text_with_the_state_carried(text: list[int]) -> None:
    m = model()
    result = likelihood(m, Part(np.array(text)))
    assert result.characters == len(text)
    assert result.nats == pytest.approx(one_by_one(m, text), rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=20), min_size=1, max_size=80))
def test_documents_begin_fresh_and_their_ends_count(texts: list[list[int]]) -> None:
    m = model()
    ends = np.cumsum([len(t) for t in texts])
    part = Part(np.array(sum(texts, [])), np.stack([ends - [len(t) for t in texts], ends], axis=1))
    result = likelihood(m, part)
    assert result.characters == sum(len(t) + 1 for t in texts)
    assert result.nats == pytest.approx(sum(one_by_one(m, [*t, BOUNDARY]) for t in texts), rel=1e-4)


def test_every_character_counts_once_however_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STREAM", 10)
    text = np.random.default_rng(0).integers(0, 5, 1234)
    assert likelihood(model(), Part(text)).characters == 1234


def test_units() -> None:
    one = Likelihood(nats=100 * math.log(8), characters=100)
    assert one.nats_per_char == pytest.approx(math.log(8))
    assert one.bits_per_char == pytest.approx(3)
    assert one.perplexity == pytest.approx(8)


def test_evaluation_leaves_the_model_as_it_was() -> None:
    m = model().train()
    before = [p.clone() for p in m.parameters()]
    likelihood(m, Part(np.arange(5)))
    assert m.training
    assert all(torch.equal(a, b) for a, b in zip(before, m.parameters(), strict=True))


def test_some_characters_keep_documents_whole() -> None:
    part = Part(np.arange(30), np.array([[0, 10], [10, 20], [20, 30]]))
    assert some_characters(part, 30) is part
    assert some_characters(part, 25).characters == 20
    assert some_characters(part, 1).characters == 10
    assert some_characters(Part(np.arange(30)), 7).characters == 7


@given(length=st.integers(1, 500), limit=st.integers(1, 500), stream=st.integers(1, 100))
def test_some_characters_of_a_text_are_from_all_of_it(length: int, limit: int, stream: int) -> None:
    found = some_characters(Part(np.arange(length)), limit, stream)
    if limit >= length:
        assert found.characters == length
        return
    streams = stream_count(limit, stream)
    assert stream_count(found.characters, stream) == streams  # so each is one piece of the text
    assert limit - streams < found.characters <= limit
    pieces = found.ids.reshape(streams, -1)
    assert (np.diff(pieces, axis=1) == 1).all()
    if streams > 1:
        gaps = np.diff(pieces[:, 0])
        assert (pieces[0, 0], pieces[-1, -1]) == (0, length - 1) and gaps.max() - gaps.min() <= 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=100), st.integers(1, 40))
def test_blocks_begin_fresh_after_the_character_before_them(text: list[int], block: int) -> None:
    m = model()
    expected = 0.0
    for start in range(0, len(text), block):
        state, before = m.initial_state(1), text[start - 1] if start else BOUNDARY
        for character in text[start : start + block]:
            logits, state = m.step(torch.tensor([before]), state)
            expected -= logits.log_softmax(1)[0, character].item()
            before = character
    result = likelihood(m, Part(np.array(text)), block=block)
    assert result.characters == len(text)
    assert result.nats == pytest.approx(expected, rel=1e-4)
