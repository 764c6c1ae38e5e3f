from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.models import build_model
from charrnn.training import muon
from charrnn.training.muon import Muon, hidden_matrices, orthogonalised
from charrnn.training.optimizer import apply_step, build_optimizers

V = 7


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "in_bfloat16", lambda precision, device: False)


def set_gradients(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Random gradients in the model, and copies of them."""
    for p in model.parameters():
        assert p.grad is not None
        p.grad.copy_(torch.randn(p.shape, generator=generator))
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3))
def test_the_same_singular_vectors_with_values_near_one(rows: int, columns: int, seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    least = min(rows, columns)
    U = torch.linalg.qr(torch.randn(2, rows, least, generator=generator)).Q
    W = torch.linalg.qr(torch.randn(2, columns, least, generator=generator)).Q
    values = (0.1 + torch.rand(2, 1, least, generator=generator)) * scale
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(muon, "in_bfloat16", lambda precision, device: False)
        found = U.mT @ orthogonalised(U * values @ W.mT) @ W
    diagonal = found.diagonal(dim1=1, dim2=2)
    assert 0.6 < diagonal.min() <= diagonal.max() < 1.25
    assert (found - torch.diag_embed(diagonal)).abs().max() < 1e-3


def test_a_gradient_of_zeros_gives_no_step(exact: None) -> None:
    assert not orthogonalised(torch.zeros(3, 4, 5)).any()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch has one since 2.9")
def test_a_step_is_that_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain recurrence, whose matrices are each one: PyTorch's, which takes them one by one, always in bfloat16."""
    monkeypatch.setattr(muon, "in_bfloat16", lambda precision, device: True)
    model = build_model(ModelConfig(cell="rnn", hidden_size=12, embedding_size=6, num_layers=2), V, 0)
    weights, optimizers = build_optimizers(model, TrainingConfig(optimizer="muon", weight_decay=0.1))
    names = [name for name, p in model.named_parameters() if p.ndim == 2 and name.startswith("trunk")]
    assert len(names) == len(hidden_matrices(model)) == 4
    theirs = {name: nn.Parameter(model.get_parameter(name).detach().clone()) for name in names}
    reference = torch.optim.Muon(
        theirs.values(), lr=0.01, weight_decay=0.1, ns_steps=muon.ITERATIONS, adjust_lr_fn="match_rms_adamw"
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        before = {name: (model.get_parameter(name).detach().clone(), theirs[name].detach().clone()) for name in names}
        weights.clear()
        gradients = set_gradients(model, generator)
        for name, p in theirs.items():
            p.grad = gradients[name]
        apply_step(optimizers, 0.01, torch.tensor(True))
        reference.step()  # type: ignore[no-untyped-call]
        for name, (own, other) in before.items():
            change, expected = model.get_parameter(name) - own, theirs[name] - other
            assert torch.allclose(change, expected, rtol=0, atol=0.05 * expected.abs().max().item()), name


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("mingru", 3), ("minlstm", 4)])
def test_each_gate_is_a_matrix_of_its_own(cell: str, gates: int, exact: None) -> None:
    model = build_model(ModelConfig.model_validate({"cell": cell, "hidden_size": 12, "embedding_size": 6}), V, 0)
    weights, optimizers = build_optimizers(model, TrainingConfig(optimizer="muon", weight_decay=0))
    wide = [matrix for matrix in hidden_matrices(model) if len(matrix.weight) == gates * 12]
    assert wide and all(matrix.height == 12 for matrix in wide)
    before = [matrix.weight.detach().clone() for matrix in wide]
    weights.clear()
    set_gradients(model, torch.Generator().manual_seed(0))
    apply_step(optimizers, 1.0, torch.tensor(True))
    for matrix, old in zip(wide, before, strict=True):
        assert matrix.weight.grad is not None
        of_gates = (torch.split(tensor, 12) for tensor in (matrix.weight, old, matrix.weight.grad))
        for now, then, gradient in zip(*of_gates, strict=True):
            expected = orthogonalised(gradient[None])[0] * 0.2 * max(gradient.shape) ** 0.5
            assert torch.allclose(then - now, expected, atol=1e-4)


@pytest.mark.parametrize("size", [12, V])
def test_what_touches_the_alphabet_is_left_to_adam(size: int) -> None:
    for cell in ("lstm", "mlp", "mingru"):
        config = {"cell": cell, "hidden_size": size, "embedding_size": size}
        model = build_model(ModelConfig.model_validate(config), V, 0)
        own = {id(matrix.weight) for matrix in hidden_matrices(model)}
        rest = {name for name, p in model.named_parameters() if p.ndim == 2 and id(p) not in own}
        assert rest == {"embedding.weight", "output.weight"}


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    model = build_model(ModelConfig(cell="lstm", hidden_size=12, embedding_size=6), V, 0)
    weights, optimizers = build_optimizers(model, TrainingConfig(optimizer="muon"))
    generator = torch.Generator().manual_seed(0)
    for finite in (True, False):
        before = [p.detach().clone() for p in model.parameters()]
        weights.clear()
        set_gradients(model, generator)
        if not finite:
            next(model.parameters()).grad.fill_(torch.inf)  # type: ignore[union-attr]
            weights.apart.grad.fill_(torch.nan)  # type: ignore[union-attr]
            (own,) = [o for o in optimizers if isinstance(o, Muon)]
            memory = own.state[weights.apart]["momentum"].clone()
        apply_step(optimizers, 0.01, torch.tensor(finite))
        assert all(torch.equal(old, p) for old, p in zip(before, model.parameters(), strict=True)) != finite
    assert torch.equal(own.state[weights.apart]["momentum"], memory)
