"""The bidirectional model: it predicts a character from all characters before it and all after it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from charrnn.config import ModelConfig
from charrnn.models.base import LanguageModel, State
from charrnn.models.layers import Embedding
from charrnn.models.recurrent import MakeLayer, Trunk
from charrnn.text.batches import IGNORE


class BidirectionalModel(LanguageModel):
    r"""Predicts x_t from the forward state up to t-1 and the backward state from t+1 (Schuster & Paliwal 1997).

    .. math:: o_t = \mathrm{softmax}(V s_{t-1} + V' s'_{t+1})

    The model never sees the character that it is scored on. The two directions share only the embedding. In a deep
    model they stay apart until the sum, because a layer that mixed them would show x_t to its own prediction. The model
    fills blanks and cannot write from left to right. Its result is a pseudo-likelihood, which must not be compared with
    the likelihood of other models.
    """

    causal = False

    def __init__(self, vocab_size: int, config: ModelConfig, layer: MakeLayer) -> None:
        super().__init__(vocab_size)
        self.embedding = Embedding(vocab_size, config.embedding_size, config.embedding_dropout)
        self.ahead, self.back = Trunk(config, layer), Trunk(config, layer)
        self.V = nn.Linear(config.hidden_size, vocab_size)
        self.V_back = nn.Linear(config.hidden_size, vocab_size, bias=False)
        nn.init.zeros_(self.V.bias)

    @property
    def alphabet_weights(self) -> list[Tensor]:
        """The embedding `[V, E]` and the matrices of both outputs `[V, H]`."""
        return [self.embedding.weight, self.V.weight, self.V_back.weight]

    def initial_state(self, batch: int) -> State:
        """The forward state before anything is read. The backward state is not carried: it comes from the window."""
        return self.ahead.initial_state(batch, self.V.weight)

    def read(self, ids: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The states before and after each target `[T, B]`, as `[T, B, 2 H]`, and the forward state after all of them.

        Only the first row of ids `[T, B]` is used: the character before the text, or the boundary if the text begins
        here. Targets after the end of a column's text are IGNORE, and change nothing.
        """
        lengths, text = (targets != IGNORE).sum(0), targets.clamp(min=0)
        ahead, state = self.ahead(self.embedding(torch.cat([ids[:1], text[:-1]])), state)
        # Each column is reversed within its own length: a boundary, x_L ... x_2, then padding.
        time = torch.arange(len(text), device=text.device)[:, None]
        turned = (lengths - 1 - time).clamp(min=0)
        boundary = torch.full_like(ids[:1], self.boundary)
        behind = torch.cat([boundary, text.gather(0, turned)[:-1]])
        back, _ = self.back(self.embedding(behind), self.back.initial_state(text.shape[1], self.V.weight))
        back = back.gather(0, turned[..., None].expand(-1, -1, back.shape[-1]))
        return torch.cat([ahead, back], -1), state

    def readout(self, features: Tensor) -> Tensor:
        """The states before and after a character, `[..., 2 H]`, to logits `[..., V]`."""
        ahead, back = features.chunk(2, dim=-1)
        return self.V(ahead) + self.V_back(back)
