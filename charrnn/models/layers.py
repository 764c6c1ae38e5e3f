"""The small parts of models: dropout, embedding, fully connected layers, normalisation, initial weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.text.batches import IGNORE

Activation = Literal["tanh", "relu"]
RecurrentInit = Literal["identity", "orthogonal", "gaussian"] | None
ForgetBias = float | Literal["chrono"]
CACHED = 2**19
"""So many logits are computed and used at once where many are needed: 2 MB stay in the cache of a processor."""


class Dropout(nn.Module):
    """In training, drops each number with probability p and divides the others by 1 - p. p is a multiple of 2^-16.

    `locked` drops the same units at all time steps of a window (arXiv:1512.05287); its masks are also drawn faster.

    The masks come from `generator`. The trainer sets it and seeds it at every step, so that a mask depends only on the
    seed and the step, and a resumed run draws the same masks.
    """

    generator: torch.Generator | None = None

    def __init__(self, p: float, locked: bool = False) -> None:
        super().__init__()
        self.p, self.locked = p, locked

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape (`[T, B, D]` if `locked`) to the same shape."""
        mask = self.mask(x)
        return x if mask is None else x * mask

    def mask(self, x: Tensor) -> Tensor | None:
        """The factors of x, in the shape of x (`[B, D]` if `locked`); None if nothing is dropped."""
        if not self.training or not self.p:
            return None
        like = x[0] if self.locked else x
        # Each random integer of 64 bits gives four of 16 bits: on a CPU several times as fast as bernoulli_.
        words = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)
        draws = words.view(torch.int16)[: like.numel()].view(like.shape)
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        mask = (draws >= dropped - 2**15).to(x.dtype)
        return mask.mul_(2**16 / (2**16 - dropped))

    def extra_repr(self) -> str:
        """The text that print(model) shows for this module."""
        return f"p={self.p}, locked={self.locked}"


def dropout(config: ModelConfig, own: float | None = None) -> Dropout:
    """A dropout layer with the probability `own`; None takes `model.dropout`."""
    return Dropout(config.dropout if own is None else own, config.locked_dropout)


class Embedding(nn.Embedding):
    """A vector for each character. In training, a dropped character becomes zeros at all its places in a window
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


def cross_entropies(readout: Callable[[Tensor], Tensor], features: Tensor, targets: Tensor, vocab_size: int) -> Tensor:
    """-ln p of targets `[T, B]`, 0 where one is IGNORE, from features `[T, B, D]` and the last layer."""
    some = in_cache(features.flatten(0, 1), targets.flatten(), vocab_size)
    nats = [F.cross_entropy(readout(x).float(), own, ignore_index=IGNORE, reduction="none") for x, own in some]
    return torch.cat(nats).view_as(targets)


def in_cache(features: Tensor, targets: Tensor, vocab_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Features `[N, D]` and targets `[N]` in pieces of so many rows that their logits are CACHED."""
    rows = max(1, CACHED // vocab_size)
    return zip(torch.split(features, rows), torch.split(targets, rows), strict=True)


def normalisation(kind: str, width: int) -> nn.Module:
    """Layer normalisation (arXiv:1607.06450), its variant without a mean (arXiv:1910.07467), or the identity."""
    return {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm}[kind](width)


def input_weights(rows: int, columns: int, gain: float = 1.0) -> Tensor:
    """A matrix of normal numbers that maps inputs of unit variance to sums of variance gain²."""
    return nn.init.normal_(torch.empty(rows, columns), std=gain * columns**-0.5)


def orthogonal(size: int, count: int = 1) -> Tensor:
    """Random orthogonal matrices, one below the other `[count * size, size]`. Each keeps the length of every vector,
    and so at first the length of a gradient that flows through time (arXiv:1312.6120).
    """
    weights = torch.empty(count * size, size)
    for matrix in weights.chunk(count):
        nn.init.orthogonal_(matrix)
    return weights


def initial_recurrence(begin: Literal["identity", "orthogonal", "gaussian"], size: int) -> Tensor:
    """The first recurrent weights `[size, size]`: the identity, a random orthogonal matrix, or normal numbers of
    variance 1 / size.
    """
    if begin == "gaussian":
        return input_weights(size, size)
    if begin == "orthogonal":
        return orthogonal(size)
    weights = torch.zeros(size, size)
    weights.diagonal().fill_(1)
    return weights


def gate_biases(size: int, forget: ForgetBias, longest: int) -> Tensor:
    r"""The biases `[4 * size]` of the gates i, f, g, o: 0, and `forget` for f.

    With `chrono` the units begin with memories of different lengths, up to T = `longest` characters:

    .. math:: b_f \sim \ln \mathcal{U}(1, T - 1), \qquad b_i = -b_f

    That is section 2.2 of arXiv:1804.11188. A gate of bias b_f keeps sigma(b_f) = 1 - 1/(1 + e^{b_f}) of what it holds
    at each step, and so holds it for about 1 + e^{b_f} steps, which is uniform between 2 and T.
    """
    biases = torch.zeros(4 * size)
    i, f, _, _ = biases.chunk(4)
    if forget == "chrono":
        f.uniform_(1, longest - 1).log_()
        i.copy_(-f)
    else:
        f.fill_(forget)
    return biases
