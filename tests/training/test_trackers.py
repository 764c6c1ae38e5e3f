"""Trackers: what they are told, that it names no folder of the user's, and that none of them ends a training."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import charrnn
from charrnn.errors import CharrnnError

CONFIG: dict[str, Any] = {
    "corpus": {"path": "secret-folder/novel.txt"},
    "model": {"cell": "gru", "hidden_size": 8, "embedding_size": 4},
    "training": {"steps": 6, "batch_size": 4, "window": 8, "log_every": 1, "sample_every": "3 steps"},
    "sampling": {"length": 5},
}


@pytest.fixture(autouse=True)
def text() -> None:
    Path("secret-folder").mkdir()
    text = "to be, or not to be,\tthat is the question.\n" * 40
    Path("secret-folder/novel.txt").write_text(text, encoding="utf-8")


def train(**training: Any) -> charrnn.Run:
    return charrnn.train(CONFIG | {"training": CONFIG["training"] | training}, out="run", quiet=True)


class Fake(ModuleType):
    """A package that speaks as wandb does, and keeps what it hears. It fails in the methods named `broken`."""

    def __init__(self, name: str, broken: tuple[str, ...] = ()) -> None:
        super().__init__(name)
        self.broken, self.heard = broken, list[tuple[str, dict[str, Any]]]()

    def _hear(self, what: str, **told: Any) -> None:
        self.heard.append((what, told))
        if what != "log":
            print("a word of its own")
        if what in self.broken:
            raise ConnectionError(f"{what}: no network\nand a second line")

    def init(self, **told: Any) -> None:
        self._hear("init", **told)

    def log(self, metrics: dict[str, float], step: int) -> None:
        self._hear("log", metrics=metrics, step=step)

    def finish(self) -> None:
        self._hear("finish")


@pytest.fixture(params=["wandb", "trackio"])
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fake:
    module = Fake(request.param)
    monkeypatch.setitem(sys.modules, request.param, module)
    return module


def test_a_tracker_is_told_the_config_and_all_that_stands_in_the_log(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(track=fake.__name__)
    assert "a word of its own" not in capsys.readouterr().out
    (first, init), *logs, (last, _) = fake.heard
    assert (first, last) == ("init", "finish")
    assert {what for what, _ in logs} == {"log"}
    sent = [(told["step"], sorted(told["metrics"])) for _, told in logs]
    written = [(line["step"], sorted(line.keys() - {"kind", "step", "minutes", "epochs"})) for line in run.history()]
    assert sent == written
    assert init["config"]["model"]["hidden_size"] == 8
    assert init["config"]["run"]["parameters"] == run.facts.parameters
    assert str(Path.cwd()) not in str(init) and "secret-folder" not in str(init)
    assert init["config"]["corpus"]["path"] == ["novel.txt"]


def test_a_training_that_goes_on_is_the_same_run_there(fake: Fake) -> None:
    train(track=fake.__name__)
    charrnn.resume("run", steps=9, quiet=True)
    one, other = (told for what, told in fake.heard if what == "init")
    assert one["resume"] == "allow" and one["name"] == other["name"] and one.get("id") == other.get("id")
    assert one["project"] == "charrnn"


def test_the_environment_names_the_project(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{fake.__name__.upper()}_PROJECT", "poems")
    train(track=fake.__name__)
    assert fake.heard[0][1]["project"] == "poems"


@pytest.mark.parametrize("broken", ["init", "log", "finish"])
def test_a_tracker_that_fails_is_told_once_and_ends_no_training(
    broken: str, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.broken = (broken,)
    run = train(track=fake.__name__)
    assert run.checkpoints.summary("last").step == 6
    told = capsys.readouterr().err
    assert told.count("no network") == 1
    assert f"training.track: {fake.__name__}: ConnectionError: {broken}: no network; the training goes on" in told
    assert [what for what, _ in fake.heard].count(broken) == 1


def test_a_missing_package_is_told_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in (None, ModuleType("wandb")):  # the second is a folder `wandb`, which wandb itself leaves behind
        monkeypatch.setitem(sys.modules, "wandb", missing)
        with pytest.raises(CharrnnError, match=r"^training\.track: wandb: .* pip install wandb$"):
            train(track="wandb")
        assert not Path("run").exists()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(CharrnnError, match=r"^training\.tensorboard: .*charrnn\[tensorboard\]"):
        train(tensorboard=True)
    assert not Path("run").exists()


def test_tensorboard_shows_metrics_samples_and_the_embedding() -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs charrnn[tensorboard]"
    )
    run = train(tensorboard=True)
    events = accumulator.EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    losses = [(line["step"], line["loss"]) for line in run.history() if "loss" in line]
    assert [(e.step, pytest.approx(e.value, rel=1e-5)) for e in events.Scalars("loss")] == losses
    samples = [bytes(e.tensor_proto.string_val[0]).decode() for e in events.Tensors("sample/text_summary")]
    written = (run.path / "samples.txt").read_text(encoding="utf-8")
    assert samples and len(samples) == written.count("=== step")
    for sample in samples:
        assert "\n".join(line.removeprefix("    ") for line in sample.split("\n")) in written
    folder = run.path / "tensorboard" / "00006" / "embedding"
    labels = (folder / "metadata.tsv").read_text(encoding="utf-8").splitlines()
    rows = (folder / "tensors.tsv").read_text(encoding="utf-8").splitlines()
    assert len(labels) == len(rows) == len(run.vocabulary)
    assert {"a", "U+000A", "U+0009", "<boundary>"} <= set(labels) and len(rows[0].split("\t")) == 4
    charrnn.train(CONFIG, out="run", overwrite=True, quiet=True)  # all of it is the run's own
    assert not (run.path / "tensorboard").exists()


def test_an_ngram_has_no_embedding_and_is_shown_all_the_same() -> None:
    pytest.importorskip("tensorboard", reason="needs charrnn[tensorboard]")
    training = {"tensorboard": True}
    run = charrnn.train(CONFIG | {"model": {"cell": "ngram"}, "training": training}, out="run", quiet=True)
    assert list((run.path / "tensorboard").glob("events*"))


def test_a_disk_that_refuses_tensorboard_ends_no_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard", reason="needs charrnn[tensorboard]")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensorboard.SummaryWriter, "add_scalar", full)
    run = train(tensorboard=True)
    assert run.checkpoints.summary("last").step == 6
    assert capsys.readouterr().err.count("No space left") == 1
