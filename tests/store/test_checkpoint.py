"""A damaged checkpoint is named and passed over, whatever was done to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import charrnn
from charrnn.config import TrainingConfig
from charrnn.errors import CharrnnError
from charrnn.evaluation.likelihood import Likelihood
from charrnn.models import build_model
from charrnn.run import Run
from charrnn.store import checkpoint
from charrnn.store.lock import locked
from charrnn.text.batches import training_batches
from charrnn.training.events import Event
from charrnn.training.listeners import Log
from charrnn.training.saver import CheckpointSaver
from charrnn.training.session import resume
from charrnn.training.trainer import Trainer

CONFIG: dict[str, Any] = {
    "corpus": {"path": "text.txt"},
    "model": {"hidden_size": 8, "embedding_size": 4},
    "training": {"steps": 30, "batch_size": 4, "window": 8, "checkpoint_every": "10 steps", "sample_every": None},
}


def train(folder: Path, name: str, **training: Any) -> Run:
    (folder / "text.txt").write_text("to be, or not to be, that is the question. " * 60, encoding="utf-8")
    config = CONFIG | {"corpus": {"path": str(folder / "text.txt")}, "training": CONFIG["training"] | training}
    return charrnn.train(charrnn.Config.model_validate(config), out=folder / name, quiet=True, device="cpu")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    train(folder, "run", keep=3, evaluate_every="100 %")
    train(folder, "other", seed=1)
    return folder


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original / "run", tmp_path / "run", dirs_exist_ok=True)
    return tmp_path / "run"


def newest(run: Path) -> Path:
    return max((run / "checkpoints").glob("step-*"))


def test_the_last_and_the_best_are_kept_and_nothing_half_written(original: Path) -> None:
    names = sorted(path.name for path in (original / "run" / "checkpoints").iterdir())
    assert names == ["step-00000010", "step-00000020", "step-00000030"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_any_file_is_found_and_the_one_before_is_taken(
    original: Path, tmp_path: Path, data: st.DataObject
) -> None:
    run = tmp_path / "damaged"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(original / "run", run)
    file = newest(run) / data.draw(
        st.sampled_from(["model.safetensors", "training.safetensors", "state.json", "manifest.json"])
    )
    raw = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "empty", "remove", "longer"]))
    if how == "flip":
        raw[at] ^= data.draw(st.integers(1, 255))
    if how == "remove":
        file.unlink()
    else:
        damaged: dict[str, bytes] = {"cut": bytes(raw[:at]), "empty": b"", "longer": bytes(raw) + b"x"}
        file.write_bytes(damaged.get(how, bytes(raw)))
    opened = charrnn.load(run, "cpu")
    opened.sample("to", length=2)
    if file.name != "manifest.json" or how != "flip":  # a flipped space in a manifest changes nothing
        assert opened.checkpoints.summary("last").step == 20


def test_a_checkpoint_of_another_run_is_not_taken(
    run: Path, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(newest(run))
    shutil.copytree(newest(original / "other"), run / "checkpoints" / "step-00000030")
    assert charrnn.load(run, "cpu").checkpoints.summary("last").step == 20
    assert "another run" in capsys.readouterr().err


def test_without_any_whole_checkpoint_it_says_so(run: Path) -> None:
    for folder in (run / "checkpoints").glob("step-*"):
        (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(CharrnnError, match="no whole checkpoint is left"):
        charrnn.load(run, "cpu").sample("to", length=2)


def test_a_damaged_last_checkpoint_does_not_hinder_going_on(run: Path) -> None:
    (newest(run) / "training.safetensors").write_bytes(b"nonsense")
    resumed = resume(run, overrides=["training.steps=35"], quiet=True, device="cpu")
    assert resumed.checkpoints.summary("last").step == 35


def test_two_trainings_in_one_run_are_refused(run: Path) -> None:
    with locked(run), pytest.raises(CharrnnError, match=f"process {os.getpid()} is training"):
        resume(run, overrides=["training.steps=35"], quiet=True, device="cpu")
    assert not (run / "lock").exists()


@pytest.mark.parametrize("content", ["999999999", "", "nonsense", "-1"])
def test_a_stale_lock_is_taken_over(run: Path, content: str) -> None:
    (run / "lock").write_text(content)
    resume(run, overrides=["training.steps=31"], quiet=True, device="cpu")
    assert not (run / "lock").exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not say when a process began")
def test_a_lock_of_an_earlier_process_of_the_same_number_is_stale(run: Path) -> None:
    """In a container the training is process 1 each time."""
    (run / "lock").write_text(f"{os.getpid()} 1")
    with locked(run):
        assert (run / "lock").read_text() != f"{os.getpid()} 1"


def at_step(step: int, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has something happen in the middle of the next training."""
    real = Log.hear

    def hear(self: Log, event: Event) -> None:
        if event.kind == "step" and event.progress.steps == step:
            act()
        real(self, event)

    monkeypatch.setattr(Log, "hear", hear)


