"""The recurrent language model: embedding, input layers, stacked recurrences, output layers, output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from charrnn.config import ModelConfig
from charrnn.models.base import LanguageModel, RecurrentLayer, State
from charrnn.models.fast import windows
from charrnn.models.layers import Dropout, Embedding, dropout, fully_connected, normalisation

MakeLayer = Callable[[int, int], RecurrentLayer]
"""`layer(input_size, hidden_size)` makes one recurrence."""


class RecurrentModel(LanguageModel):
    r"""Reads a character, updates what it remembers, and predicts the next one.

    .. math:: s_t = f(U x_t + W s_{t-1}), \qquad o_t = \mathrm{softmax}(V s_t)

    f may be any recurrence.
    """

    def __init__(self, vocab_size: int, config: ModelConfig, layer: MakeLayer) -> None:
        super().__init__(vocab_size)
        self.embedding = Embedding(vocab_size, config.embedding_size, config.embedding_dropout)
        self.trunk = Trunk(config, layer)
        self.output = nn.Linear(self.trunk.output_size, vocab_size)
        nn.init.zeros_(self.output.bias)
        if config.tie_embedding:
            self.output.weight = self.embedding.weight
            nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)  # so that logits have unit variance

    @property
    def alphabet_weights(self) -> list[Tensor]:
        """The matrices of the embedding and of the output, `[V, ...]`, which are the same if they are tied."""
        return [self.embedding.weight, self.output.weight]

    def initial_state(self, batch: int) -> State:
        """The states of all layers before anything is read."""
        return self.trunk.initial_state(batch, self.output.weight)

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` and a state to `[T, B, H]` and the new state, one layer after the other for all time steps."""
        if self.trunk.looks_up and ids.numel() >= self.vocab_size:
            return self.trunk(windows.alphabet(self.embedding), state, ids.contiguous())
        return self.trunk(self.embedding(ids), state)

    def readout(self, features: Tensor) -> Tensor:
        """Features `[..., H]` to logits `[..., V]`."""
        return self.output(features)

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """One character: ids `[B]` and a state to logits `[B, V]` and the new state, by the `step` of each layer."""
        features, state = self.trunk.step(self.embedding(ids), state)
        return self.readout(features), state


class Trunk(nn.Module):
    """All layers between the embedding and the output, deep in the three ways of Pascanu et al. (arXiv:1312.6026).

    `input_layers` come before the recurrence, `num_layers` recurrences are stacked, `output_layers` come after them. A
    recurrence may read a normalised input (`norm`), and may add its output to its input (`residual`, if the widths
    agree). Together these let gradients pass down a deep stack, as gates let them pass through time. Dropout is applied
    to the embedding and to the output of each layer, never to a state (arXiv:1409.2329). Recurrent weights may be
    dropped too.
    """

    kernels: Literal["auto", "plain"] = "auto"
    """`training.kernels`: `auto` computes a window in the fastest way there is, `plain` by the layers' `forward`."""

    def __init__(self, config: ModelConfig, layer: MakeLayer) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.input_dropout = dropout(config, config.input_dropout)
        self.output_dropout = dropout(config, config.output_dropout)
        self.input_layers = fully_connected(config.embedding_size, hidden, config.input_layers)
        first = hidden if config.input_layers else config.embedding_size
        self.output_size = config.embedding_size if config.tie_embedding else hidden
        widths = [first, *[hidden] * (config.num_layers - 1), self.output_size]
        pairs = list(pairwise(widths))
        self.layers: Sequence[RecurrentLayer] = nn.ModuleList(layer(*pair) for pair in pairs)  # type: ignore[assignment]
        for recurrence in self.layers:
            recurrence.drop_weights = Dropout(config.weight_dropout)
        self.norms = nn.ModuleList(normalisation(config.norm, width) for width in widths)
        self.residual = [config.residual and before == after for before, after in pairs]
        between = [dropout(config) for _ in range(config.num_layers - 1)]
        self.dropouts: Sequence[Dropout] = nn.ModuleList(
            [*between, dropout(config) if config.output_layers else self.output_dropout]
        )  # type: ignore[assignment]
        self.output_layers = fully_connected(hidden, hidden, config.output_layers)

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The states of all layers, of the type and on the device of `like`."""
        return tuple(tensor for layer in self.layers for tensor in layer.initial_state(batch, like))

    @property
    def looks_up(self) -> bool:
        """Whether `forward` may compute each character of the alphabet once and look it up at each place. It may not
        where dropout gives the same character different vectors at different places.
        """
        return self.kernels == "auto" and not (self.training and self.input_dropout.p > 0)

    def forward(self, x: Tensor, state: State, ids: Tensor | None = None) -> tuple[Tensor, State]:
        """x `[T, B, E]` and a state to `[T, B, H]` and the new state. With ids `[T, B]`, x holds the vectors of the
        alphabet, `[V, E]`.
        """
        x = self.input_layers(self.input_dropout(x))
        stack = windows.Stack(self.layers, list(self.norms)[:-1], self.residual, self.dropouts)
        if self.kernels == "auto":
            x, state = windows.run(stack, x, state, ids)
        else:
            x, state = through(stack, x, state)
        return self._after(x), state

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[B, E]` and a state to `[B, H]` and the new state, by the `step` of each layer, without dropout."""
        x = self.input_layers(x)
        rest: list[Tensor] = list(state)
        after: State = ()
        for layer, norm, residual in zip(self.layers, self.norms, self.residual, strict=False):
            y, own = layer.step(norm(x), tuple(rest.pop(0) for _ in layer.state_sizes))
            x = x + y if residual else y
            after += own
        return self._after(x), after

    def _after(self, x: Tensor) -> Tensor:
        """Outputs of the last recurrence to the features: normalisation and output layers."""
        x = self.norms[-1](x)
        return self.output_dropout(self.output_layers(x)) if len(self.output_layers) else x


def through(stack: windows.Stack, x: Tensor, state: State) -> tuple[Tensor, State]:
    """x `[T, B, D]` and a state to `[T, B, H]` and the new state, through the `forward` of each layer."""
    rest: list[Tensor] = list(state)
    after: State = ()
    for layer, norm, residual, drop in zip(*stack, strict=True):
        own = tuple(rest.pop(0) for _ in layer.state_sizes)
        y, own = layer.through(norm(x), own)
        x = x + drop(y) if residual else drop(y)
        after += own
    return x, after
