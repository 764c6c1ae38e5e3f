"""The interface of every language model: training, sampling and scoring know a model by it alone."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

from charrnn.config import ModelConfig
from charrnn.models.layers import Dropout, cross_entropies

State = tuple[Tensor, ...]
"""All that a model remembers of what it has read: a flat tuple of tensors `[B, ...]`. Every caller can detach, index,
move and save it without knowing the cell."""


class LanguageModel(nn.Module):
    """Predicts, after each character, the probabilities of the next one from all characters before it.

    T is the number of time steps, B the batch size, V the size of the vocabulary, D the width of the features. A text
    can be read at once, in windows with the state carried along, or character by character with `step`: the results are
    the same.

    A model defines `initial_state`, `features` and `readout`. A model that is not `causal` has no `features` and no
    `step`, and defines `read` instead.
    """

    causal = True
    """Whether a character is predicted only from those before it. The bidirectional model also sees those after it."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size

    @classmethod
    def of(cls, vocab_size: int, config: ModelConfig) -> LanguageModel:
        """The model of a config, with fresh weights."""
        return cls(vocab_size, config)  # type: ignore[call-arg]

    def initial_state(self, batch: int) -> State:
        """The state before anything is read: tensors `[batch, ...]`."""
        raise NotImplementedError

    def blank_state(self, batch: int) -> State:
        """The state in the middle of a text, where what stands before is not known."""
        return self.initial_state(batch)

    def recall(self, state: State, before: Tensor) -> State:
        """A fresh state that knows of the ids `[K, B]` just before, -1 for none; only a model that counts them does."""
        return state

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` and a state to the input of the last layer, `[T, B, D]`, and the new state."""
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
        """The features `[T, B, D]` from which the targets `[T, B]` after ids `[T, B]` are predicted, and the new state.

        A target is IGNORE where there is nothing to predict. A model that reads from left to right does not use the
        targets.
        """
        return self.features(ids, state)

    def log_prob(self, ids: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """ln p `[T, B]` of the targets `[T, B]` after ids `[T, B]`, 0 where a target is IGNORE, and the new state."""
        features, state = self.read(ids, targets, state)
        return -cross_entropies(self.readout, features, targets, self.vocab_size), state

    @property
    def learner(self) -> LanguageModel:
        """The part that learns by gradient: the model itself, or the network in a mixture."""
        return self

    @property
    def writer(self) -> LanguageModel:
        """The part that writes: the model itself, unless it reads by what is no evidence where it writes."""
        return self

    @property
    def yardstick(self) -> LanguageModel | None:
        """A part that reads many times as fast as the model, and finds the same places hard; None if there is none."""
        return None

    @property
    def counted(self) -> list[str]:
        """Names of tensors that no training changes, so that checkpoints share them."""
        return []

    @property
    def alphabet_weights(self) -> list[Tensor]:
        """The matrices `[V, ...]` of the first and the last layer, in which each row belongs to one character."""
        return []

    @property
    def boundary(self) -> int:
        """The id before and after a text: the last id of every vocabulary."""
        return self.vocab_size - 1

    @property
    def device(self) -> torch.device:
        """The device that the weights live on."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    @property
    def size(self) -> int:
        """The number of learnt numbers."""
        return sum(p.numel() for p in self.parameters())


class RecurrentLayer(nn.Module):
    """One recurrence over a sequence of vectors: the part that a new cell defines.

    A cell defines `__init__` and `step`, its equation for one time step. `forward` is the loop of `step` over time; a
    cell whose gates do not depend on its state can define a faster one. docs/adding-a-cell.md says what is expected.
    """

    recurrent_weights: tuple[str, ...] = ()
    """Names of the weights from the last state to the next. `model.weight_dropout` drops them for a whole window
    (DropConnect as in AWD-LSTM, arXiv:1708.02182). `step` does not drop them."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        """Width of the inputs and of the outputs. In a matrix of several gates, each gate has `hidden_size` rows."""
        self.state_sizes: tuple[int, ...] = (hidden_size,)
        """Width of each tensor of the state."""
        self.drop_weights = Dropout(0.0)

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before anything is read: zeros `[batch, size]`, of the type and on the device of `like`."""
        return tuple(like.new_zeros(batch, size) for size in self.state_sizes)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[B, D]` and a state to an output `[B, H]` and the new state."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[T, B, D]` and a state to outputs `[T, B, H]` and the new state: `step` for one t after the other."""
        outputs = []
        for x_t in x:
            y_t, state = self.step(x_t, state)
            outputs.append(y_t)
        return torch.stack(outputs), state

    def through(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`forward` with dropout of the `recurrent_weights`: in training, one mask for the whole window."""
        weights = {name: self.drop_weights(self.get_parameter(name)) for name in self.recurrent_weights}
        y, after = functional_call(self, weights, (x, state))  # with these weights instead of its own
        # A window hands on a state of the type that it was given, also where products are made in bfloat16.
        return y, tuple(now.to(before.dtype) for now, before in zip(after, state, strict=True))
