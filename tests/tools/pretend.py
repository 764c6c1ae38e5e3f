"""A training step on a device that is not the CPU, without one: PyTorch's fake tensors have shapes and devices only.

A tensor that is left on the CPU raises here. So does a value that Python reads in the middle of a step, which makes a
GPU wait, and so does a shape that depends on values.

    python tests/tools/pretend.py

This is a process of its own, because PyTorch's autograd asks once which devices there are. Exit code 3: this PyTorch
cannot pretend to have a device.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils import backend_registration

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.models import LanguageModel, build_model
from charrnn.text.batches import training_batches
from charrnn.text.dataset import Part
from charrnn.training import step
from charrnn.training.distributed import Workers
from charrnn.training.step import Learner

V = 30
MODELS: list[dict[str, Any]] = [
    {"cell": "mlp"},
    {"cell": "rnn", "activation": "relu"},
    {"cell": "lstm", "num_layers": 2, "tie_embedding": True, "weight_dropout": 0.1, "embedding_dropout": 0.1},
    {"cell": "gru", "input_layers": 1, "output_layers": 1, "dropout": 0.1},
    {"cell": "lstm", "bidirectional": True},
    {"cell": "slstm"},
    {"cell": "mingru", "num_layers": 2, "residual": True, "norm": "rms", "dropout": 0.1, "locked_dropout": True},
    {"cell": "minlstm", "norm": "layer"},
]


class WithoutGenerators:
    """PyTorch, whose generators are all on the CPU: a device that is nowhere draws no numbers."""

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name) if name != "Generator" else lambda _: torch.Generator()


def moved(model: LanguageModel, device: str) -> LanguageModel:
    """The model with every weight on the device; weights that are shared stay shared. `nn.Module.to` cannot do it."""
    known: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            if id(weight) not in known:
                known[id(weight)] = nn.Parameter(torch.empty(weight.shape, device=device))
            setattr(module, name, known[id(weight)])
    return model


def two_steps(model: dict[str, Any], optimizer: Literal["adamw", "muon"], device: str) -> None:
    """Two steps of learning. Raises whatever does not stay on the device."""
    batches = training_batches(Part(np.arange(400) % V), 4, 8, V - 1, 0)
    with FakeTensorMode(allow_non_fake_inputs=True):
        network = moved(build_model(ModelConfig(hidden_size=16, embedding_size=16, **model), V, 0), device)
        # PyTorch's own kernel of a GRU cannot be pretended; the others are taken.
        config = TrainingConfig(optimizer=optimizer, steps=9, kernels="plain" if model["cell"] == "gru" else "auto")
        learner = Learner(network, batches, config, lambda: 0.0, Workers())
        learner.numbers = SimpleNamespace(add=lambda *_: None)  # type: ignore[assignment]  # reads earlier losses
        for _ in range(2):
            learner.learn(1e-3)
        assert {tensor.device.type for tensor in network.parameters()} == {device}


def main() -> None:
    """Tries all models with both optimizers."""
    try:
        backend_registration._setup_privateuseone_for_python_backend("gpu")
    except AttributeError:
        sys.exit(3)
    torch.get_device_module("gpu").get_amp_supported_dtype = lambda: [torch.bfloat16]
    setattr(step, "torch", WithoutGenerators())  # noqa: B010 (the module does not export it)
    for model in MODELS:
        for optimizer in ("adamw", "muon"):
            two_steps(model, optimizer, "gpu")
            print(model["cell"], optimizer, "stays on the device", flush=True)


if __name__ == "__main__":
    main()
