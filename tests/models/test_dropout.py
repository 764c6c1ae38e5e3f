from __future__ import annotations

import pytest
import torch

from charrnn.cells import cells_with
from charrnn.config import ModelConfig
from charrnn.models import build_model, set_dropout_generator
from charrnn.models.layers import Dropout, Embedding
from charrnn.models.recurrent import RecurrentModel


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_what_is_kept_is_divided_by_how_much_is_kept(p: float, locked: bool) -> None:
    dropout = Dropout(p, locked)
    dropout.generator = torch.Generator().manual_seed(3)
    x = dropout(torch.ones(3, 50, 60))
    assert torch.all((x == 0) | torch.isclose(x, torch.tensor(1 / (1 - p)), rtol=1e-3))
    assert (x == 0).double().mean().item() == pytest.approx(p, abs=0.03)
    assert torch.equal(x[0], x[1]) == locked
    assert x.mean().item() == pytest.approx(1, abs=0.25)
    assert torch.equal(dropout.eval()(x), x)


def test_a_locked_mask_is_another_one_in_the_next_window() -> None:
    dropout = Dropout(0.5, locked=True)
    dropout.generator = torch.Generator().manual_seed(3)
    x = torch.ones(2, 20, 20)
    assert not torch.equal(dropout(x), dropout(x))


def test_characters_are_dropped_whole() -> None:
    embedding = Embedding(40, 5, dropout=0.5)
    embedding.drop_characters.generator = torch.Generator().manual_seed(3)
    ids = torch.randint(40, (30, 8), generator=torch.Generator().manual_seed(4))
    factors = embedding(ids) / embedding.weight[ids]
    of_character: dict[int, torch.Tensor] = {}
    for i, factor in zip(ids.flatten().tolist(), factors.flatten(0, 1), strict=True):
        assert torch.allclose(factor, of_character.setdefault(i, factor), atol=1e-5)
        assert torch.allclose(factor, torch.zeros(5)) or torch.allclose(factor, torch.full((5,), 2.0), atol=1e-5)
    kept = sum(factor[0].item() > 0 for factor in of_character.values())
    assert 0 < kept < len(of_character)
    assert torch.equal(embedding.eval()(ids), embedding.weight[ids])


@pytest.mark.parametrize("cell", cells_with("weight_dropout"))
def test_dropped_weights_are_those_of_a_smaller_recurrence(cell: str) -> None:
    """While training, a model is the one whose recurrent weights are masked for the whole window."""
    config = ModelConfig.model_validate({"cell": cell, "hidden_size": 20, "embedding_size": 7, "weight_dropout": 0.25})
    model = build_model(config, 11, seed=1).double()
    assert isinstance(model, RecurrentModel)
    set_dropout_generator(model, torch.Generator().manual_seed(5))
    ids = torch.randint(11, (9, 3), generator=torch.Generator().manual_seed(4))
    dropped, _ = model(ids, model.initial_state(3))
    torch.autograd.backward(dropped.square().sum())
    weights = model.trunk.layers[0].W
    assert isinstance(weights, torch.nn.Parameter) and weights.grad is not None
    mask = (weights.grad != 0).double()  # what is dropped has no part in the loss
    assert mask.mean().item() == pytest.approx(0.75, abs=0.1)
    with torch.no_grad():
        weights.mul_(mask / 0.75)
    masked, _ = model.eval()(ids, model.initial_state(3))
    assert torch.allclose(masked, dropped)


@pytest.mark.parametrize("output_layers", [0, 1])
@pytest.mark.parametrize("layers", [1, 3])
def test_input_and_output_have_dropout_of_their_own(layers: int, output_layers: int) -> None:
    config = ModelConfig(
        num_layers=layers, output_layers=output_layers, dropout=0.3, input_dropout=0.1, output_dropout=0.6
    )
    model = build_model(config, 11)
    assert isinstance(model, RecurrentModel)
    seen: list[float] = []
    for module in model.modules():
        if isinstance(module, Dropout):
            module.register_forward_pre_hook(lambda module, _: seen.append(module.p))
    model(torch.zeros(2, 3, dtype=torch.long), model.initial_state(3))
    between = [0.3] * (layers - 1 + output_layers)
    assert [p for p in seen if p] == [0.1, *between, 0.6]


def test_a_tied_embedding_may_be_narrower_than_the_layers() -> None:
    config = ModelConfig(num_layers=3, hidden_size=20, embedding_size=7, tie_embedding=True)
    model = build_model(config, 11)
    assert isinstance(model, RecurrentModel)
    assert [layer.state_sizes for layer in model.trunk.layers] == [(20, 20), (20, 20), (7, 7)]
    assert model.output.weight is model.embedding.weight
