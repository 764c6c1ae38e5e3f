"""The recurrent language model: embedding, layers before, stacked recurrences, layers after, output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from charrnn.config import ModelConfig
from charrnn.models.base import Dropout, Embedding, LanguageModel, RecurrentLayer, Stack, State
from charrnn.models.kernels import look_up

MakeLayer = Callable[[int, int], RecurrentLayer]
"""`layer(input_size, hidden_size)` makes one recurrence."""


class RecurrentModel(LanguageModel):
    r"""Reads a character, updates what it remembers, and predicts the next one.

    .. math:: s_t = f(U x_t + W s_{t-1}), \qquad o_t = \mathrm{softmax}(V s_t)

    with any recurrence in the place of f.
    """

    def __init__(self, vocab_size: int, config: ModelConfig, layer: MakeLayer) -> None:
        super().__init__(vocab_size)
        self.embedding = Embedding(vocab_size, config.embedding_size, config.embedding_dropout)
        self.trunk = Trunk(config, layer)
        self.output = nn.Linear(self.trunk.output_size, vocab_size)
        nn.init.zeros_(self.output.bias)
        if config.tie_embedding:
            self.output.weight = self.embedding.weight
            nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)  # logits of unit variance at first

    @property
    def alphabet_weights(self) -> list[Tensor]:
        """Of the embedding and the output; one where they are tied."""
        return [self.embedding.weight, self.output.weight]

    def initial_state(self, batch: int) -> State:
        """Zeros: nothing has been read."""
        return self.trunk.initial_state(self.output.weight, batch)

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` to `[T, B, H]`, all time steps of a layer before the next layer."""
        if self.vocab_size > ids.numel() or self.trunk.drops_inputs:
            return self.trunk(self.embedding(ids), state)
        alphabet = torch.arange(self.vocab_size, device=ids.device)
        return self.trunk(self.embedding(alphabet), state, ids.contiguous())

    def readout(self, features: Tensor) -> Tensor:
        """`[..., H]` to logits `[..., V]`."""
        return self.output(features)

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """One character, by the plain equations of each layer, without the overhead of sequence kernels."""
        features, state = self.trunk.step(self.embedding(ids), state)
        return self.readout(features), state


class Trunk(nn.Module):
    """All between the embedding and the output, deep in the three ways of Pascanu et al. (arXiv:1312.6026).

    `input_layers` before the recurrence, `num_layers` recurrences stacked, `output_layers` after it. Each recurrence
    may read a normalised input (`norm`) and add its output to it (`residual`, where the widths agree), which together
    let gradients pass down a deep stack as gates let them pass through time. Dropout is applied to the embedding and
    to what each layer gives, never to a state (arXiv:1409.2329); inside a recurrence weights may be dropped.
    """

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
            recurrence.drop_weights.p = config.weight_dropout
        self.norms = nn.ModuleList(_norm(config.norm, width) for width in widths)
        self.residual = [config.residual and before == after for before, after in pairs]
        between = [dropout(config) for _ in range(config.num_layers - 1)]
        self.dropouts: Sequence[Dropout] = nn.ModuleList(
            [*between, dropout(config) if config.output_layers else self.output_dropout]
        )  # type: ignore[assignment]
        self.output_layers = fully_connected(hidden, hidden, config.output_layers)
        self.watch: Callable[[Tensor, Tensor], None] | None = None
        """Called with what the last recurrence gives, `[T, B, H]`, before and after dropout."""

    def initial_state(self, like: Tensor, batch: int) -> State:
        """Zeros `[batch, H]`, of the type and on the device of `like`."""
        return tuple(like.new_zeros(batch, size) for layer in self.layers for size in layer.state_sizes)

    @property
    def drops_inputs(self) -> bool:
        """Whether the same character may be another vector at another place."""
        return self.training and self.input_dropout.p > 0

    def forward(self, x: Tensor, state: State, ids: Tensor | None = None) -> tuple[Tensor, State]:
        """x `[T, B, E]` and a state to `[T, B, H]` and the new state.

        With ids `[T, B]`, x is `[V, E]`, a vector for each character of the alphabet: all that depends on a character
        alone, up to the first layer's U x, is then computed once for each and not for each place where it stands.
        """
        x = self.input_layers(self.input_dropout(x))
        stack = Stack(self.layers, list(self.norms)[:-1], self.residual, self.dropouts)
        if self.watch is None:
            done = self.layers[0].through(stack, x, state, ids)
            if done is not None:
                return self._after(done[0]), done[1]
        projected = None if ids is None else self.layers[0].project(self.norms[0](x))
        if ids is not None and (projected is None or self.residual[0]):
            x = look_up(x, ids)
        rest: list[Tensor] = list(state)
        after: State = ()
        for layer, norm, residual, drop in zip(*stack, strict=True):
            own = tuple(rest.pop(0) for _ in layer.state_sizes)
            if projected is None:
                y, own = layer(norm(x), own)
            else:
                y, own = layer.recur(projected, own, ids)
                projected = None
            dropped = drop(y)
            if self.watch is not None and layer is self.layers[-1]:
                self.watch(y, dropped)
            x = x + dropped if residual else dropped
            after += own
        return self._after(x), after

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """x `[B, E]` and a state to `[B, H]` and the new state, by the plain equations; nothing is dropped."""
        x = self.input_layers(x)
        rest: list[Tensor] = list(state)
        after: State = ()
        for layer, norm, residual in zip(self.layers, self.norms, self.residual, strict=False):
            y, own = layer.step(norm(x), tuple(rest.pop(0) for _ in layer.state_sizes))
            x = x + y if residual else y
            after += own
        return self._after(x), after

    def _after(self, x: Tensor) -> Tensor:
        """What comes after the recurrences."""
        x = self.norms[-1](x)
        return self.output_dropout(self.output_layers(x)) if len(self.output_layers) else x


def dropout(config: ModelConfig, own: float | None = None) -> Dropout:
    """The config's dropout, or one with a probability of its own."""
    return Dropout(config.dropout if own is None else own, config.locked_dropout)


def fully_connected(
    input_size: int, hidden_size: int, count: int, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """`count` layers x -> activation(W x + b)."""
    layers: list[nn.Module] = []
    for i in range(count):
        layers += [nn.Linear(hidden_size if i else input_size, hidden_size), activation()]
    return nn.Sequential(*layers)


def _norm(kind: str, width: int) -> nn.Module:
    """Layer normalisation (arXiv:1607.06450), its variant without a mean (arXiv:1910.07467), or nothing."""
    return {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm}[kind](width)
