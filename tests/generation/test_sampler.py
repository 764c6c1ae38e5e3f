from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Sampler, generator
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.models import LanguageModel, State, build_model
from charrnn.text.vocab import Vocabulary

CPU = torch.device("cpu")
VOCABULARY = Vocabulary("char", "abc\n")


MODEL = build_model(ModelConfig(hidden_size=8, embedding_size=4), len(VOCABULARY), seed=3).eval()


def sampler(filters: Filters = Filters(), documents: bool = False, model: LanguageModel = MODEL) -> Sampler:
    return Sampler(TorchStepper(model), VOCABULARY, filters, documents)


def test_a_sample_follows_from_the_seed_and_its_place_however_many_there_are() -> None:
    s, prompt = sampler(), VOCABULARY.encode("ab")
    together = s.sample(prompt, 30, 5, samples=4)
    assert [(one.seed, one.index) for one in together] == [(5, 0), (5, 1), (5, 2), (5, 3)]
    for count in (1, 2, 3):
        for one, among in zip(s.sample(prompt, 30, 5, samples=count), together, strict=False):
            assert one.text == among.text
            assert one.log_prob == pytest.approx(among.log_prob, abs=1e-4)


def test_no_two_seeds_and_no_two_samples_share_a_text() -> None:
    s = sampler()
    texts = [one.text for seed in (0, 1, 2, 2**32, 2**32 + 1) for one in s.sample([], 60, seed, samples=8)]
    assert len(set(texts)) == len(texts)


@given(seeds=st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=2, unique=True), i=st.integers(0, 9))
def test_the_draws_of_two_seeds_differ_at_every_place(seeds: list[int], i: int) -> None:
    drawn = [tuple(generator(seed, j).integers(0, 2**63, 2)) for seed in seeds for j in (i, i + 1)]
    assert len(set(drawn)) == 4
    assert tuple(generator(seeds[0], 0).integers(0, 2**63, 2)) == tuple(
        np.random.default_rng(seeds[0]).integers(0, 2**63, 2)
    )


def test_text_is_the_prompt_and_length_characters_of_the_alphabet() -> None:
    text = sampler().sample(VOCABULARY.encode("ab"), 50, 0)[0].text
    assert text.startswith("ab")
    assert len(text) == 52
    assert set(text) <= set("abc\n")


def test_log_prob_is_that_of_the_model_reading_the_text() -> None:
    s = sampler(Filters(temperature=0.5, top_k=3))
    sample = s.sample(VOCABULARY.encode("ab"), 20, 1)[0]
    ids = torch.tensor([VOCABULARY.boundary, *VOCABULARY.encode(sample.text)])[:, None]
    logits, _ = MODEL(ids[:-1], MODEL.initial_state(1))
    log_probs = logits.log_softmax(-1)[torch.arange(len(ids) - 1), 0, ids[1:, 0]]
    assert sample.log_prob == pytest.approx(log_probs[2:].sum().item(), abs=1e-3)


def test_temperature_zero_takes_the_likeliest_at_every_step() -> None:
    s = sampler(Filters(temperature=0))
    first, second = s.sample([], 20, 0, samples=2)
    assert first.text == second.text
    state, character = MODEL.initial_state(1), torch.tensor([VOCABULARY.boundary])
    for expected in first.text:
        logits, state = MODEL.step(character, state)
        logits[:, VOCABULARY.unknown :] = -math.inf
        character = logits.argmax(1)
        assert VOCABULARY.characters[int(character)] == expected


def test_stop_ends_each_text_where_it_comes_first() -> None:
    s = sampler(Filters(temperature=2.0))
    for sample in s.sample([], 200, 0, samples=8, stop="ab"):
        assert sample.text.endswith("ab")
        assert sample.text.count("ab") == 1
        # What was drawn beyond it is not counted: the same text without a stop, as long as this one.
        whole = s.sample([], len(sample.text), sample.seed, sample.index + 1)[-1]
        assert whole.text == sample.text
        assert whole.log_prob == pytest.approx(sample.log_prob, abs=1e-4)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_blocks_change_nothing(block: int) -> None:
    s = sampler(Filters(1.5, repetition_penalty=1.2))
    pieces = list(s.write([0], 100, 4, samples=2, block=block))
    assert max(len(piece[0][0]) for piece in pieces) <= block
    for i, sample in enumerate(s.sample([0], 100, 4, samples=2)):
        assert "a" + "".join(piece[i][0] for piece in pieces) == sample.text
        assert sum(piece[i][1] for piece in pieces) == pytest.approx(sample.log_prob, abs=1e-4)


class Countdown(LanguageModel):
    """Says a, b, then that the document ends; its state counts the characters read."""

    def initial_state(self, batch: int) -> State:
        return (torch.zeros(batch, 1),)

    def features(self, ids: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        n = state[0] + torch.arange(1, len(ids) + 1)[:, None, None]
        return n, (n[-1],)

    def readout(self, features: torch.Tensor) -> torch.Tensor:
        says = torch.tensor([0, 0, 1, VOCABULARY.boundary])[features[..., 0].long().clamp(max=3)]
        return torch.nn.functional.one_hot(says, len(VOCABULARY)) * 50.0


def test_a_document_ends_where_the_model_ends_it_and_a_stream_does_not() -> None:
    model = Countdown(len(VOCABULARY))
    ended = sampler(documents=True, model=model).sample([], 10, 0)[0]
    assert ended.text == "ab"
    assert ended.log_prob == pytest.approx(0, abs=1e-6)
    assert len(sampler(model=model).sample([], 10, 0)[0].text) == 10


def test_bytes_become_characters_when_they_are_whole() -> None:
    vocabulary = Vocabulary("byte")
    config = ModelConfig(hidden_size=8, embedding_size=4)
    model = build_model(config, len(vocabulary)).eval()
    s = Sampler(TorchStepper(model), vocabulary, Filters(), False)
    sample = s.sample(vocabulary.encode("秋"), 40, 0)[0]
    assert sample.text.startswith("秋")
    sample.text.encode()


def test_bad_input() -> None:
    for arguments in ((0, 0, 1), (-3, 0, 1), (5, 0, 0), (5, -1, 1), (5, 2**63, 1)):
        with pytest.raises(CharrnnError, match="expected"):
            sampler().sample([], *arguments)
