"""`charrnn inspect neurons`, `against` and `predictions` as commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import charrnn
from charrnn.cli import app

TEXT = 'The cat (a black one) said: "no".\nSo it went.\n' * 900


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    corpus = {"path": str(folder / "text.txt")}
    training = {"steps": 3, "sample_every": None}
    charrnn.train(
        {"corpus": corpus, "model": {"cell": "lstm", "hidden_size": 8}, "training": training},
        out=folder / "lstm",
        quiet=True,
        device="cpu",
    )
    charrnn.train({"corpus": corpus, "model": {"cell": "ngram"}}, out=folder / "ngram", quiet=True)
    return folder


def out(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["inspect", *(str(one) for one in arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_tables_json_and_files(runs: Path, tmp_path: Path) -> None:
    lstm, ngram = runs / "lstm", runs / "ngram"
    commands: list[tuple[str | Path, ...]] = [
        ("neurons", lstm, "--characters", "2000"),
        ("against", lstm, ngram),
        ("predictions", lstm, "--text", "The cat", "--top", "3"),
    ]
    for command in commands:
        assert len(out(*command).splitlines()) > 3
        assert json.loads(out(*command, "--json"))
        file = tmp_path / f"{command[0]}.html"
        out(*command, "-o", file)
        assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    pytest.importorskip("matplotlib")
    for kind in ("png", "svg", "pdf"):
        out(*commands[2], "-o", tmp_path / f"picture.{kind}")
        assert (tmp_path / f"picture.{kind}").stat().st_size > 1000


def test_a_text_file_is_read(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("The cat said no.\n" * 200, encoding="utf-8")
    assert "3,400" in out("against", runs / "lstm", runs / "ngram", "--text", tmp_path / "own.txt")
    assert "3,400 characters" in out("neurons", runs / "lstm", "--text", tmp_path / "own.txt")


def test_mistakes(runs: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    def told(*arguments: str | Path) -> str:
        return refused("inspect", *arguments)

    lstm, ngram = runs / "lstm", runs / "ngram"
    assert "no state that it carries" in told("neurons", ngram)
    assert "--out x.jpg: a file that ends in .html" in told("against", lstm, ngram, "-o", "x.jpg")
    assert "there is no folder" in told("against", lstm, ngram, "-o", tmp_path / "none" / "x.html")
    assert "--text" in told("predictions", lstm, "--text", "")
    assert "--top 0" in told("predictions", lstm, "--text", "a", "--top", "0")
    assert "--characters 5" in told("neurons", lstm, "--characters", "5")
    assert "--text FILE" in told("neurons", lstm, "--encoding", "gbk")
    assert "no such file" in told("neurons", lstm, "--text", tmp_path / "none.txt").lower()
