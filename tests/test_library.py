"""The package as a library: the same things from Python."""

from __future__ import annotations

import pydoc
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    assert set(charrnn.__all__) <= set(dir(charrnn))


def test_help_shows_every_name() -> None:
    text = pydoc.plain(pydoc.render_doc(charrnn))
    for name in charrnn.__all__:
        thing = getattr(charrnn, name)
        assert f"class {name}(" in text or f"{name}(" in text or f"{name} = " in text or name == "__version__", name
        if isinstance(thing, type) and thing.__doc__:
            assert thing.__doc__.splitlines()[0] in text


def test_what_is_imported_does_not_wait_for_pytorch() -> None:
    code = (
        "import sys, charrnn; dir(charrnn); charrnn.Run, charrnn.Sample, charrnn.Config, charrnn.load_config, "
        "charrnn.Filter, charrnn.CharrnnError; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


SECTIONS: dict[str, Any] = {"corpus": {"path": "text.txt"}}


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"model": {"cell": "lstn"}}, ["config: corpus: missing", "config: model.cell: ", "(nearest: lstm)"]),
        (SECTIONS | {"model": {"hiden_size": 3}}, ["config: model.hiden_size: unknown key (nearest: hidden_size)"]),
        (SECTIONS | {"modell": {}}, ["config: modell: unknown section (nearest: model)"]),
        (SECTIONS | {"model": {"hidden_size": 0}}, ["config: model.hidden_size: expected greater than or equal to 1"]),
        (SECTIONS | {"training": {"steps": 1, "epochs": 1.0}}, ["training: expected training.steps or"]),
        (
            SECTIONS | {"model": {"cell": "mlp"}, "training": {"activation_penalty": 1.0}},
            ["config: expected no training.activation_penalty"],
        ),
        ({"corpus": 3}, ["config: corpus: expected a section of keys", "not 3"]),
    ],
)
def test_a_config_made_in_python_has_the_same_mistakes(sections: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(charrnn.CharrnnError) as same:
        charrnn.Config.model_validate(sections)
    with pytest.raises(charrnn.CharrnnError) as raised:
        charrnn.Config(**sections)
    assert [part for part in told if part not in str(raised.value)] == []
    with pytest.raises(charrnn.CharrnnError) as trained:
        charrnn.train(sections)
    assert str(same.value) == str(raised.value) == str(trained.value)


def test_a_config_is_made_of_sections_of_other_configs_too() -> None:
    config = charrnn.Config(corpus={"path": "text.txt"}, model={"cell": "gru"}, training={"steps": 3})
    assert charrnn.Config(corpus=config.corpus, model=config.model, training=config.training) == config
    assert charrnn.Config(**config.model_dump()) == config
