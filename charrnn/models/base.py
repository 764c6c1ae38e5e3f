"""The one interface: what a language model gives to everyone who trains, samples, scores or exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, ...]
"""All that a model remembers of what it has read: a flat tuple of tensors whose first dimension is the batch, so that
every caller can detach, index, move and save it without knowing the cell."""


class LanguageModel(nn.Module):
    """Gives for each character a distribution over the next one, from all characters before it.

    T is time, B the batch, V the vocabulary, D the width of `features`. Three ways to call it agree with each other:
    the whole text at once, in windows with the state carried, and character by character with `step`.
    """

    causal = True
    """Whether a character is predicted from those before it alone; only the bidirectional model sees those after."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size

    def initial_state(self, batch: int) -> State:
        """The state before anything is read; each tensor `[batch, ...]`."""
        raise NotImplementedError

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` and a state to all but the last layer, `[T, B, D]`, and the new state."""
        raise NotImplementedError

    def readout(self, features: Tensor) -> Tensor:
        """The last layer: features `[..., D]` to logits `[..., V]`."""
        raise NotImplementedError

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` and a state to logits `[T, B, V]` and the new state."""
        features, state = self.features(ids, state)
        return self.readout(features), state

    def log_prob(self, ids: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """ln p `[T, B]` of the targets `[T, B]` that follow ids `[T, B]`, and the new state."""
        logits, state = self(ids, state)
        nats = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
        return -nats.view_as(targets), state

    @property
    def alphabet_weights(self) -> list[Tensor]:
        """The matrices of which each row, `[V, ...]`, is about one character: the first and the last layer's."""
        return []

    @property
    def size(self) -> int:
        """How many numbers were learnt."""
        return sum(p.numel() for p in self.parameters())

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """One character: ids `[B]` and a state to logits `[B, V]` and the new state."""
        logits, state = self(ids[None], state)
        return logits[0], state


class RecurrentLayer(nn.Module):
    """One recurrence over a sequence of vectors, the part that a new cell defines.

    `forward` is the fast way over a whole window; `step` is the equation as it is printed. A contract test holds the
    two equal.
    """

    state_sizes: tuple[int, ...]
    """Width of each tensor of this layer's state."""

    def __init__(self) -> None:
        super().__init__()
        self.drop_weights = Dropout(0.0)
        """For the recurrent weights W, once a window (DropConnect as in AWD-LSTM, arXiv:1708.02182)."""

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[T, B, D]` and a state of `[B, H]` each to outputs `[T, B, H]` and the new state."""
        raise NotImplementedError

    def project(self, x: Tensor) -> Tensor | None:
        """What a time step computes from its x alone, x `[..., D]`, for `recur`; None where it is not to be divided."""
        return None

    def recur(self, projected: Tensor, state: State, ids: Tensor | None = None) -> tuple[Tensor, State]:
        """What `forward` gives, from `project(x)` `[T, B, ...]`, which is overwritten.

        With ids `[T, B]`, `projected` is `[V, ...]`, of each character of the alphabet.
        """
        raise NotImplementedError

    def through(self, stack: Stack, x: Tensor, state: State, ids: Tensor | None = None) -> tuple[Tensor, State] | None:
        """x `[T, B, D]`, or with ids `[T, B]` one for each character `[V, D]`, through a whole stack of layers of this
        kind at once; None where that is no faster.
        """
        return None

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[B, D]` and a state to an output `[B, H]` and the new state."""
        raise NotImplementedError


class Stack(NamedTuple):
    """Recurrences one after the other: x -> x + dropout(layer(norm(x))), or where there is no residual connection
    x -> dropout(layer(norm(x))).
    """

    layers: Sequence[RecurrentLayer]
    norms: Sequence[nn.Module]
    residual: Sequence[bool]
    dropouts: Sequence[Dropout]


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


def input_weights(rows: int, columns: int, gain: float = 1.0) -> Tensor:
    """A matrix of normal numbers that maps inputs of unit variance to sums of variance gain²."""
    return nn.init.normal_(torch.empty(rows, columns), std=gain * columns**-0.5)


def orthogonal(size: int) -> Tensor:
    """A random orthogonal matrix: it keeps the length of every vector, and so, at first, of a gradient through time
    (arXiv:1312.6120).
    """
    return nn.init.orthogonal_(torch.empty(size, size))
