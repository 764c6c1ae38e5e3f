"""`charrnn sample` in a process of its own: what it imports, and that every way gives the same text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import charrnn

PROGRAM = """
import sys
from charrnn.cli import app
app(sys.argv[1:], standalone_mode=False)
print(*(name for name in ("torch", "pooch", "requests") if name in sys.modules), file=sys.stderr)
"""


def sample(run: Path, *arguments: str, **environment: str) -> tuple[str, str]:
    """What the command wrote, and which of the slow packages it had imported in the end."""
    command = [sys.executable, "-c", PROGRAM, "sample", str(run), "--length", "80", "--seed", "0", *arguments]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, encoding="utf-8", check=True)
    return done.stdout, done.stderr.strip()


@pytest.mark.parametrize("cell", ["lstm", "ngram"])
def test_every_way_writes_the_same_and_only_pytorch_imports_pytorch(cell: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be, or not to be, that is the question.\n" * 40, encoding="utf-8")
    model = {"cell": cell} | ({"num_layers": 2, "hidden_size": 12, "embedding_size": 4} if cell == "lstm" else {})
    keys = {"corpus": {"path": str(tmp_path / "text.txt")}, "model": model}
    if cell == "lstm":
        keys["training"] = {"steps": 5, "window": 8, "batch_size": 4}
    run = charrnn.train(charrnn.Config.model_validate(keys), out=tmp_path / "run", quiet=True)
    for arguments in ([], ["--top-p", "0.8", "--repetition-penalty", "1.3"], ["--samples", "3"]):
        native, imported = sample(run.path, *arguments, "--device", "cpu")
        assert imported == ""
        numpy, imported = sample(run.path, *arguments, "--device", "cpu", CHARRNN_NATIVE="0")
        assert imported == ""
        assert native == numpy
    streamed, imported = sample(run.path, "--stream", "--device", "cpu")
    assert imported == ""
    assert streamed == sample(run.path, "--device", "cpu")[0]
    in_process = run.sample(length=80, seed=0)[0].text  # a run opened by name: the same again
    assert in_process + "\n" == streamed
