"""The small parts that models are made of: dropout, embedding, fully connected layers, norms, first weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from charrnn.config import ModelConfig


class Dropout(nn.Module):
    """Drops each number with probability p while training, and divides what stays by 1 - p (p in steps of 2^-16).

    `locked` drops the same units at all time steps of a window (arXiv:1512.05287); that is also quicker to draw.

    The masks come from `generator`, which the trainer sets and seeds anew at every step, so that a mask depends on
    the seed and the step alone and a resumed run draws the same ones.
    """

    generator: torch.Generator | None = None

    def __init__(self, p: float, locked: bool = False) -> None:
        super().__init__()
        self.p, self.locked = p, locked

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape to the same shape; where masks are locked, `[T, B, D]`."""
        mask = self.mask(x)
        return x if mask is None else x * mask

    def mask(self, x: Tensor) -> Tensor | None:
        """What x is multiplied by: of its shape, or where masks are locked `[B, D]`; None for nothing."""
        if not self.training or not self.p:
            return None
        like = x[0] if self.locked else x
        # Four numbers of 16 bits from each one of 64: on a CPU several times as fast as bernoulli_.
        words = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)
        draws = words.view(torch.int16)[: like.numel()].view(like.shape)
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        mask = (draws >= dropped - 2**15).to(x.dtype)
        return mask.mul_(2**16 / (2**16 - dropped))

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        return f"p={self.p}, locked={self.locked}"


def dropout(config: ModelConfig, own: float | None = None) -> Dropout:
    """The config's dropout, or one with a probability of its own."""
    return Dropout(config.dropout if own is None else own, config.locked_dropout)


class Embedding(nn.Embedding):
    """A vector for each character. While training, characters are dropped whole, wherever they stand in a window
    (arXiv:1512.05287, section 4.2).
    """

    def __init__(self, vocab_size: int, size: int, dropout: float = 0.0) -> None:
        super().__init__(vocab_size, size)
        self.drop_characters = Dropout(dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """ids of any shape to `[..., E]`."""
        x = super().forward(ids)
        if self.training and self.drop_characters.p:
            x = x * self.drop_characters(x.new_ones(self.num_embeddings, 1))[ids]
        return x


def fully_connected(
    input_size: int, hidden_size: int, count: int, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """`count` layers x -> activation(W x + b)."""
    layers: list[nn.Module] = []
    for i in range(count):
        layers += [nn.Linear(hidden_size if i else input_size, hidden_size), activation()]
    return nn.Sequential(*layers)


def normalisation(kind: str, width: int) -> nn.Module:
    """Layer normalisation (arXiv:1607.06450), its variant without a mean (arXiv:1910.07467), or nothing."""
    return {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm}[kind](width)


def input_weights(rows: int, columns: int, gain: float = 1.0) -> Tensor:
    """A matrix of normal numbers that maps inputs of unit variance to sums of variance gain²."""
    return nn.init.normal_(torch.empty(rows, columns), std=gain * columns**-0.5)


def orthogonal(size: int) -> Tensor:
    """A random orthogonal matrix: it keeps the length of every vector, and so, at first, of a gradient through time
    (arXiv:1312.6120).
    """
    return nn.init.orthogonal_(torch.empty(size, size))
