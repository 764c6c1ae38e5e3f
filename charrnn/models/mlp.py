"""The neural model of a fixed window (Bengio et al. 2003), which came between n-grams and recurrent networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from charrnn.config import ModelConfig
from charrnn.models.base import LanguageModel, State
from charrnn.models.layers import Embedding, dropout, fully_connected


class WindowModel(LanguageModel):
    r"""Predicts a character from the vectors of the n characters before it, through fully connected layers.

    .. math:: x_t = [C(w_{t-n+1}); \dots; C(w_t)], \qquad y_t = \tanh(H x_t + d), \qquad
              o_t = \mathrm{softmax}(U y_t + b)

    This is equation 1 of Bengio et al. (JMLR 3, 2003) without the direct connections W. Like an n-gram, the model sees
    nothing beyond its window. Unlike an n-gram, it learns that some characters are alike. Its state is the window.
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
        """The matrices of the embedding `[V, E]` and of the output `[V, H]`."""
        return [self.embedding.weight, self.output.weight]

    def initial_state(self, batch: int) -> State:
        """A window of boundaries: ids `[batch, context - 1]`."""
        return (torch.full((batch, self.context - 1), self.boundary, device=self.device),)

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` and a window to the outputs of the hidden layers, `[T, B, H]`, and the new window."""
        text = torch.cat([state[0].t(), ids])
        windows = text.unfold(0, self.context, 1)  # [T, B, context]
        x = self.input_dropout(self.embedding(windows).flatten(-2))
        return self.output_dropout(self.hidden(x)), (text[len(ids) :].t(),)

    def readout(self, features: Tensor) -> Tensor:
        """Outputs of the hidden layers `[..., H]` to logits `[..., V]`."""
        return self.output(features)
