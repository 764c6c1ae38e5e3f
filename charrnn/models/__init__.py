"""The zoo: every architecture behind the one interface of `base.LanguageModel`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from charrnn.config import ModelConfig
from charrnn.models.base import Dropout, LanguageModel, RecurrentLayer, State
from charrnn.models.gru import GRULayer
from charrnn.models.lstm import LSTMLayer
from charrnn.models.recurrent import RecurrentModel
from charrnn.models.rnn import RNNLayer

__all__ = ["REGISTER", "LanguageModel", "State", "build_model", "set_dropout_generator"]

Layer = Callable[[int, int], RecurrentLayer]

REGISTER: dict[str, Callable[[ModelConfig], Layer]] = {
    "rnn": lambda config: partial(RNNLayer, activation=config.activation),
    "lstm": lambda config: partial(LSTMLayer, forget_bias=config.forget_bias),
    "gru": lambda config: GRULayer,
}
"""`model.cell` to the recurrence that it names. A new cell is one file and one line here."""


def build_model(config: ModelConfig, vocab_size: int, seed: int = 0) -> LanguageModel:
    """The model of a config with fresh weights, the same for the same seed.

    The seed stays here: the program's own random numbers are left as they were.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RecurrentModel(vocab_size, config, REGISTER[config.cell](config))


def set_dropout_generator(model: LanguageModel, generator: torch.Generator) -> None:
    """Makes every dropout layer draw its masks from `generator`."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator
