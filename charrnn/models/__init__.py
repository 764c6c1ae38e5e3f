"""The zoo: every architecture behind the one interface of `base.LanguageModel`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from charrnn.config import ModelConfig
from charrnn.memory import require
from charrnn.models.base import Dropout, LanguageModel, State
from charrnn.models.bidirectional import BidirectionalModel
from charrnn.models.gru import GRULayer
from charrnn.models.lstm import LSTMLayer
from charrnn.models.minimal import MinGRULayer, MinLSTMLayer
from charrnn.models.mlp import WindowModel
from charrnn.models.ngram import NGramModel
from charrnn.models.recurrent import MakeLayer, RecurrentModel
from charrnn.models.rnn import RNNLayer

__all__ = [
    "REGISTER",
    "BidirectionalModel",
    "LanguageModel",
    "NGramModel",
    "State",
    "build_model",
    "set_dropout_generator",
]


def _recurrent(layer: Callable[[ModelConfig], MakeLayer]) -> Callable[[int, ModelConfig], LanguageModel]:
    """The model around a recurrence, in one direction or both."""

    def build(vocab_size: int, config: ModelConfig) -> LanguageModel:
        model = BidirectionalModel if config.bidirectional else RecurrentModel
        return model(vocab_size, config, layer(config))

    return build


REGISTER: dict[str, Callable[[int, ModelConfig], LanguageModel]] = {
    "ngram": lambda vocab_size, config: NGramModel(vocab_size, config.order),
    "mlp": WindowModel,
    "rnn": _recurrent(lambda config: partial(RNNLayer, activation=config.activation)),
    "lstm": _recurrent(lambda config: partial(LSTMLayer, forget_bias=config.forget_bias)),
    "gru": _recurrent(lambda config: GRULayer),
    "mingru": _recurrent(lambda config: MinGRULayer),
    "minlstm": _recurrent(lambda config: MinLSTMLayer),
}
"""`model.cell` to the model that it names. A new cell is one file and one line here."""


def build_model(config: ModelConfig, vocab_size: int, seed: int = 0) -> LanguageModel:
    """The model of a config with fresh weights, the same for the same seed.

    The seed stays here: the program's own random numbers are left as they were. Raises CharrnnError, before any memory
    is taken, where there is not enough of it.
    """
    if torch.get_default_device().type != "meta":
        with torch.device("meta"):  # the shapes alone
            model = REGISTER[config.cell](vocab_size, config)
        require(
            sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers())),
            f"a model of {model.size:,} parameters",
            "give a smaller model.hidden_size, model.embedding_size or model.num_layers",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return REGISTER[config.cell](vocab_size, config)


def set_dropout_generator(model: LanguageModel, generator: torch.Generator) -> None:
    """Makes every dropout layer draw its masks from `generator`."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator
