"""The recurrent language model: embedding, layers before, stacked recurrences, layers after, output."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.models.base import Dropout, LanguageModel, RecurrentLayer, State


class RecurrentModel(LanguageModel):
    r"""Reads a character, updates what it remembers, and predicts the next one.

    .. math:: s_t = f(U x_t + W s_{t-1}), \qquad o_t = \mathrm{softmax}(V s_t)

    with any recurrence in the place of f. It can be made deep in the three ways of Pascanu et al. (arXiv:1312.6026):
    `input_layers` between the embedding and the recurrence, `num_layers` recurrences stacked, `output_layers` between
    the recurrence and the output. Dropout is applied to the embedding, between layers and before the output, and never
    inside a recurrence (arXiv:1409.2329).
    """

    def __init__(self, vocab_size: int, config: ModelConfig, layer: Callable[[int, int], RecurrentLayer]) -> None:
        """`layer(input_size, hidden_size)` makes one recurrence."""
        super().__init__(vocab_size)
        hidden = config.hidden_size
        self.embedding = nn.Embedding(vocab_size, config.embedding_size)
        self.dropout = Dropout(config.dropout)
        self.input_layers = _fully_connected(config.embedding_size, hidden, config.input_layers)
        width = hidden if config.input_layers else config.embedding_size
        self.layers: Sequence[RecurrentLayer] = nn.ModuleList(  # type: ignore[assignment]  # a ModuleList is one
            layer(hidden if i else width, hidden) for i in range(config.num_layers)
        )
        self.output_layers = _fully_connected(hidden, hidden, config.output_layers)
        self.output = nn.Linear(hidden, vocab_size)
        if config.tie_embedding:
            self.output.weight = self.embedding.weight
            nn.init.normal_(self.embedding.weight, std=hidden**-0.5)  # logits of unit variance at the start
        nn.init.zeros_(self.output.bias)

    def initial_state(self, batch: int) -> State:
        """Zeros: nothing has been read."""
        weight = self.output.weight
        return tuple(weight.new_zeros(batch, size) for layer in self.layers for size in layer.state_sizes)

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` to `[T, B, H]`, all time steps of a layer before the next layer."""
        return self._through(ids, state, lambda layer, x, s: layer(x, s))

    def readout(self, features: Tensor) -> Tensor:
        """`[..., H]` to logits `[..., V]`."""
        return F.linear(features, self.output.weight, self.output.bias)

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """One character, by the plain equations of each layer, without the overhead of sequence kernels."""
        features, state = self._through(ids, state, lambda layer, x, s: layer.step(x, s))
        return self.readout(features), state

    def _through(
        self, ids: Tensor, state: State, run: Callable[[RecurrentLayer, Tensor, State], tuple[Tensor, State]]
    ) -> tuple[Tensor, State]:
        x = self.input_layers(self.dropout(self.embedding(ids)))
        rest = list(state)
        after: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            if i:
                x = self.dropout(x)
            own = tuple(rest.pop(0) for _ in layer.state_sizes)
            x, own = run(layer, x, own)
            after.extend(own)
        return self.dropout(self.output_layers(x)), tuple(after)


def _fully_connected(input_size: int, hidden_size: int, count: int) -> nn.Sequential:
    """`count` layers x -> relu(W x + b)."""
    layers: list[nn.Module] = []
    for i in range(count):
        layers += [nn.Linear(hidden_size if i else input_size, hidden_size), nn.ReLU()]
    return nn.Sequential(*layers)
