"""The line that closes a training is true, and what it proposes works."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import charrnn
from charrnn.cli import app
from charrnn.run import Run
from charrnn.store.checkpoint import Summary
from charrnn.training.closing import closing_line
from charrnn.training.session import resume

DONE = Summary(step=40, finished=True)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return trained(tmp_path / "a run")


def trained(folder: Path, split: tuple[float, ...] = (0.9, 0.1, 0.0), mode: str = "stream", **training: Any) -> Run:
    text = folder.with_suffix(".txt")
    text.write_text("the cat sat on the mat.\n\n" * 30, encoding="utf-8")
    sections = {
        "corpus": {"path": str(text), "split": list(split), "mode": mode},
        "model": {"hidden_size": 4, "embedding_size": 4} if training.pop("cell", None) is None else {"cell": "ngram"},
        "training": {"batch_size": 4, "window": 8, "sample_every": None}
        | ({} if "minutes" in training or "epochs" in training else {"steps": 4})
        | training,
    }
    return charrnn.train(charrnn.Config.model_validate(sections), out=folder, quiet=True, device="cpu")


def line(run: Run, losses: list[float], train: float = 1.0, epochs: float = 1.0, **training: Any) -> str:
    """The closing line of a training with these validation losses, in bits."""
    config = run.config.model_copy(update={"training": run.config.training.model_copy(update=training)})
    run = Run(run.path, config, run.vocabulary, run.facts, "cpu")
    with run.metrics.open("w", encoding="utf-8") as file:
        for i, bits in enumerate(losses, 1):
            nats = bits * math.log(2)
            at = {"step": 10 * i, "minutes": 1.0, "epochs": epochs}
            file.write(json.dumps(at | {"loss": train * math.log(2)}) + "\n")
            file.write(json.dumps(at | {"val_loss": nats, "val_bits_per_char": bits}) + "\n")
    return closing_line(run, DONE)


def test_an_early_best_is_told_with_where_samples_come_from(run: Run) -> None:
    said = line(run, [4.0, 3.0, 3.5, 4.0])
    assert said.startswith("no better since step 20 of 40 (3.000, at the end 4.000 bits/char)")
    assert "samples come from it, --checkpoint last takes the last" in said
    assert "by heart" not in said and "corpus." not in said and "patience" not in said


def test_a_small_text_is_known_by_heart(run: Run) -> None:
    assert "knows its text by heart (train 0.200)" in line(run, [4.0, 3.0, 3.5, 4.0], train=0.2, epochs=50)
    assert "by heart" not in line(run, [4.0, 3.0, 3.5, 4.0], train=0.2, epochs=2)


def test_what_gets_worse_from_the_start_gets_a_hint(run: Run, tmp_path: Path) -> None:
    said = line(run, [3.0, 3.5, 4.0])
    assert "the first evaluation" in said and "corpus.holdout" in said and "'corpus.split=[1, 0, 0]'" in said
    poems = line(trained(tmp_path / "poems", mode="documents"), [3.0, 3.5, 4.0])  # these are shuffled
    assert "corpus.holdout" not in poems and "corpus.split" in poems


def test_patience_is_named(run: Run) -> None:
    assert line(run, [4.0, 3.0, 3.5, 4.0], patience=2).startswith(
        "ended by training.patience: 2; no better since step 20"
    )
    assert line(run, [4.0, 3.0, 3.01, 3.01], patience=2).startswith("ended by training.patience: 2; settled at 3.010")
    assert "patience" not in line(run, [4.0, 3.0, 3.5, 4.0], patience=3)


def test_what_has_settled_says_by_how_much(run: Run) -> None:
    assert line(run, [4.0, 3.0, 3.0, 2.99]) == "settled at 2.990 bits/char: the last third gained less than 0.030"
    assert line(run, [4.0, 3.0, 2.99, 3.0]).endswith("; samples come from the best, step 30")
    assert "train 2.990): more time or a larger model should help: " in line(run, [4.0, 3.0, 3.0, 2.99], train=2.99)


@pytest.mark.parametrize(
    "length",
    [{"steps": 4}, {"minutes": 0.01}, {"epochs": 0.5}, {"epochs": 0.5, "minutes": 60}, {"steps": 4, "patience": 1}],
)
def test_the_command_for_more_time_works(tmp_path: Path, length: dict[str, Any]) -> None:
    run = trained(tmp_path / "a run", **length)
    said = line(run, [4.0, 3.5, 2.99, 3.0])
    assert "still falling at 3.000 bits/char; more time should help: charrnn train --resume " in said
    assert ("--set training.patience=2" in said) == ("patience" in length)
    words = shlex.split(said[said.index("charrnn train") :])
    done = CliRunner().invoke(app, [*words[1:], "--quiet"])
    assert done.exit_code == 0, done.exception
    with pytest.raises(charrnn.CharrnnError, match="finished"):
        resume(run.path, quiet=True)


@pytest.mark.parametrize(("seconds", "more"), [(59.0, "--set training.epochs=6"), (60.0, "--minutes 2")])
def test_more_time_is_more_of_what_has_ended_the_training(run: Run, seconds: float, more: str) -> None:
    line(run, [4.0, 3.5, 2.99, 3.0])
    length = {"minutes": 1.0, "steps": None, "epochs": 3.0}
    config = run.config.model_copy(update={"training": run.config.training.model_copy(update=length)})
    ended = Run(run.path, config, run.vocabulary, run.facts, "cpu")
    assert closing_line(ended, Summary(step=40, seconds=seconds, finished=True)).endswith(more)


def test_without_a_trend_it_says_so(run: Run, tmp_path: Path) -> None:
    assert line(run, [3.0]).startswith("finished; one evaluation does not show")
    assert (
        closing_line(run, Summary(step=3))
        == f"not finished, at step 3; go on with: charrnn train --resume '{run.path}'"
    )
    assert "counts once" in closing_line(trained(tmp_path / "counted", cell="ngram"), DONE)


def test_a_training_without_validation_ends_with_its_last_step(tmp_path: Path) -> None:
    run = trained(tmp_path / "whole", split=(1.0, 0.0, 0.0))
    assert "nothing is held out" in closing_line(run, DONE)
    assert run.checkpoint.step == 4 and run.checkpoint.is_best and run.checkpoint.is_last
    with pytest.raises(charrnn.CharrnnError, match=r"training.patience: 2: null was expected.*holds out nothing"):
        resume(run.path, overrides=["training.patience=2", "training.steps=8"], quiet=True)


def test_a_training_ends_with_it_and_the_next_command(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    resume(run.path, overrides=["training.steps=6"])
    verdict, command = capsys.readouterr().err.splitlines()[-2:]
    assert verdict == f"{run.path}: {closing_line(charrnn.load(run.path), DONE)}"
    assert CliRunner().invoke(app, shlex.split(command.split(": charrnn ")[1])).exit_code == 0
    resume(run.path, overrides=["training.steps=8"], quiet=True)
    assert capsys.readouterr().err == ""
