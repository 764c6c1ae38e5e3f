"""The package as a library: the same things from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import charrnn
from charrnn.training.session import resume


def test_train_load_sample_evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("to be, or not to be, that is the question. " * 100, encoding="utf-8")
    config = charrnn.Config.model_validate(
        {
            "corpus": {"path": "text.txt"},
            "model": {"hidden_size": 24, "embedding_size": 8},
            "training": {"steps": 120, "batch_size": 8, "window": 32, "learning_rate": 0.02},
        }
    )
    run = charrnn.train(config, quiet=True)
    assert run.path == Path("runs/run")
    assert run.evaluate().bits_per_char < 1
    texts = run.sample("to be", length=30, temperature=0.5, samples=2)
    assert all(one.text.startswith("to be") for one in texts)
    again = charrnn.load(run.path)
    assert again.sample("to be", length=30, temperature=0.5, samples=2) == texts
    # A run knows its corpus by its full name: it can be used from another folder.
    monkeypatch.chdir(tmp_path.parent)
    assert charrnn.load(tmp_path / run.path).evaluate() == run.evaluate()
    # The text that it learnt from is in the cache: whatever becomes of the file, the run can still be evaluated.
    (tmp_path / "text.txt").write_text("another text", encoding="utf-8")
    assert charrnn.load(tmp_path / run.path).evaluate() == run.evaluate()


def test_a_run_reads_no_file_that_its_config_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be, or not to be, that is the question. " * 40, encoding="utf-8")
    keys = {
        "corpus": {"path": str(text)},
        "model": {"hidden_size": 4},
        "training": {"steps": 3, "window": 8, "batch_size": 4},
    }
    run = charrnn.train(charrnn.Config.model_validate(keys), out=tmp_path / "run", quiet=True)
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "empty"))
    with pytest.raises(charrnn.CharrnnError, match=r"corpus.path=FILE"):
        run.evaluate()
    with pytest.raises(charrnn.CharrnnError, match=r"corpus.path=FILE"):
        resume(run.path, overrides=["training.steps=4"], quiet=True)
    resume(run.path, overrides=["training.steps=4", f"corpus.path={text}"], quiet=True)
    (tmp_path / "other.txt").write_text("another text " * 100, encoding="utf-8")
    with pytest.raises(charrnn.CharrnnError, match="another text"):
        resume(run.path, overrides=["training.steps=5", f"corpus.path={tmp_path / 'other.txt'}"], quiet=True)


def test_bytes_of_any_file(tmp_path: Path) -> None:
    (tmp_path / "any.bin").write_bytes(bytes(range(256)) * 40)
    config = charrnn.Config.model_validate(
        {
            "corpus": {"path": str(tmp_path / "any.bin")},
            "vocab": {"kind": "byte"},
            "model": {"hidden_size": 8, "embedding_size": 8},
            "training": {"steps": 3, "batch_size": 4, "window": 16},
        }
    )
    run = charrnn.train(config, out=tmp_path / "run", quiet=True)
    assert len(run.vocabulary) == 258
    assert run.evaluate().characters == run.facts.characters["val"]


def test_names_are_found() -> None:
    for name in charrnn.__all__:
        assert getattr(charrnn, name) is not None
    with pytest.raises(AttributeError):
        charrnn.nonsense  # type: ignore[attr-defined]
