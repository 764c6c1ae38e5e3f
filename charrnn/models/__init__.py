"""All architectures. Each has the interface of `base.LanguageModel`."""

from __future__ import annotations

from typing import Literal

import torch

from charrnn.config import ModelConfig
from charrnn.memory import require
from charrnn.models.base import LanguageModel, State
from charrnn.models.layers import Dropout
from charrnn.models.mixture import Mixture
from charrnn.models.ngram import NGramModel
from charrnn.models.recurrent import Trunk
from charrnn.models.register import model_of, register_cell
from charrnn.models.shapes import model_shape

__all__ = [
    "LanguageModel",
    "Mixture",
    "NGramModel",
    "State",
    "build_model",
    "model_shape",
    "register_cell",
    "set_dropout_generator",
    "set_kernels",
]


def build_model(config: ModelConfig, vocab_size: int, seed: int = 0) -> LanguageModel:
    """The model of a config with fresh weights, which are the same for the same seed.

    PyTorch's own random numbers are left as they were. Raises CharrnnError, before any memory is taken, where there is
    not enough of it.
    """
    shape = model_shape(config, vocab_size)
    require(
        sum(tensor.nbytes for tensor in (*shape.parameters(), *shape.buffers())),
        f"a model of {shape.size:,} parameters",
        "give a smaller model.hidden_size, model.embedding_size or model.num_layers",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model_of(config, vocab_size)


def set_dropout_generator(model: LanguageModel, generator: torch.Generator) -> None:
    """Makes every dropout layer draw its masks from `generator`."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def set_kernels(model: LanguageModel, kernels: Literal["auto", "plain"]) -> None:
    """Sets the way in which recurrences are computed, that of `training.kernels`."""
    for module in model.modules():
        if isinstance(module, Trunk):
            module.kernels = kernels