def refuse(monkeypatch: pytest.MonkeyPatch, refused: Callable[[Path], bool]) -> None:
    """A disk that is full for some of the files."""
    real = getattr(checkpoint, "save_file")  # noqa: B009 (it is not exported)

    def save_file(tensors: Any, file: Path) -> None:
        if refused(file):
            raise OSError(28, "No space left on device", str(file))
        real(tensors, file)

    monkeypatch.setattr(checkpoint, "save_file", save_file)


def test_the_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, later, waited = getattr(checkpoint, "save_file"), threading.Event(), []  # noqa: B009

    def slow(tensors: Any, file: Path) -> None:
        if "step-00000010" in str(file):  # its writing ends when step 19 has been made
            waited.append(later.wait(60))
        real(tensors, file)

    monkeypatch.setattr(checkpoint, "save_file", slow)
    at_step(19, later.set, monkeypatch)
    run = train(tmp_path, "run", evaluate_every="100 %", keep=5)
    assert waited == [True, True]
    assert [file.name[-2:] for file in sorted(run.path.glob("checkpoints/*"))] == ["00", "10", "20", "30"]


def test_a_disk_that_refuses_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused: list[Path] = []

    def full(file: Path) -> bool:
        refused.append(file)
        return len(refused) <= 3

    refuse(monkeypatch, full)
    run = train(tmp_path, "full")
    assert run.checkpoints.summary("last").step == 30
    assert not list(run.path.rglob("*.tmp"))
    assert capsys.readouterr().err.count("cannot be saved: No space left on device") == 3


