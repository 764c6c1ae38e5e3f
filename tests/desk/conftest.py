"""Small runs that a server is started with."""

from __future__ import annotations

from pathlib import Path

import pytest

import charrnn
from charrnn.run import Run

POEMS = "春眠不覺曉，處處聞啼鳥。\n夜來風雨聲，花落知多少。\n\n床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。\n\n"


def trained(folder: Path, name: str, text: str, mode: str) -> Run:
    file = folder / f"{name}.txt"
    file.write_text(text * 20, encoding="utf-8")
    config = charrnn.Config.model_validate(
        {
            "corpus": {"path": str(file), "mode": mode},
            "model": {"hidden_size": 16, "embedding_size": 8},
            "training": {"steps": 3, "batch_size": 4, "window": 8, "sample_every": None, "kernels": "plain"},
            "sampling": {"prompt": "", "length": 30},
        }
    )
    return charrnn.load(charrnn.train(config, out=folder / name, quiet=True, device="cpu").path, "cpu")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, session_cache: Path) -> list[Run]:
    """A run of poems, and one of a long text."""
    folder = tmp_path_factory.mktemp("served")
    return [
        trained(folder, "poems", POEMS, "documents"),
        trained(folder, "play", "To be, or not to be: that is the question.\n", "stream"),
    ]
