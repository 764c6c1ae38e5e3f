"""The cross-entropy in C and its gradient are those of PyTorch in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from charrnn.models.fast import softmax
from charrnn.text.batches import IGNORE


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9),
    size=st.integers(1, 70),
    scale=st.floats(1e-4, 2),
    spread=st.sampled_from([0.0, 1.0, 40.0]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    seed=st.integers(0, 1000),
)
def test_loss_and_gradient_are_those_of_pytorch(
    rows: int, size: int, scale: float, spread: float, dtype: torch.dtype, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    logits = (torch.randn(rows, size, generator=draw) * spread).to(dtype)
    targets = torch.randint(size, (rows,), generator=draw)
    targets[torch.rand(rows, generator=draw) < 0.3] = IGNORE
    exact = logits.double().requires_grad_()
    nats = F.cross_entropy(exact, targets, ignore_index=IGNORE, reduction="sum")
    (gradient,) = torch.autograd.grad(nats * scale, exact)
    for compute in (softmax.cross_entropy, softmax._plain):
        own_nats, own = compute(logits, targets, scale)
        torch.testing.assert_close(own_nats.double(), nats.detach(), rtol=1e-5, atol=1e-4)
        rounding = 2**-8 if dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(own.double(), gradient, rtol=rounding, atol=scale * 1e-6)
        assert own.dtype == dtype


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_not_finite_is_seen(broken: float) -> None:
    logits = torch.zeros(2, 33)
    logits[1, 5] = broken
    nats, _ = softmax.cross_entropy(logits, torch.tensor([1, 2]), 1.0)
    assert not torch.isfinite(nats)


def test_a_character_that_cannot_come_has_no_gradient() -> None:
    logits = torch.zeros(1, 20)
    logits[0, 3] = float("-inf")
    nats, gradient = softmax.cross_entropy(logits, torch.tensor([1]), 1.0)
    assert abs(float(nats) - torch.tensor(19.0).log().item()) < 1e-5
    assert abs(float(gradient[0, 3])) < 1e-30
