"""Listeners of one's own: what they hear, in which order, and that they are closed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.errors import CharrnnError

SECTIONS: dict[str, Any] = {
    "corpus": {"path": "text.txt"},
    "model": {"hidden_size": 8, "embedding_size": 4},
    "training": {"minutes": 5, "batch_size": 4, "window": 8, "kernels": "plain", "log_every": 2},
    "sampling": {"length": 5},
}


@pytest.fixture(autouse=True)
def text() -> None:
    Path("text.txt").write_text("to be, or not to be, that is the question. " * 40, encoding="utf-8")


class Kept:
    def __init__(self) -> None:
        self.heard: list[charrnn.Event] = []
        self.lines: list[int] = []
        self.closed = 0

    def hear(self, event: charrnn.Event) -> None:
        self.heard.append(event)
        file = Path("run/metrics.jsonl")
        self.lines.append(len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0)

    def close(self) -> None:
        self.closed += 1


def test_objects_and_functions_hear_every_event_and_objects_are_closed_once() -> None:
    kept, events = Kept(), list[charrnn.Event]()
    run = charrnn.train(SECTIONS, steps=6, out="run", listeners=[kept, events.append], quiet=True)
    assert kept.heard == events
    assert kept.closed == 1
    assert [event.progress.steps for event in events if event.kind == "step"] == [1, 2, 3, 4, 5, 6]
    assert {event.kind for event in events} == {"step", "evaluation", "sample", "checkpoint"}
    assert (events[0].kind, events[-1].kind) == ("checkpoint", "checkpoint")
    # What has metrics stands in metrics.jsonl before the listeners hear of it.
    measured = [event for event in events if event.metrics]
    assert [line["step"] for line in run.history()] == [event.progress.steps for event in measured]
    told = [lines for event, lines in zip(kept.heard, kept.lines, strict=True) if event.metrics]
    assert told == list(range(1, len(measured) + 1))


def test_a_training_that_goes_on_has_listeners_too() -> None:
    events = list[charrnn.Event]()
    run = charrnn.train(SECTIONS, steps=3, out="run", quiet=True)
    run = charrnn.resume(run.path, steps=5, listeners=[events.append], quiet=True)
    assert [event.progress.steps for event in events if event.kind == "step"] == [4, 5]
    assert run.config.training.steps == 5


def test_what_a_listener_raises_ends_the_training_and_all_are_closed() -> None:
    first, last = Kept(), Kept()

    class Broken(Kept):
        def close(self) -> None:
            super().close()
            raise OSError("closed badly")

    def enough(event: charrnn.Event) -> None:
        if event.progress.steps == 2:
            raise RuntimeError("enough")

    broken = Broken()
    with pytest.raises(OSError, match="closed badly") as raised:
        charrnn.train(SECTIONS, steps=9, out="run", listeners=[first, broken, enough, last], quiet=True)
    assert isinstance(raised.value.__context__, RuntimeError)
    assert (first.closed, broken.closed, last.closed) == (1, 1, 1)
    assert max(event.progress.steps for event in last.heard) == 1
    charrnn.resume("run", steps=3, quiet=True)  # nothing is locked or broken


class Half:
    def hear(self, event: charrnn.Event) -> None: ...


@pytest.mark.parametrize("bad", [[3], [None], [Half()], [Kept], print])
def test_what_is_no_listener_is_refused_before_anything_is_trained(bad: Any) -> None:
    with pytest.raises(CharrnnError, match=r"^listeners: .*(a function|functions) of an event"):
        charrnn.train(SECTIONS, steps=3, out="run", listeners=bad, quiet=True)
    assert not Path("run").exists()


def test_length_and_seed_are_parameters() -> None:
    run = charrnn.train(SECTIONS, steps=2, seed=7, out="run", quiet=True)
    config = run.config.training
    assert (config.steps, config.minutes, config.epochs, config.seed) == (2, None, None, 7)
    assert SECTIONS["training"]["minutes"] == 5  # what was given stays as it was
    same = charrnn.train(run.config, out="same", quiet=True)
    assert same.config == run.config


def test_a_text_too_is_trained_for_so_many_steps() -> None:
    overrides = ["model.num_layers=1", "model.hidden_size=4", "model.embedding_size=4", "model.ngram=null"]
    run = charrnn.train("text.txt", steps=2, seed=3, overrides=overrides, out="run", quiet=True)
    assert (run.config.training.steps, run.config.training.minutes, run.config.training.epochs) == (2, None, None)
    assert run.config.training.seed == 3


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"steps": 1, "minutes": 1}, "steps=1.* give one of them"),
        ({"steps": 0}, "^steps=0: expected 1 or more"),
        ({"steps": 1.5}, r"^steps=1\.5: expected an integer"),
        ({"minutes": 0}, "^minutes=0: expected above 0"),
        ({"minutes": float("nan")}, "^minutes=nan"),
        ({"seed": -1}, "^seed=-1: expected 0 or more"),
        ({"seed": "x"}, "^seed='x': expected an integer"),
    ],
)
def test_parameters_are_named_as_python_writes_them(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(CharrnnError, match=match):
        charrnn.train(SECTIONS, out="run", quiet=True, **wrong)
    assert not Path("run").exists()


def test_a_section_of_another_config_takes_overrides() -> None:
    config = charrnn.Config(**SECTIONS)
    given = {"corpus": config.corpus, "model": config.model, "training": {"batch_size": 4, "window": 8}}
    run = charrnn.train(given, steps=1, overrides=["model.hidden_size=5"], out="run", quiet=True)
    assert (run.config.model.hidden_size, run.config.model.embedding_size) == (5, 4)
    assert config.model.hidden_size == 8
    assert json.loads((run.path / "run.json").read_text(encoding="utf-8"))["parameters"] == run.facts.parameters


@pytest.mark.parametrize("ngram", [None, {"order": 3}])
def test_a_training_shows_what_the_run_writes(ngram: dict[str, int] | None) -> None:
    sections = SECTIONS | {"model": {"cell": "gru", "hidden_size": 8, "embedding_size": 4, "ngram": ngram}}
    sections["training"] = SECTIONS["training"] | {"sample_every": "1 steps"}
    charrnn.train(sections, steps=4, out="run", quiet=True)
    shown = Path("run/samples.txt").read_text(encoding="utf-8")
    assert [f"=== step {step}\n" in shown for step in range(1, 5)] == [True] * 4
    last = charrnn.load("run", checkpoint="last").sample(length=5, seed=4)[0].text
    assert shown.endswith(f"=== step 4\n{last}\n\n")
