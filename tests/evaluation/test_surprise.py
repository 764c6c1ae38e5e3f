from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.run import Run
from charrnn.text.given import By

LINES = "the cat sat\non the mat\n" * 80
POEMS = "ab\ncd\n\nabab\n\ncd\n\n" * 40


def trained(folder: Path, text: str, mode: str) -> Run:
    (folder / "text.txt").write_text(text, encoding="utf-8")
    config: dict[str, Any] = {
        "corpus": {"path": str(folder / "text.txt"), "mode": mode},
        "model": {"hidden_size": 16, "embedding_size": 8},
        "training": {"steps": 80, "batch_size": 4, "window": 16, "learning_rate": 0.03, "sample_every": None},
    }
    return charrnn.train(charrnn.Config.model_validate(config), out=folder / "run", quiet=True, device="cpu")


@pytest.mark.parametrize(("text", "mode"), [(LINES, "stream"), (POEMS, "documents")])
def test_all_ways_of_summing_agree_with_eval(tmp_path: Path, text: str, mode: str) -> None:
    run = trained(tmp_path, text, mode)
    whole = run.evaluate(tmp_path / "text.txt")
    by: By
    for by in ("line", "document", "character"):
        rows = run.score(tmp_path / "text.txt", by)
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))
        bits = np.concatenate([row.bits for row in rows])
        assert len(bits) == whole.characters
        assert bits.sum() * math.log(2) == pytest.approx(whole.nats, rel=1e-4)
    if mode == "stream":
        assert "".join(row.text for row in run.score(tmp_path / "text.txt")) == text


def test_the_line_that_does_not_belong_stands_out(tmp_path: Path) -> None:
    run = trained(tmp_path, LINES, "stream")
    (tmp_path / "odd.txt").write_text("the cat sat\non the mat\nmst ato hec\nthe cat sat\n", encoding="utf-8")
    rows = run.score(tmp_path / "odd.txt")
    assert max(rows, key=lambda row: row.bits_per_char).number == 3
