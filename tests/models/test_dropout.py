from __future__ import annotations

import pytest
import torch

from charrnn.models.base import Dropout


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_what_is_kept_is_divided_by_how_much_is_kept(p: float, locked: bool) -> None:
    dropout = Dropout(p, locked)
    dropout.generator = torch.Generator().manual_seed(3)
    x = dropout(torch.ones(3, 50, 60))
    assert torch.all((x == 0) | torch.isclose(x, torch.tensor(1 / (1 - p))))
    assert (x == 0).double().mean().item() == pytest.approx(p, abs=0.03)
    assert torch.equal(x[0], x[1]) == locked
    assert torch.equal(dropout.eval()(x), x)


def test_a_locked_mask_is_another_one_in_the_next_window() -> None:
    dropout = Dropout(0.5, locked=True)
    dropout.generator = torch.Generator().manual_seed(3)
    x = torch.ones(2, 20, 20)
    assert not torch.equal(dropout(x), dropout(x))
