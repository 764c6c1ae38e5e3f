"""The one interface: what a language model gives to everyone who trains, samples, scores or exports."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.models.layers import Dropout
from charrnn.text.batches import IGNORE

State = tuple[Tensor, ...]
"""All that a model remembers of what it has read: a flat tuple of tensors whose first dimension is the batch, so that
every caller can detach, index, move and save it without knowing the cell."""


class LanguageModel(nn.Module):
    """Gives for each character a distribution over the next one, from all characters before it.

    T is time, B the batch, V the vocabulary, D the width of the features. Three ways to call it agree with each other:
    the whole text at once, in windows with the state carried, and character by character with `step`.

    A model writes `initial_state`, `features` and `readout`. One that is not `causal` has no `features` and no `step`:
    it writes `read`.
    """

    causal = True
    """Whether a character is predicted from those before it alone; only the bidirectional model sees those after."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size

    @classmethod
    def of(cls, vocab_size: int, config: ModelConfig) -> LanguageModel:
        """The model of a config, with fresh weights."""
        return cls(vocab_size, config)  # type: ignore[call-arg]

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

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """One character: ids `[B]` and a state to logits `[B, V]` and the new state."""
        logits, state = self(ids[None], state)
        return logits[0], state

    def read(self, ids: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """What the targets `[T, B]` that follow ids `[T, B]` are predicted from, `[T, B, D]`, and the new state.

        A target is IGNORE where there is nothing to predict. A model that reads from left to right does not look at
        the targets.
        """
        return self.features(ids, state)

    def log_prob(self, ids: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """ln p `[T, B]` of the targets `[T, B]` that follow ids `[T, B]`, 0 where a target is IGNORE; the new state."""
        features, state = self.read(ids, targets, state)
        logits = self.readout(features).flatten(0, 1).float()
        nats = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE, reduction="none")
        return -nats.view_as(targets), state

    @property
    def alphabet_weights(self) -> list[Tensor]:
        """The matrices of which each row, `[V, ...]`, is about one character: the first and the last layer's."""
        return []

    @property
    def boundary(self) -> int:
        """The id that stands before and after a text: the last one of every vocabulary."""
        return self.vocab_size - 1

    @property
    def device(self) -> torch.device:
        """Where its weights live."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    @property
    def size(self) -> int:
        """How many numbers were learnt."""
        return sum(p.numel() for p in self.parameters())


class RecurrentLayer(nn.Module):
    """One recurrence over a sequence of vectors: the part that a new cell defines.

    A cell writes `__init__` and `step`, the equation as it is printed. `forward` carries `step` through time; a cell
    whose gates do not look at its state writes one of its own. docs/adding-a-cell.md has all that is expected.
    """

    recurrent_weights: tuple[str, ...] = ()
    """Names of the weights from the last state to the next: those that `model.weight_dropout` drops, for a whole
    window (DropConnect as in AWD-LSTM, arXiv:1708.02182). `step` uses them as they are."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        """Width of its inputs and of its outputs. In a matrix of several gates each has `hidden_size` rows."""
        self.state_sizes: tuple[int, ...] = (hidden_size,)
        """Width of each tensor of its state."""
        self.drop_weights = Dropout(0.0)

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before anything is read, zeros `[batch, size]` each, of the type and on the device of `like`."""
        return tuple(like.new_zeros(batch, size) for size in self.state_sizes)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[B, D]` and a state to an output `[B, H]` and the new state."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[T, B, D]` and a state of `[B, H]` each to outputs `[T, B, H]` and the new state: `step` for all t."""
        outputs = []
        for x_t in x:
            y_t, state = self.step(x_t, state)
            outputs.append(y_t)
        return torch.stack(outputs), state

    def through(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`forward`, where `recurrent_weights` are dropped in training, once for the whole window."""
        weights = {name: self.drop_weights(self.get_parameter(name)) for name in self.recurrent_weights}
        y, after = functional_call(self, weights, (x, state))  # these weights in the place of its own
        # What a window hands on has one type, also where products are made in bfloat16.
        return y, tuple(now.to(before.dtype) for now, before in zip(after, state, strict=True))


class Stack(NamedTuple):
    """Recurrences one after the other: x -> x + dropout(layer(norm(x))), or where there is no residual connection
    x -> dropout(layer(norm(x))).
    """

    layers: Sequence[RecurrentLayer]
    norms: Sequence[nn.Module]
    residual: Sequence[bool]
    dropouts: Sequence[Dropout]
