"""A bidirectional model sees every character but the one that it is scored on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from charrnn.config import ModelConfig
from charrnn.models import build_model
from charrnn.models.bidirectional import BidirectionalModel
from charrnn.text.batches import IGNORE

VOCAB, T = 9, 7
BOUNDARY = VOCAB - 1
KINDS: dict[str, dict[str, Any]] = {
    "tanh": {"cell": "rnn"},
    "relu": {"cell": "rnn", "activation": "relu"},
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "deep": {"cell": "gru", "num_layers": 3, "input_layers": 1, "output_layers": 1},
    "residual": {"cell": "lstm", "num_layers": 2, "residual": True, "norm": "rms"},
}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> BidirectionalModel:
    config = ModelConfig.model_validate(
        {"bidirectional": True, "hidden_size": 6, "embedding_size": 5} | KINDS[request.param]
    )
    model = build_model(config, VOCAB, seed=2).double().eval()
    assert isinstance(model, BidirectionalModel)
    return model


def cloze(model: BidirectionalModel, text: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    padded = torch.where(torch.arange(len(text))[:, None] < torch.tensor(lengths), text, IGNORE)
    features, _ = model.read(torch.full_like(text, BOUNDARY), padded, model.initial_state(text.shape[1]))
    return model.readout(features).detach()


def some_text(batch: int = 1) -> torch.Tensor:
    return torch.randint(0, VOCAB - 2, (T, batch), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("t", range(T))
def test_the_prediction_of_a_character_moves_with_every_other_and_not_with_itself(
    model: BidirectionalModel, t: int
) -> None:
    text = some_text()
    reference = cloze(model, text, [T])
    changed = text.clone()
    changed[t] = (changed[t] + 1) % (VOCAB - 2)
    moved = (cloze(model, changed, [T]) - reference).abs().amax(dim=(1, 2)) > 1e-12
    assert not moved[t]
    assert moved[[i for i in range(T) if i != t]].all()


def test_padding_and_neighbours_change_nothing(model: BidirectionalModel) -> None:
    text, lengths = some_text(3), [4, T, 1]
    together = cloze(model, text, lengths)
    for b, length in enumerate(lengths):
        alone = cloze(model, text[:length, b : b + 1], [length])
        assert torch.allclose(together[:length, b], alone[:, 0], rtol=1e-10, atol=1e-12)


def test_the_forward_state_is_carried(model: BidirectionalModel) -> None:
    text = some_text()
    before = torch.cat([torch.tensor([[BOUNDARY]]), text[:-1]])
    _, whole = model.read(before, text, model.initial_state(1))
    _, state = model.read(before[:3], text[:3], model.initial_state(1))
    _, state = model.read(before[3:], text[3:], state)
    assert all(torch.allclose(a, b) for a, b in zip(whole, state, strict=True))
