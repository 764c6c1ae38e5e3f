"""A text with something planted in it, and small networks that learn it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.run import Run


def _planted(count: int) -> str:
    """A text in which quotes decide what follows a question mark, and nothing else tells whether they are open."""
    rng = random.Random(0)
    out: list[str] = []
    inside, left, gap = False, 60, 12
    while len(out) < count:
        left, gap = left - 1, gap - 1
        if left < 0:
            inside, left = not inside, rng.randint(50, 110)
            out.append("“" if inside else "”")
        elif gap < 0:
            out += ["?", "x" if inside else "y"]
            gap = rng.randint(9, 16)
        else:
            out.append(".")
    return "".join(out)


def _trained(folder: Path, text: str, steps: int, rate: float = 0.02, **model: Any) -> Run:
    folder.mkdir(exist_ok=True)
    (folder / "text.txt").write_text(text, encoding="utf-8")
    config = {
        "corpus": {"path": str(folder / "text.txt"), "split": [0.8, 0.2, 0.0]},
        "model": {"cell": "gru", "hidden_size": 24, "embedding_size": 8} | model,
        "training": {"steps": steps, "batch_size": 32, "learning_rate": rate, "sample_every": None},
    }
    return charrnn.train(config, out=folder / "run", quiet=True, device="cpu")


@pytest.fixture(scope="session")
def planted() -> Callable[[int], str]:
    return _planted


@pytest.fixture(scope="session")
def trained() -> Callable[..., Run]:
    return _trained


@pytest.fixture(scope="session")
def planted_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A GRU that has learnt whether quotes are open."""
    return _trained(tmp_path_factory.mktemp("planted"), _planted(60_000), 400)
