"""The shape of a model: what its config describes, without numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from charrnn.config import ModelConfig, NGramConfig
from charrnn.models import build_model, model_shape

MODELS = [
    ModelConfig(cell="rnn", activation="relu", input_layers=1, output_layers=1),
    ModelConfig(cell="lstm", num_layers=2, residual=True, norm="layer"),
    ModelConfig(cell="lstm", forget_bias="chrono"),
    ModelConfig(cell="gru", ngram=NGramConfig()),
    ModelConfig(cell="mingru", tie_embedding=True, hidden_size=8, embedding_size=8),
    ModelConfig(cell="mlp"),
    ModelConfig(cell="lstm", bidirectional=True),
]


@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.shape)
def test_it_has_every_weight_of_the_model_and_no_number(config: ModelConfig) -> None:
    shape, model = model_shape(config, 11).state_dict(), build_model(config, 11).state_dict()
    assert {name: (one.shape, one.dtype) for name, one in shape.items()} == {
        name: (one.shape, one.dtype) for name, one in model.items()
    }
    assert all(one.is_meta for one in shape.values())


def test_the_compiler_of_pytorch_is_not_imported_for_it() -> None:
    code = (
        "import sys\n"
        "from charrnn.config import ModelConfig\n"
        "from charrnn.models import model_shape\n"
        "for cell in ('rnn', 'lstm', 'gru', 'mingru', 'minlstm', 'slstm', 'mlp'):\n"
        "    model_shape(ModelConfig(cell=cell), 5)\n"
        "    model_shape(ModelConfig(cell=cell, activation='relu'), 5) if cell == 'rnn' else None\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
