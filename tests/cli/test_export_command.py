"""`charrnn export`: what it prints, and one message for each mistake."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import charrnn
from charrnn.cli import main


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["charrnn", *arguments])
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", sys.stdout)
        patch.setattr(sys, "stderr", sys.stderr)
        try:
            main()
        except SystemExit as left:
            return int(str(left.code or 0))
    return 0


@pytest.fixture(autouse=True)
def run() -> None:
    Path("text.txt").write_text("to be, or not to be? " * 60, encoding="utf-8")
    config = {
        "corpus": {"path": "text.txt"},
        "model": {"cell": "rnn", "hidden_size": 8, "embedding_size": 4},
        "training": {"steps": 2, "batch_size": 4, "window": 8},
        "sampling": {"length": 5},
    }
    charrnn.train(config, out="run", quiet=True)


def test_a_folder_whose_path_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "export", "run") == 0
    out, told = capsys.readouterr()
    assert out == "run-model\n"
    assert "does not say the licence and the language: --licence and --language do" in told
    assert command(monkeypatch, "sample", "run-model", "--seed", "1") == 0


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="needs charrnn[onnx]")
    assert command(monkeypatch, "export", "run", "--format", "onnx", "-o", "x.onnx", "--licence", "mit", "--json") == 0
    out, told = capsys.readouterr()
    document = json.loads(out)
    assert document["bytes"] == Path("x.onnx").stat().st_size and document["difference"] <= 1e-5
    assert (document["format"], document["path"], document["licence"]) == ("onnx", "x.onnx", "mit")
    assert told == ""


def test_a_page_in_which_the_model_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "export", "run", "--format", "html") == 0
    out, told = capsys.readouterr()
    assert out == "run.html\n" and "the model runs in it" in told
    page = Path("run.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and '"weights":' in page
    assert command(monkeypatch, "export", "run", "--format", "html") == 2
    assert Path("run.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "torch"], "--format torch: one of folder, onnx, html was expected"),
        (["--network-only"], "--network-only belongs to --format onnx"),
        (["--licence", "My Own"], "--licence My Own: an identifier"),
        (["-o", "text.txt"], "text.txt: exists already"),
        (["-o", "run/run.json"], "run/run.json: exists already"),
        (["--checkpoint", "77"], "--checkpoint 77: best, last, or a step"),
    ],
)
def test_one_message_for_a_mistake(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(Path().rglob("*"))
    assert command(monkeypatch, "export", "run", *arguments) == 2
    out, told = capsys.readouterr()
    assert out == "" and told.startswith(f"charrnn: {message}") and told.count("\n") == 1
    assert set(Path().rglob("*")) == before


def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert command(monkeypatch, "export", "run", "--format", "onnx") == 2
    assert "pip install 'charrnn[onnx]'" in capsys.readouterr().err
    assert not Path("run.onnx").exists()
