"""A model as its config describes it, before any number of it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from charrnn.config import ModelConfig
from charrnn.models.base import LanguageModel
from charrnn.models.register import model_of


def model_shape(config: ModelConfig, vocab_size: int) -> LanguageModel:
    """The model of a config whose weights have shapes and no numbers: they take no memory (PyTorch's meta device)."""
    with torch.device("meta"), _Undrawn():
        return model_of(config, vocab_size)


class _Undrawn(TorchFunctionMode):
    """Leaves numbers undrawn: to draw them on the meta device, PyTorch would import its compiler for a second."""

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if function.__name__ in ("normal_", "uniform_"):  # of a tensor, or of nn.init, which names it
            return args[0] if args else given["tensor"]
        return function(*args, **given)
