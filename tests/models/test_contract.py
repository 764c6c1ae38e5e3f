"""What must hold for every model in the register, whatever the cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from charrnn.cells import CELLS, cells_with
from charrnn.config import ModelConfig
from charrnn.models import LanguageModel, Mixture, NGramModel, State, build_model, set_dropout_generator
from charrnn.text.dataset import Part

VOCAB = 11
VARIANTS: dict[str, dict[str, object]] = {
    **{cell: {"cell": cell} for cell in CELLS},
    "mlp-relu": {"cell": "mlp", "activation": "relu", "context": 3, "num_layers": 2},
    "rnn-relu": {"cell": "rnn", "activation": "relu"},
    "stacked": {"cell": "lstm", "num_layers": 3},
    "deep-input": {"cell": "gru", "input_layers": 2},
    "deep-output": {"cell": "rnn", "output_layers": 2},
    "deep-all": {"cell": "lstm", "input_layers": 1, "num_layers": 2, "output_layers": 1},
    "tied": {"cell": "gru", "tie_embedding": True, "embedding_size": 7},
    "residual": {"cell": "mingru", "num_layers": 3, "residual": True, "norm": "rms", "embedding_size": 7},
    "residual-widths": {"cell": "lstm", "num_layers": 2, "residual": True, "norm": "layer"},
    "minlstm-residual": {
        "cell": "minlstm",
        "num_layers": 2,
        "residual": True,
        "norm": "rms",
        "tie_embedding": True,
        "embedding_size": 7,
    },
    "dropout": {"cell": "lstm", "num_layers": 2, "dropout": 0.5},
    "locked-dropout": {"cell": "mingru", "num_layers": 2, "dropout": 0.5, "locked_dropout": True},
    "mlp-dropout": {"cell": "mlp", "dropout": 0.5, "locked_dropout": True, "embedding_dropout": 0.3},
    "dropouts": {"cell": "gru", "num_layers": 2, "dropout": 0.2, "input_dropout": 0.0, "output_dropout": 0.5},
    "embedding-dropout": {"cell": "minlstm", "embedding_dropout": 0.5},
    **{f"{cell}-weight-dropout": {"cell": cell, "weight_dropout": 0.5} for cell in cells_with("weight_dropout")},
    "mixture": {"cell": "lstm", "num_layers": 2, "ngram": {"order": 4}},
    "mixture-of-one": {"cell": "mlp", "ngram": {"order": 1}},
    "tied-narrow": {"cell": "lstm", "num_layers": 3, "tie_embedding": True, "residual": True, "norm": "layer"},
}

DROPOUTS = "dropout", "input_dropout", "output_dropout", "embedding_dropout", "weight_dropout"


@pytest.fixture(params=VARIANTS)
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return ModelConfig.model_validate({"hidden_size": 7, "embedding_size": 5} | VARIANTS[request.param])


@pytest.fixture
def model(config: ModelConfig) -> LanguageModel:
    """In float64, so that only mistakes differ and not roundings. What counts instead of learning has counted."""
    model = build_model(config, VOCAB, seed=1).double().eval()
    ngram = model.ngram if isinstance(model, Mixture) else model
    if isinstance(ngram, NGramModel):
        ngram.fit(Part(ids(500, 1, seed=9)[:, 0].numpy()))
    if isinstance(model, Mixture):
        model.trust.copy_(torch.rand(model.trust.shape, generator=torch.Generator().manual_seed(3)))
    return model


@pytest.fixture(params=[name for name in VARIANTS if name != "ngram" and "ngram" not in VARIANTS[name]])
def trained(request: pytest.FixtureRequest) -> ModelConfig:
    """The config of a model that learns by gradients."""
    return ModelConfig.model_validate({"hidden_size": 7, "embedding_size": 5} | VARIANTS[request.param])


def ids(time: int, batch: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, VOCAB, (time, batch)))


def same(a: Tensor, b: Tensor, tolerance: float = 1e-10) -> bool:
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance)


def same_state(a: State, b: State) -> bool:
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))


def test_shapes(model: LanguageModel) -> None:
    state = model.initial_state(3)
    logits, after = model(ids(5, 3), state)
    assert logits.shape == (5, 3, VOCAB)
    assert [s.shape for s in after] == [s.shape for s in state]
    assert all(s.shape[0] == 3 for s in state)
    assert torch.equal(model.readout(model.features(ids(5, 3), state)[0]), logits)


def test_step_by_step_equals_all_at_once(model: LanguageModel) -> None:
    text = ids(9, 2)
    whole, after = model(text, model.initial_state(2))
    state = model.initial_state(2)
    for t, character in enumerate(text):
        logits, state = model.step(character, state)
        assert same(logits, whole[t])
    assert same_state(state, after)


def test_saved_and_loaded_gives_the_same_logits(config: ModelConfig, model: LanguageModel, tmp_path: Path) -> None:
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    save_file(weights, tmp_path / "model.safetensors")
    again = build_model(config, VOCAB, seed=2).double().eval()
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    text = ids(9, 2)
    assert torch.equal(again(text, again.initial_state(2))[0], model(text, model.initial_state(2))[0])


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_carried_state_equals_one_long_sequence(model: LanguageModel, cut: int) -> None:
    text = ids(9, 2)
    whole, after = model(text, model.initial_state(2))
    first, state = model(text[:cut], model.initial_state(2))
    second, state = model(text[cut:], state)
    assert same(torch.cat([first, second]), whole)
    assert same_state(state, after)


def test_a_batch_row_does_not_depend_on_its_neighbours(model: LanguageModel) -> None:
    text = ids(6, 4)
    whole, after = model(text, model.initial_state(4))
    for b in range(4):
        alone, state = model(text[:, b : b + 1], model.initial_state(1))
        assert same(alone[:, 0], whole[:, b])
        assert same_state(state, tuple(s[b : b + 1] for s in after))


def test_the_future_is_not_seen(model: LanguageModel) -> None:
    text = ids(6, 1)
    changed = text.clone()
    changed[4] = (changed[4] + 1) % VOCAB
    before, _ = model(text, model.initial_state(1))
    after, _ = model(changed, model.initial_state(1))
    assert same(before[:4], after[:4])
    assert not same(before[4], after[4])


def test_gradients_agree_with_finite_differences(trained: ModelConfig) -> None:
    model = build_model(trained, VOCAB, seed=1).double().eval()
    text, target = ids(5, 2), ids(5, 2, seed=1)
    _, state = model(ids(7, 2, seed=2), model.initial_state(2))
    state = tuple(tensor.detach() for tensor in state)

    def loss() -> Tensor:
        logits, _ = model(text, state)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())

    model.train(False)
    torch.autograd.backward(loss())
    rng = np.random.default_rng(3)
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        flat, gradient = weight.detach().view(-1), weight.grad.view(-1)
        for i in rng.choice(len(flat), min(5, len(flat)), replace=False):
            value, epsilon = flat[i].item(), 1e-6
            flat[i] = value + epsilon
            above = loss().item()
            flat[i] = value - epsilon
            below = loss().item()
            flat[i] = value
            assert gradient[i].item() == pytest.approx((above - below) / (2 * epsilon), rel=1e-4, abs=1e-8), (name, i)


@pytest.mark.parametrize("size", [7, VOCAB])
def test_it_names_the_weights_of_the_alphabet(trained: ModelConfig, size: int) -> None:
    """Those whose shape depends on it; also where it has as many characters as a layer has units."""
    config = trained.model_copy(update={"hidden_size": size})
    model, other = build_model(config, VOCAB, seed=0), build_model(config, VOCAB + 1, seed=0)
    named = set(model.alphabet_weights)
    for name, p in model.named_parameters():
        if p.ndim == 2:
            assert (p in named) == (p.shape != other.get_parameter(name).shape), name


def test_weights_follow_from_the_seed_alone(trained: ModelConfig) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (build_model(trained, VOCAB, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_dropout_masks_follow_from_their_generator(config: ModelConfig) -> None:
    model = build_model(config, VOCAB, seed=1)
    with torch.no_grad():
        for weight in model.parameters():  # those that start as 0 too, which dropout would not change
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)), alpha=0.1)
    text, results = ids(4, 2), []
    for _ in range(2):
        set_dropout_generator(model, torch.Generator().manual_seed(7))
        torch.rand(3)  # the program's own numbers play no part
        results.append(model(text, model.initial_state(2))[0])
    assert torch.equal(results[0], results[1])
    quiet = model.eval()(text, model.initial_state(2))[0]
    assert torch.equal(quiet, results[0]) == (not any(getattr(config, key) for key in DROPOUTS))


def test_learns_a_periodic_text_perfectly(trained: ModelConfig) -> None:
    config = trained.model_copy(update=dict.fromkeys(DROPOUTS, 0.0) | {"hidden_size": 24, "embedding_size": 24})
    model = build_model(config, VOCAB, seed=0)
    text = torch.tensor([0, 1, 2, 0, 1, 3, 4] * 12)[:, None]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss = torch.tensor(torch.inf)
    for _ in range(300):
        state = model.initial_state(1)
        logits, _ = model(text[:-1], state)
        # The first period tells nothing of where in it one is.
        loss = torch.nn.functional.cross_entropy(logits[7:, 0], text[8:, 0])
        if loss < 0.01:
            return
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    pytest.fail(f"the loss is {loss.item():.3f} nats after 300 steps")
