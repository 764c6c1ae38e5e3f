from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.evaluation import likelihood as module
from charrnn.evaluation.likelihood import Likelihood, cut, likelihood, ratio_error, some_characters
from charrnn.models import LanguageModel, NGramModel, build_model
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


PIECES = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 90)), min_size=1, max_size=8)
"""Of each piece of a part, how far it is from the one before, and its length."""


def pieces_of(drawn: list[tuple[int, int]]) -> Part:
    edges = np.cumsum(np.array(drawn).ravel()).reshape(-1, 2)
    return Part(np.random.default_rng(0).integers(0, 5, edges[-1, 1] + 7), pieces=edges)


@given(PIECES, st.integers(1, 500), st.integers(1, 100))
def test_some_characters_of_a_text_are_from_all_of_it(drawn: list[tuple[int, int]], limit: int, stream: int) -> None:
    part = pieces_of(drawn)
    found = some_characters(part, limit, stream)
    if limit >= part.characters:
        assert found is part
        return
    assert found.characters == limit
    places = {place for a, b in part.spans.tolist() for place in range(a, b)}
    taken = [place for a, b in found.spans.tolist() for place in range(a, b)]
    assert len(set(taken)) == len(taken) and set(taken) <= places
    share = limit / part.characters
    for a, b in part.spans.tolist():  # of each piece as much as of all
        assert abs(sum(a <= place < b for place in taken) - share * (b - a)) < 2


@given(PIECES, st.integers(1, 200))
def test_pieces_are_cut_into_equal_ones(drawn: list[tuple[int, int]], length: int) -> None:
    part = pieces_of(drawn)
    spans = cut(part, length)
    assert [p for a, b in spans for p in range(a, b)] == [p for a, b in part.spans for p in range(a, b)]
    sizes = spans[:, 1] - spans[:, 0]
    assert (sizes < 2 * length).all()
    for a, b in part.spans:
        own = sizes[(spans[:, 0] >= a) & (spans[:, 1] <= b)]
        assert own.max() - own.min() <= 1
        assert own.min() >= min(length, b - a)


@pytest.mark.parametrize("cell", ["mlp", "ngram", "gru"])
@settings(max_examples=15, deadline=None)
@given(drawn=PIECES, streams=st.sampled_from([5, 30, 1000]))
def test_a_piece_is_read_as_if_all_before_it_had_been(cell: str, drawn: list[tuple[int, int]], streams: int) -> None:
    """Exactly, for a model that sees no further back than the run-up; here a run-up of all for one that does."""
    part, m = pieces_of(drawn), model() if cell == "gru" else finite(cell)
    whole = Part(part.ids)
    ids, state = torch.tensor([[BOUNDARY, *part.ids.tolist()]]).T, m.initial_state(1)
    with torch.no_grad():
        by_place = -m.log_prob(ids[:-1], ids[1:], state)[0][:, 0].double()
    expected = sum(by_place[a:b].sum().item() for a, b in part.spans)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STREAM", streams)
        run_up = len(part.ids) if cell == "gru" else 5
        result = likelihood(m, part, run_up=run_up)
        assert likelihood(m, whole, run_up=run_up).nats == pytest.approx(by_place.sum().item(), rel=1e-5)
    assert result.characters == part.characters
    assert result.nats == pytest.approx(expected, rel=1e-5)


def finite(cell: str) -> LanguageModel:
    """A model that sees five characters."""
    sizes: dict[str, int] = {"order": 5} if cell == "ngram" else {"context": 5, "hidden_size": 8, "embedding_size": 4}
    m = build_model(ModelConfig(cell=cell, **sizes), V, seed=1)  # type: ignore[arg-type]
    if isinstance(m, NGramModel):
        m.fit(Part(np.random.default_rng(1).integers(0, 5, 400)))
    return m


def test_the_longer_the_run_up_the_nearer_a_recurrent_network_comes() -> None:
    m = model()
    text = np.random.default_rng(0).integers(0, 5, 3000)
    part = Part(text, pieces=np.stack([np.arange(500, 3000, 500), np.arange(500, 3000, 500) + 20], axis=1))
    exact = likelihood(m, part, run_up=3000).nats
    far, near, nearer = (abs(likelihood(m, part, run_up=run_up).nats - exact) for run_up in (0, 4, 100))
    assert far > 3 * near > 30 * nearer
    assert nearer < 1e-3


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_run_up_changes_no_window_of_what_is_counted(bidirectional: bool) -> None:
    config = ModelConfig(cell="gru", hidden_size=8, embedding_size=4, bidirectional=bidirectional)
    m, text = build_model(config, V, seed=1), np.random.default_rng(0).integers(0, 5, 300)
    part = Part(text, pieces=np.array([[0, 40], [3, 50], [200, 260]]))
    alone = [likelihood(m, Part(text, pieces=part.spans[i : i + 1]), run_up=20).nats for i in range(3)]
    if not bidirectional:  # side by side, windows end where a neighbour's run-up does
        assert likelihood(m, part, run_up=20).nats == pytest.approx(sum(alone), rel=1e-5)
    assert likelihood(m, part, run_up=20).characters == 147


@given(st.lists(st.integers(1, 50), min_size=2, max_size=40), st.floats(0, 0.99))
def test_the_error_is_that_of_the_ratio_estimator(lengths: list[int], fraction: float) -> None:
    """As the jackknife has it, nearly: leaving out a text at a time."""
    x = np.array(lengths)
    y = x * np.random.default_rng(0).uniform(1, 3, len(x))
    assert ratio_error(y, x, 1.0) == 0
    assert ratio_error(y[:1], x[:1], fraction) is None
    equal = np.full(len(y), 7)
    usual = y.std(ddof=1) / math.sqrt(len(y)) / 7 * math.sqrt(1 - fraction)
    assert ratio_error(y, equal, fraction) == pytest.approx(usual)
    assert ratio_error(2.0 * x, x, fraction) == pytest.approx(0, abs=1e-9)


def test_the_error_is_as_large_as_samples_differ() -> None:
    """Over all samples of places, what is told is on average what they differ by."""
    rng = np.random.default_rng(0)
    x = rng.integers(20, 60, 400)
    y = x * rng.gamma(4, 0.5, 400)
    drawn = [rng.choice(400, 100, replace=False) for _ in range(400)]
    ratios = [y[d].sum() / x[d].sum() for d in drawn]
    told = [ratio_error(y[d], x[d], float(x[d].sum() / x.sum())) for d in drawn]
    assert np.mean([e or 0 for e in told]) == pytest.approx(np.std(ratios), rel=0.1)


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
