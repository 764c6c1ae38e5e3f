from __future__ import annotations

import pytest

from charrnn import memory
from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.models import build_model


@pytest.mark.parametrize("cell", ["mlp", "rnn", "lstm", "gru", "mingru", "minlstm"])
def test_a_model_larger_than_the_memory_is_refused_before_it_is_made(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig.model_validate({"cell": cell, "hidden_size": 65536, "embedding_size": 65536, "num_layers": 8})
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    with pytest.raises(CharrnnError, match=r"parameters would take [\d.,]+ GB of memory, and 1.0 GB are free"):
        build_model(config, 100)


def test_there_is_some_memory_and_not_more_than_any_machine_has() -> None:
    assert 2**20 < memory.available() < 2**50


def test_what_fits_is_not_refused() -> None:
    memory.require(memory.available() // 2, "this", "")
