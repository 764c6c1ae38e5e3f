"""The neural model of a fixed window (Bengio et al. 2003): what came between n-grams and recurrence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from charrnn.config import ModelConfig
from charrnn.models.base import LanguageModel, State
from charrnn.models.layers import Embedding, dropout, fully_connected


class WindowModel(LanguageModel):
    r"""Predicts a character from the n before it, each by its vector, through fully connected layers.

    .. math:: x_t = [C(w_{t-n+1}); \dots; C(w_t)], \qquad y_t = \tanh(H x_t + d), \qquad
              o_t = \mathrm{softmax}(U y_t + b)

    (Bengio et al., JMLR 3, 2003, equation 1, without the direct connections W.) Like an n-gram it sees nothing beyond
    its window; unlike one it knows that some characters are alike. Its state is the window itself.
    """

    def __init__(self, vocab_size: int, config: ModelConfig) -> None:
        super().__init__(vocab_size)
        self.context = config.context
        self.embedding = Embedding(vocab_size, config.embedding_size, config.embedding_dropout)
        self.input_dropout = dropout(config, config.input_dropout)
        self.output_dropout = dropout(config, config.output_dropout)
        activation = nn.Tanh if config.activation == "tanh" else nn.ReLU
        self.hidden = fully_connected(
            config.context * config.embedding_size, config.hidden_size, config.num_layers, activation
        )
        self.output = nn.Linear(config.hidden_size, vocab_size)
        nn.init.zeros_(self.output.bias)

    @property
    def alphabet_weights(self) -> list[Tensor]:
        """Of the embedding and the output."""
        return [self.embedding.weight, self.output.weight]

    def initial_state(self, batch: int) -> State:
        """A window of boundaries, ids `[batch, context - 1]`."""
        return (torch.full((batch, self.context - 1), self.boundary, device=self.device),)

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` to `[T, B, H]`."""
        text = torch.cat([state[0].t(), ids])
        windows = text.unfold(0, self.context, 1)  # [T, B, context]
        x = self.input_dropout(self.embedding(windows).flatten(-2))
        return self.output_dropout(self.hidden(x)), (text[len(ids) :].t(),)

    def readout(self, features: Tensor) -> Tensor:
        """`[..., H]` to logits `[..., V]`."""
        return self.output(features)
