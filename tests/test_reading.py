"""The exercises of docs/reading.md run as they stand there, and the files that it names are as short as it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import charrnn

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
TEXT = "ROMEO: I will not be there to be, or not to be. To be, or not: Q.\n" * 60


def test_the_files_are_few_and_short() -> None:
    files = re.findall(r"^## \d+\. `(.*?)`", PAGE, re.MULTILINE)
    assert 5 <= len(files) <= 8
    assert sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files) < 900


def test_the_loop_is_short() -> None:
    assert len((ROOT / "charrnn/training/trainer.py").read_text(encoding="utf-8").splitlines()) < 150


def test_the_exercises_run(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    keys = {
        "corpus": {"path": "text.txt"},
        "model": {"hidden_size": 16, "embedding_size": 8},
        "training": {"steps": 20, "batch_size": 16, "window": 8},
    }
    charrnn.train(charrnn.Config.model_validate(keys), out="runs/shakespeare", quiet=True, device="cpu")
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block.replace("steps=200", "steps=3"), "docs/reading.md", "exec"), names)