def test_the_best_is_saved_later_where_the_disk_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations get worse after the first one, which the disk refuses at first."""
    losses = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr("charrnn.training.validation.likelihood", lambda *_, **__: Likelihood(next(losses), 1))
    tries: list[Path] = []

    def first_try(file: Path) -> bool:
        tries.extend([file] * (file.parent.name == ".step-00000015.tmp"))
        return len(tries) == 1

    refuse(monkeypatch, first_try)
    run = train(tmp_path, "best", evaluate_every="15 steps")
    assert run.checkpoints.summary("best").step == 15


def test_a_disk_that_refuses_to_the_end_is_an_error_and_what_was_there_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        refuse(patch, lambda file: "step-00000000" not in str(file))
        with pytest.raises(CharrnnError, match=r"step 30 could not be saved.*--resume"):
            train(tmp_path, "full")
    resumed = resume(tmp_path / "full", quiet=True, device="cpu")
    whole = train(tmp_path, "whole")
    assert same(resumed.path, whole.path)


def same(one: Path, other: Path) -> bool:
    """Whether two runs end with the same weights and the same steps in their metrics."""
    files = [newest(run) / "model.safetensors" for run in (one, other)]
    steps = [[line["step"] for line in charrnn.load(run).history()] for run in (one, other)]
    return files[0].read_bytes() == files[1].read_bytes() and steps[0] == steps[1]


def test_a_run_that_is_deleted_under_its_training_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(tmp_path, "whole", log_every=1)
    at_step(15, lambda: shutil.move(tmp_path / "run", tmp_path / "gone"), monkeypatch)
    train(tmp_path, "run", log_every=1)
    assert f"{tmp_path / 'run'}: was deleted under the training; it is made again" in capsys.readouterr().err
    run = charrnn.load(tmp_path / "run", "cpu")
    assert newest(run.path).name == "step-00000030"
    assert (newest(run.path) / "model.safetensors").read_bytes() == (
        newest(whole.path) / "model.safetensors"
    ).read_bytes()
    assert [line["step"] for line in run.history() if "loss" in line] == list(range(15, 31))
    assert run.sample("to", length=3)


def test_a_run_that_has_taken_the_place_of_a_deleted_one_is_left_alone(
    tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"

    def replaced() -> None:
        path.rename(tmp_path / "gone")
        shutil.copytree(original / "other", path)

    at_step(15, replaced, monkeypatch)
    with pytest.raises(CharrnnError, match="could not be saved"):
        train(tmp_path, "run", log_every=1)
    for file in (original / "other").rglob("*"):
        assert file.is_dir() or (path / file.relative_to(original / "other")).read_bytes() == file.read_bytes()


def test_a_run_without_any_checkpoint_begins_at_the_start(run: Path, original: Path) -> None:
    """It was killed before its first one."""
    shutil.rmtree(run / "checkpoints")
    assert same(resume(run, quiet=True, device="cpu").path, original / "run")


@pytest.mark.parametrize("name", ["checkpoints", "tensorboard"])
def test_a_training_writes_into_no_folder_that_a_stranger_has_linked(name: str, run: Path) -> None:
    elsewhere = run.parent / "elsewhere"
    if (run / name).exists():
        (run / name).rename(elsewhere)
    (run / name).symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(CharrnnError, match=f"{name}: a link"):
        resume(run, overrides=["training.steps=40"], quiet=True, device="cpu")
    assert sorted(elsewhere.rglob("*")) == before


@pytest.mark.parametrize("name", [".step-00000040.tmp", ".step-00000040.old", "step-00000040"])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_the_place_of_a_checkpoint_gives_way(name: str, there: bool, run: Path) -> None:
    elsewhere, link = run.parent / "elsewhere", run / "checkpoints" / name
    if there:
        elsewhere.mkdir()
        (elsewhere / "diary").write_text("mine")
    link.symlink_to(elsewhere)
    assert resume(run, overrides=["training.steps=40"], quiet=True, device="cpu").checkpoints.summary("last").step == 40
    assert not link.is_symlink()
    assert not there or [file.read_text() for file in elsewhere.iterdir()] == ["mine"]


def test_what_a_kill_left_before_the_run_was_whole_is_begun_anew(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("lock", ".lock-99999999", "config.yaml", ".run.json.tmp"):
        (run / name).write_text("99999999 1" if "lock" in name else "corpus: {")
    assert train(tmp_path, "run").checkpoints.summary("last").step == 30


@pytest.mark.parametrize("names", [["config.yaml"], ["lock", "poem.txt"], ["config.yaml", "vocab.json"]])
def test_a_folder_with_anything_else_is_never_touched(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "run").mkdir()
    for name in names:
        (tmp_path / "run" / name).write_text("mine")
    with pytest.raises(CharrnnError, match="is not a run"):
        train(tmp_path, "run")
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == sorted(names)


def test_a_training_that_patience_ended_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.training.validation.likelihood", lambda *_, **__: Likelihood(1.0, 1))
    run = train(tmp_path, "run", evaluate_every="3 steps", patience=2)
    assert run.checkpoints.summary("last").step == 9
    before = (run.path / "metrics.jsonl").read_bytes()
    with pytest.raises(CharrnnError, match=r"has finished.*training.patience=4"):
        resume(run.path, quiet=True, device="cpu")
    assert (run.path / "metrics.jsonl").read_bytes() == before
    assert resume(run.path, overrides=["training.patience=3"], quiet=True).checkpoints.summary("last").step == 12


def trainer_of(run: Path, clock: Callable[[], float] = time.perf_counter) -> Trainer:
    """A trainer of ten minutes for the model of a run, as new."""
    opened = charrnn.load(run, "cpu")
    part, boundary = opened.dataset().part("train", opened.config.corpus), opened.vocabulary.boundary
    batches = training_batches(part, 4, 8, boundary, 0)
    model = build_model(opened.config.model, len(opened.vocabulary), 0)
    return Trainer(model, batches, part, TrainingConfig(minutes=10), torch.device("cpu"), clock)


def test_a_checkpoint_that_explodes_again_and_again_is_passed_over(run: Path) -> None:
    trainer = trainer_of(run)
    saver, steps = CheckpointSaver(charrnn.load(run, "cpu"), trainer), []
    for _ in range(5):
        saver.recall(trainer)
        steps.append(trainer.standing.step)
    assert steps == [30, 20, 10, 30, 20]
    with locked(run):
        trainer.standing.step = 40
        saver.hear(Event("checkpoint", trainer.progress))
        saver.recall(trainer)
    assert trainer.standing.step == 40


def test_a_training_by_minutes_goes_on_with_the_time_it_had_left(
    run: Path,
) -> None:
    """On a clock that ticks a second whenever it is looked at."""

    class Clock:
        def __init__(self, now: float) -> None:
            self.now = now

        def __call__(self) -> float:
            self.now += 1
            return self.now

    first = trainer_of(run, Clock(0))
    for _ in first.events():
        if first.agreement.own_seconds > 400:
            break
    tensors, seconds = first.state(), first.standing.seconds
    second = trainer_of(run, Clock(1_000_000))
    second.load_state(tensors, first.standing)
    assert second.progress.fraction == pytest.approx(seconds / 600, abs=0.01)
    list(second.events())
    assert 600 <= second.agreement.own_seconds < 650


def test_a_malicious_pickle_under_any_name_runs_nothing(run: Path, tmp_path: Path) -> None:
    """The file would create `owned` when it is unpickled."""
    code = f"cos\nsystem\n(S'touch {tmp_path / 'owned'}'\ntR.".encode()
    for file in [*run.rglob("*")]:
        if file.is_file():
            shutil.copy(file, file.with_name(file.name + ".bak"))
            before = file.read_bytes()
            file.write_bytes(code)
            try:
                charrnn.load(run, "cpu").sample("to", length=2)
            except CharrnnError:
                pass
            file.write_bytes(before)
    assert not (tmp_path / "owned").exists()


def test_nothing_in_the_package_pickles() -> None:
    source = Path(charrnn.__file__).parent
    for file in source.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for word in ("import pickle", "torch.load", "torch.save", "marshal", "shelve", "np.load", "joblib", "eval("):
            assert word not in text or (word == "eval(" and text.count("eval(") == text.count(".eval(")), (file, word)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("how", [["--kills", "50"], ["--kills", "2", "--exec"]])
def test_killed_trainings_end_as_if_they_had_not_been(tmp_path: Path, how: list[str]) -> None:
    tool = Path(__file__).parents[1] / "tools" / "kill.py"
    done = subprocess.run([sys.executable, str(tool), *how], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) >= int(how[1])


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_every_fault_comes_out_as_promised(tmp_path: Path) -> None:
    tool = Path(__file__).parents[1] / "tools" / "faults.py"
    done = subprocess.run([sys.executable, str(tool)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_listener_that_raises_ends_the_training_and_all_that_was_saved_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(self: Log, event: Event) -> None:
        if event.progress.steps == 25:
            raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Log, "hear", raising)
        with pytest.raises(ZeroDivisionError):
            train(tmp_path, "run")
    assert not (tmp_path / "run" / "lock").exists()
    assert resume(tmp_path / "run", quiet=True, device="cpu").checkpoints.summary("last").step == 30


def test_a_step_is_taken_as_it_is_asked_for_or_not_at_all(run: Path) -> None:
    for step in (10, 20, 30):
        opened = charrnn.load(run, "cpu", checkpoint=step)
        assert opened.checkpoint.step == step and str(opened.checkpoint.folder).endswith(f"{step}")
        assert opened.checkpoint == charrnn.load(run, "cpu", checkpoint=str(step)).checkpoint
    weights = [charrnn.load(run, "cpu", checkpoint=step).model.state_dict() for step in (10, 30)]
    assert any(not torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    (run / "checkpoints" / "step-00000020" / "model.safetensors").write_bytes(b"")
    with pytest.raises(
        CharrnnError, match=r"checkpoint=20: model.safetensors is damaged.*has step 10, 20, 30 \(the best"
    ):
        charrnn.load(run, "cpu", checkpoint=20).sample("to", length=2)
    assert charrnn.load(run, "cpu", checkpoint="last").checkpoint.step == 30
