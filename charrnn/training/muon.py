"""Muon: steps that change the matrices of a network equally in all directions."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn

from charrnn.device import in_bfloat16
from charrnn.models import LanguageModel
from charrnn.models.base import RecurrentLayer

MOMENTUM = 0.95
"""The decay of the mean gradient, as Jordan et al. have it."""
ITERATIONS = 3
"""The number of Newton-Schulz iterations; more cost more than they give (docs/speed.md)."""


class Hidden(NamedTuple):
    """A weight between units: a matrix `[rows, columns]`, or several matrices `[..., rows, columns]`."""

    weight: nn.Parameter
    height: int
    """The rows of one matrix. The matrices of a layer's gates lie in one weight, one below the other."""

    def shape(self) -> tuple[int, int]:
        """The rows and columns of each matrix in the weight."""
        return self.height, self.weight.shape[-1]


def hidden_matrices(model: LanguageModel) -> list[Hidden]:
    """The matrices that Muon optimizes, sorted by shape: all but the alphabet's, in which each row belongs to one
    character.
    """
    alphabet = set(model.alphabet_weights)
    gates = {
        weight: layer.hidden_size
        for layer in model.modules()
        if isinstance(layer, RecurrentLayer)
        for weight in layer.parameters()
        if weight.ndim == 2 and len(weight) % layer.hidden_size == 0
    }
    matrices = [
        Hidden(weight, gates.get(weight, weight.shape[-2]))
        for weight in model.parameters()
        if weight.ndim > 1 and weight.requires_grad and weight not in alphabet
    ]
    return sorted(matrices, key=Hidden.shape)


def orthogonalised(matrices: Tensor) -> Tensor:
    r"""Matrices `[n, rows, columns]` with the singular vectors of the given ones, and singular values near 1.

    .. math:: X \leftarrow a X + (b X X^\top + c (X X^\top)^2) X

    This Newton-Schulz iteration begins with X divided by its norm, and runs three times. a = 3.4445, b = -4.775 and
    c = 2.0315 (Jordan et al., "Muon", 2024) raise small singular values quickly and leave larger ones between 0.7 and
    1.2. It runs in bfloat16 where that is faster.
    """
    real = torch.bfloat16 if in_bfloat16("bfloat16", matrices.device) else torch.float32
    lying = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = (lying / lying.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)).to(real).contiguous()
    for _ in range(ITERATIONS):
        products = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(products, products, products, beta=-4.775, alpha=2.0315), x, beta=3.4445)
    return (x if lying is matrices else x.mT).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    r"""Momentum with steps that are orthogonal matrices (Jordan et al. 2024).

    .. math::
        M_t &= \mu M_{t-1} + (1 - \mu) G_t \\
        W_t &= (1 - \eta \lambda) W_{t-1} - 0.2 \sqrt{\max(rows, columns)}\, \eta\;
               \mathrm{orthogonalised}(\mu M_t + (1 - \mu) G_t)

    The factor gives a step the mean length of Adam's, so that both use one learning rate (arXiv:2502.16982). The
    matrices lie in one long vector, sorted by shape. Matrices of one shape are computed together; each gate is a matrix
    of its own. For a single matrix the result is that of `torch.optim.Muon`.
    """

    def __init__(self, flat: nn.Parameter, matrices: list[Hidden], rate: float, decay: float) -> None:
        super().__init__([flat], {"lr": rate, "weight_decay": decay})
        alike = [(shape, list(own)) for shape, own in groupby(matrices, Hidden.shape)]
        self._shapes = [(sum(matrix.weight.numel() for matrix in own), *shape) for shape, own in alike]
        self.found_inf = torch.zeros((), device=flat.device)
        """1 makes a step do nothing, as in PyTorch's fused Adam."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step with the current gradient."""
        (group,) = self.param_groups
        (flat,) = group["params"]
        state = self.state[flat]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(flat)
        applied = 1 - self.found_inf
        gradient = torch.where(applied > 0, flat.grad, 0)
        memory = state["momentum"].lerp_(gradient, (1 - MOMENTUM) * applied)
        update = gradient.lerp_(memory, MOMENTUM)
        flat.mul_(1 - group["lr"] * group["weight_decay"] * applied)
        sizes = [size for size, *_ in self._shapes]
        parts = zip(torch.split(flat, sizes), torch.split(update, sizes), self._shapes, strict=True)
        for weights, part, (_, *shape) in parts:
            step = orthogonalised(part.view(-1, *shape))
            weights.view_as(step).sub_(step.mul_(0.2 * max(shape) ** 0.5 * group["lr"] * applied))
