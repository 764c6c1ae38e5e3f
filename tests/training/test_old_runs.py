"""Runs of the version before `holdout` and `shared_run` are what they were: the same parts, the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import charrnn
from charrnn.errors import CharrnnError
from charrnn.run import Run
from charrnn.training.session import resume

LINES = "".join(f"line {i % 17} of {i % 5}\n" for i in range(400))
POEMS = "\n\n".join(f"the same ten words are in this poem and the next\n{i}" for i in range(60))


def train(text: str, out: str, steps: int, **corpus: Any) -> Run:
    Path("text.txt").write_text(text, encoding="utf-8")
    config = {
        "corpus": {"path": str(Path("text.txt").resolve()), **corpus},
        "model": {"hidden_size": 8, "embedding_size": 4},
        "training": {"steps": steps, "batch_size": 4, "window": 16, "schedule": "constant", "sample_every": None},
    }
    return charrnn.train(charrnn.Config.model_validate(config), out=out, quiet=True, device="cpu")


def age(run: Run) -> None:
    """Takes from a run's config what older versions did not write."""
    file = run.path / "config.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    for key in ("holdout", "shared_run", "validation"):
        del config["corpus"][key]
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "corpus"),
    [(LINES, {"holdout": "tail"}), (POEMS, {"mode": "documents", "shared_run": None})],
    ids=["stream", "documents"],
)
def test_an_old_run_evaluates_and_goes_on_as_it_began(text: str, corpus: dict[str, Any]) -> None:
    whole, run = train(text, "whole", 12, **corpus), train(text, "run", 6, **corpus)
    age(run)
    old = charrnn.load("run", "cpu")
    assert (old.config.corpus.holdout, old.config.corpus.shared_run) == ("tail", None)
    assert old.evaluate() == run.evaluate()
    gone_on = resume("run", overrides=["training.steps=12"], quiet=True, device="cpu")
    for name in ("model.safetensors", "training.safetensors"):
        files = [next(r.path.glob(f"checkpoints/*12/{name}")).read_bytes() for r in (whole, gone_on)]
        assert files[0] == files[1]
    assert "holdout: tail" in (run.path / "config.yaml").read_text()


def test_new_runs_write_how_they_hold_out() -> None:
    run = train(LINES, "run", 2)
    assert "holdout: spread" in (run.path / "config.yaml").read_text()
    assert charrnn.load("run", "cpu").config.corpus.shared_run == 10
    assert run.facts.characters["train"] == run.dataset().part("train", run.config.corpus).characters
    assert run.dataset().part("train", run.config.corpus).spans[0][0] == 0
    assert run.dataset().part("val", run.config.corpus).spans[-1][1] < len(LINES)


def test_the_figure_of_a_training_that_reads_all_is_that_of_eval() -> None:
    for text, corpus in ((LINES, {}), (POEMS, {"mode": "documents"})):
        run = train(text, f"run-{len(corpus)}", 3, **corpus)
        *_, last = [line for line in run.history() if "val_loss" in line]
        assert last["val_error"] == 0
        assert last["val_loss"] == float(f"{run.evaluate().nats_per_char:.6g}")


def test_a_run_never_reads_a_file_that_only_its_config_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    Path("other.txt").write_text(LINES[:200], encoding="utf-8")
    other = str(Path("other.txt").resolve())
    run = train(LINES, "run", 2, validation=other)
    assert run.evaluate().characters == 200
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "another"))
    longer, again = "training.steps=4", f"corpus.path={Path('text.txt').resolve()}"
    for overrides in ([longer], [longer, again]):
        with pytest.raises(CharrnnError, match="not in the cache"):
            resume("run", overrides=overrides, quiet=True, device="cpu")
    assert resume("run", overrides=[longer, again, f"corpus.validation={other}"], quiet=True, device="cpu")
