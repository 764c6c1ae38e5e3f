"""A change after which a training gives other weights must raise `RESULTS`, or sweeps serve stale runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import charrnn
from charrnn.store.facts import RESULTS

TEXT = "床前明月光，疑是地上霜。\nto be, or not to be: that is the question.\n" * 40
KNOWN = {"lstm": 4.66702, "mingru": 4.83710, "mlp": 4.31773}
"""The bits per character of each cell after 30 steps, as this `RESULTS` gives them on any machine, up to rounding."""


@pytest.mark.parametrize("cell", KNOWN)
def test_the_same_config_gives_what_it_gave(cell: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    keys = {
        "corpus": {"path": str(tmp_path / "text.txt")},
        "model": {"cell": cell, "hidden_size": 16, "embedding_size": 8},
        "training": {"steps": 30, "batch_size": 4, "window": 16, "kernels": "plain", "precision": "float32"},
    }
    run = charrnn.train(charrnn.Config.model_validate(keys), out=tmp_path / "run", device="cpu", quiet=True)
    assert run.evaluate().bits_per_char == pytest.approx(KNOWN[cell], rel=1e-3), (
        "trainings give other weights than before: raise RESULTS in store/facts.py, and put the new figures here"
    )
    assert run.facts.results == RESULTS == 1
