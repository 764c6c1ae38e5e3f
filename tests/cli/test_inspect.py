"""`charrnn inspect`: tables on standard output, JSON, pictures, and messages of one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import charrnn
from charrnn.cli import app
from charrnn.errors import CharrnnError


@pytest.fixture
def run() -> Path:
    Path("text.txt").write_text("".join(f"the {i} geese fly over {i * i} lakes.\n" for i in range(300)))
    config = {
        "corpus": {"path": "text.txt"},
        "model": {"cell": "gru", "hidden_size": 8, "embedding_size": 4},
        "training": {"steps": 3, "batch_size": 4, "window": 16, "log_every": 1, "sample_every": None},
        "sampling": {"length": 3},
    }
    return charrnn.train(config, out="runs/a", device="cpu", quiet=True).path


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["inspect", *arguments])
    assert done.exit_code == 0, done.exception
    return done.stdout


def refused(*arguments: str) -> str:
    error = CliRunner().invoke(app, ["inspect", *arguments]).exception
    assert isinstance(error, CharrnnError) and "\n" not in error.for_command
    return error.for_command


def test_memory(run: Path) -> None:
    lines = shown("memory", str(run)).splitlines()
    assert lines[1].split() == ["run", *(str(2**i) for i in range(9)), "everything", "span"]
    assert lines[2].split()[0] == "runs/a" and len(lines) == 3
    (one,) = json.loads(shown("memory", "runs", "--json", "--text", "text.txt"))
    assert len(one["bits"]) == len(one["known"]) == len(one["errors"]) == 9 and one["span"] is not None


def test_gradients(run: Path) -> None:
    lines = shown("gradients", str(run), "--lags", "20").splitlines()
    assert [line.split()[:2] for line in lines[2:4]] == [["runs/a", "start"], ["runs/a", "trained"]]
    assert "above clip_norm 1" in lines[4]
    start, trained = json.loads(shown("gradients", str(run), "--lags", "20", "--json"))
    assert start["states"]["lags"] == list(range(1, 21)) and trained["steps"] == [1, 2, 3]
    Path("my.yaml").write_text("corpus: {path: text.txt}\nmodel: {hidden_size: 8}\n")
    assert len(shown("gradients", "my.yaml", "--cells", "--lags", "5").splitlines()) == 2 + 8


def test_what_is_wrong_is_told_before_anything_is_computed(run: Path) -> None:
    for command in ("memory", "gradients", "recall"):
        assert ".html, .png, .svg, .pdf" in refused(command, str(run), "-o", "picture.jpg")
        assert "no folder nowhere" in refused(command, str(run), "-o", "nowhere/picture.png")
        assert "nothing" in refused(command, "nothing")
    assert "--text" in refused("gradients", "shakespeare", "--text", "text.txt")
    assert "--cells" in refused("gradients", str(run), "--cells")
    assert "synthetic" in refused("recall", str(run))
    (run / "notes").mkdir()
    assert "neither a run" in refused("memory", str(run / "notes"))
