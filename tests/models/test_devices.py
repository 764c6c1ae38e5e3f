"""A training step on a device that is not the CPU, without one: PyTorch's fake tensors have shapes and devices only.

A tensor that is left on the CPU raises here, and so does a value that Python reads in the middle of a step (which makes a
GPU wait), and a shape that depends on values.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
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


@pytest.fixture(scope="module")
def gpu() -> str:
    """The name of a device that PyTorch takes for a GPU, and that is nowhere."""
    try:
        backend_registration._setup_privateuseone_for_python_backend("gpu")  # type: ignore[no-untyped-call]
    except AttributeError:
        pytest.skip("this PyTorch cannot pretend to have a device")
    torch.get_device_module("gpu").get_amp_supported_dtype = lambda: [torch.bfloat16]
    return "gpu"


def moved(model: LanguageModel, device: str) -> LanguageModel:
    """The model with every weight on the device; weights that are shared stay shared. `nn.Module.to` cannot do it."""
    known: dict[int, Tensor] = {}
    for module in model.modules():
        for name, weight in itertools.chain(module._parameters.items(), module._buffers.items()):
            if weight is None:
                continue
            if id(weight) not in known:
                fresh = torch.empty(weight.shape, dtype=weight.dtype, device=device)
                known[id(weight)] = nn.Parameter(fresh) if isinstance(weight, nn.Parameter) else fresh
            (module._parameters if name in module._parameters else module._buffers)[name] = known[id(weight)]
    return model


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model["cell"]))
def test_a_step_stays_on_the_device_and_never_waits_for_it(
    gpu: str, monkeypatch: pytest.MonkeyPatch, model: dict[str, Any], optimizer: str
) -> None:
    monkeypatch.setattr(step, "torch", WithoutGenerators())
    batches = training_batches(Part(np.arange(400) % V), 4, 8, V - 1, 0)
    with FakeTensorMode(allow_non_fake_inputs=True):
        network = moved(build_model(ModelConfig(hidden_size=16, embedding_size=16, **model), V, 0), gpu)
        # PyTorch's own kernel of a GRU cannot be pretended; the others are taken.
        kernels = "plain" if model["cell"] == "gru" else "auto"
        config = TrainingConfig(optimizer=optimizer, steps=9, kernels=kernels)  # type: ignore[arg-type]
        learner = Learner(network, batches, config, lambda: 0.0, Workers())
        monkeypatch.setattr(
            learner.numbers, "add", lambda *_: None
        )  # reads the losses of earlier steps, which are there
        for _ in range(2):
            learner.learn(1e-3)
        assert {tensor.device.type for tensor in network.parameters()} == {gpu}
