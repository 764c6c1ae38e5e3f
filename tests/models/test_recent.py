"""What was read lately: every way computes the equation, whatever was read, and forgets what is too old."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from charrnn.models import recent
from charrnn.models.fast import counting

V = 6


def by_the_equation(last: list[int], order: int, p: Tensor) -> Tensor:
    """The equation of models/recent.py on the last characters, -1 for none, from p `[V]` of the n-gram."""
    for m in range(1, order + 1):
        context = last[len(last) - m + 1 :]
        places = [j for j in range(max(1, m - 1), len(last)) if last[j - m + 1 : j] == context]
        places = [j for j in places if last[j - 1] >= 0 and 0 <= last[j] < V - 1]  # the boundary is not counted
        if -1 not in context and places:
            counts = torch.bincount(torch.tensor([last[j] for j in places]), minlength=V)
            different = int((counts > 0).sum())
            p = (counts + different * p) / (len(places) + different)
    return p


@pytest.mark.parametrize("with_c", [True, False])
@settings(deadline=None, max_examples=100)
@given(
    texts=st.lists(st.lists(st.integers(-1, V - 1), max_size=30), min_size=1, max_size=3),
    length=st.integers(1, 12),
    order=st.integers(1, 8),
)
def test_every_way_is_the_equation(with_c: bool, texts: list[list[int]], length: int, order: int) -> None:
    last = torch.tensor([([-1] * length + text)[-length:] for text in texts])
    ngram = torch.rand(len(texts), V, generator=torch.Generator().manual_seed(order)).softmax(-1)
    with pytest.MonkeyPatch.context() as patch:
        if with_c and counting.library() is None:
            pytest.skip("no compiler")
        if not with_c:
            patch.setattr(recent, "recent_ln_p", lambda *_: None)
            patch.setattr(recent, "AT_ONCE", 2 * length)
        p = recent.ln_p(last, order, ngram.log()).exp()
    assert torch.allclose(p.sum(-1), torch.ones(len(texts)), atol=1e-5)
    for row, text, own in zip(p, last.tolist(), ngram, strict=True):
        assert torch.allclose(row, by_the_equation(text, order, own).float(), atol=1e-5)


def test_a_name_that_came_is_likelier_and_is_forgotten() -> None:
    text = torch.tensor([-1] * 20 + [1, 2, 3, 0, 0, 1, 2] + [0] * 20 + [1, 2])
    p = recent.ln_p(text.unfold(0, 20, 1), 3, torch.full((len(text) - 19, V), 1 / V).log()).exp()
    assert p[7].argmax() == 3 and p[7, 3] > 0.3
    assert p[-1, 3] < 1 / V
