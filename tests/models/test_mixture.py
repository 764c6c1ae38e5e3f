"""The mixture of a network and an n-gram: its weights are the likeliest, so that it is no worse than the better one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.models import Mixture, build_model
from charrnn.models.mixture import Piece
from charrnn.text.dataset import Part

V, ORDER = 9, 4


def mixture() -> Mixture:
    config = ModelConfig.model_validate({"cell": "gru", "hidden_size": 8, "ngram": {"order": ORDER}})
    model = build_model(config, V, seed=1).eval()
    assert isinstance(model, Mixture)
    return model


def pieces(seed: int, count: int = 3, size: int = 200) -> list[Piece]:
    """Three experts that know different things, and characters of which they know something."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    found = []
    for _ in range(count):
        truth = draw(size, V) * 2
        x = torch.stack([truth * k + draw(size, V) for k in (1, 0.5, 0.3)], dim=1).log_softmax(-1)
        m = torch.randint(0, ORDER, (size,), generator=generator)
        found.append((x, m, torch.multinomial(truth.softmax(-1), 1, generator=generator)[:, 0]))
    return found


def nats(weights: Tensor, read: list[Piece]) -> float:
    total = sum(
        float(F.cross_entropy((weights[m][..., None].to(x) * x).sum(1), came, reduction="sum")) for x, m, came in read
    )
    return total / sum(len(m) for _, m, _ in read)


def lately(read: list[int], p: Tensor) -> Tensor:
    """`models.recent` by its equation, character by character, from p `[V]` of the n-gram."""
    for m in range(1, ORDER + 1):
        context = read[len(read) - m + 1 :]
        # A character counts where one before it was read; the boundaries before the text do not.
        came = [read[j] for j in range(max(1, m - 1), len(read)) if read[j - m + 1 : j] == context and read[j] < V - 1]
        if came:
            counts = torch.bincount(torch.tensor(came), minlength=len(p))
            p = (counts + len(set(came)) * p) / (len(came) + len(set(came)))
    return p


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_fit_is_the_likeliest_and_not_worse_than_either(seed: int) -> None:
    model, read = mixture(), pieces(seed)
    model.fit(read)
    fitted = nats(model.trust, read)
    for alone in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.4, 0.3, 0.3]):
        assert fitted < nats(torch.tensor([alone]).repeat(ORDER, 1), read) + 1e-6
    generator = torch.Generator().manual_seed(seed)
    for _ in range(10):  # nowhere near is it likelier, but for the little by which lengths are held together
        near = model.trust + 0.05 * torch.randn(model.trust.shape, generator=generator)
        assert fitted < nats(near, read) + 1e-3


def test_the_fit_is_that_of_another_optimizer() -> None:
    model, read = mixture(), pieces(5, count=10)
    model.fit(read)
    weights = torch.full((ORDER, 3), 0.3, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        x, m, came = (torch.cat(parts) for parts in zip(*read, strict=True))
        loss = F.cross_entropy((weights[m][..., None] * x).sum(1), came)
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    assert torch.allclose(model.trust, weights.detach(), atol=0.03)


def test_hopeless_pieces_give_finite_weights() -> None:
    model = mixture()
    certain = torch.full((50, 3, V), -40.0)
    certain[:, :, 0] = 0.0  # all are sure, and wrong every second time
    came = torch.arange(50) % 2
    model.fit([(certain, torch.zeros(50, dtype=torch.long), came)])
    assert torch.isfinite(model.trust).all()
    same = torch.full((50, 3, V), 1 / V).log()
    model.fit([(same, torch.zeros(50, dtype=torch.long), came)])
    assert torch.isfinite(model.trust).all()


def test_until_it_is_fitted_the_ngram_predicts_alone() -> None:
    model = mixture()
    text = np.random.default_rng(0).integers(0, V - 1, 400)
    model.ngram.fit(Part(text))
    ids = torch.from_numpy(text[:30, None])
    ours, _ = model(ids, model.initial_state(1))
    theirs, _ = model.ngram(ids, model.ngram.initial_state(1))
    assert torch.allclose(ours.double(), theirs, atol=1e-5)


@pytest.mark.parametrize("network", [1.0, 0.3, 0.0])
def test_it_is_the_normalised_product_of_powers(network: float) -> None:
    model = mixture()
    text = np.random.default_rng(0).integers(0, V - 1, 400)
    model.ngram.fit(Part(text))
    model.trust.copy_(torch.tensor([[network, 1 - network, 0.2]]).repeat(ORDER, 1))
    ids = torch.from_numpy(text[:30, None])
    ours, _ = model(ids, model.initial_state(1))
    one, _ = model.network(ids, model.network.initial_state(1))
    other, _ = model.ngram(ids, model.ngram.initial_state(1))
    third = torch.stack([lately([V - 1] * (ORDER - 1) + text[: t + 1].tolist(), other[t, 0].exp()) for t in range(30)])[
        :, None
    ].log()
    expected = (network * one.double().log_softmax(-1) + (1 - network) * other + 0.2 * third).log_softmax(-1)
    assert torch.allclose(ours.double(), expected, atol=1e-5)
    assert torch.allclose(ours.exp().sum(-1), torch.ones(30, 1), atol=1e-5)
