"""A damaged checkpoint is named and passed over, whatever was done to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import charrnn
from charrnn.errors import CharrnnError
from charrnn.run import Run
from charrnn.training import checkpoint
from charrnn.training.lock import locked
from charrnn.training.session import resume

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
    assert names == ["index.json", "step-00000010", "step-00000020", "step-00000030"]


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
        assert opened.checkpoints.facts("last")["step"] == 20


def test_a_checkpoint_of_another_run_is_not_taken(
    run: Path, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(newest(run))
    shutil.copytree(newest(original / "other"), run / "checkpoints" / "step-00000030")
    assert charrnn.load(run, "cpu").checkpoints.facts("last")["step"] == 20
    assert "another run" in capsys.readouterr().err


def test_without_any_whole_checkpoint_it_says_so(run: Path) -> None:
    for folder in (run / "checkpoints").glob("step-*"):
        (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(CharrnnError, match="no whole checkpoint is left"):
        charrnn.load(run, "cpu").sample("to", length=2)


def test_a_damaged_last_checkpoint_does_not_hinder_going_on(run: Path) -> None:
    (newest(run) / "training.safetensors").write_bytes(b"nonsense")
    resumed = resume(run, overrides=["training.steps=35"], quiet=True, device="cpu")
    assert resumed.checkpoints.facts("last")["step"] == 35


def test_two_trainings_in_one_run_are_refused(run: Path) -> None:
    with locked(run), pytest.raises(CharrnnError, match=f"process {os.getpid()} is training"):
        resume(run, overrides=["training.steps=35"], quiet=True, device="cpu")
    assert not (run / "lock").exists()


@pytest.mark.parametrize("content", ["999999999", "", "nonsense", "-1"])
def test_a_stale_lock_is_taken_over(run: Path, content: str) -> None:
    (run / "lock").write_text(content)
    resume(run, overrides=["training.steps=31"], quiet=True, device="cpu")
    assert not (run / "lock").exists()


def test_a_disk_that_refuses_does_not_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(checkpoint, "save_file")  # noqa: B009 (it is not exported)
    refused: list[Path] = []

    def full(tensors: Any, file: Path) -> None:
        if not refused or len(refused) < 3:
            refused.append(file)
            raise OSError(28, "No space left on device", str(file))
        real(tensors, file)

    monkeypatch.setattr(checkpoint, "save_file", full)
    run = train(tmp_path, "full")
    assert len(refused) == 3
    assert run.checkpoints.facts("last")["step"] == 30
    assert not list(run.path.rglob("*.tmp"))


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


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_trainings_end_as_if_they_had_not_been(tmp_path: Path, kills: int) -> None:
    tool = Path(__file__).parents[1] / "kill.py"
    command = [sys.executable, str(tool), "--kills", str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.split()[0]) >= kills
