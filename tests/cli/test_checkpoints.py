"""Which checkpoint a command takes, and what it says of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from charrnn.cli import app
from charrnn.errors import CharrnnError

NOTE = "run: the best checkpoint, step 10 of 30; --checkpoint last takes the last"
COMMANDS = {
    "sample": ["run", "--prompt", "the", "--length", "9", "--seed", "0"],
    "eval": ["run"],
    "score": ["run", "text.txt"],
    "fill": ["run", "the c_t"],
    "info": ["run"],
}


def crown(run: Path, best: int) -> None:
    """Has the checkpoint of a step be the best, and no other one."""
    for folder in (run / "checkpoints").iterdir():
        state = folder / "state.json"
        facts = json.loads(state.read_text()) | {"is_best": folder.name == f"step-{best:08d}"}
        state.write_text(json.dumps(facts))
        manifest = folder / "manifest.json"
        document = json.loads(manifest.read_text())
        raw = state.read_bytes()
        document["files"]["state.json"] = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
        manifest.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a run whose best checkpoint is step 10 of 30."""
    folder = tmp_path_factory.mktemp("checkpoints")
    (folder / "text.txt").write_text("the cat sat on the mat.\n" * 50, encoding="utf-8")
    config = {
        "corpus": {"path": str(folder / "text.txt")},
        "model": {"hidden_size": 8, "embedding_size": 4},
        "training": {"steps": 30, "batch_size": 4, "window": 8, "evaluate_every": "100%", "keep": 5}
        | {"checkpoint_every": "10 steps", "sample_every": None, "learning_rate": 0.02},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert command("train", "config.yaml", "--out", "run", "--quiet").exit_code == 0
    crown(folder / "run", 10)
    return folder


@pytest.fixture(autouse=True)
def there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)


def command(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_best_the_last_or_a_step(name: str) -> None:
    out = {}
    for which in ("", "best", "last", "0", "10", "20", "30"):
        done = command(name, *COMMANDS[name], *(["--checkpoint", which] if which else []))
        assert done.exit_code == 0, done.output
        out[which] = done.stdout
        step = {"": "10", "best": "10", "last": "30"}.get(which, which)
        note = NOTE if which in ("", "best") else f"run: the checkpoint of step {step} of 30"
        assert done.stderr == ("" if step == "30" or name == "info" else f"charrnn: {note}\n")
    assert out[""] == out["best"] == out["10"] and out["last"] == out["30"]
    if name != "fill":  # where all may agree
        assert len({out["0"], out["10"], out["30"]}) == 3


@pytest.mark.parametrize("name", COMMANDS)
def test_json_has_the_step_and_nothing_is_said_beside_it(name: str) -> None:
    for which, step in (("best", 10), ("20", 20), ("last", 30)):
        done = command(name, *COMMANDS[name], "--checkpoint", which, "--json")
        assert done.stderr == ""
        document = (
            [json.loads(line) for line in done.stdout.splitlines()] if name == "score" else json.loads(done.stdout)
        )
        rows = document if isinstance(document, list) else [document]
        assert rows and {row["step"] for row in rows} == {step}


@pytest.mark.parametrize("name", [*COMMANDS, "compress"])
@pytest.mark.parametrize("wrong", ["11", "-1", "worst", "", "9" * 5000])
def test_a_step_that_is_not_there_is_told_with_those_that_are(name: str, wrong: str) -> None:
    arguments = COMMANDS.get(name, ["run", "text.txt", "--out", "never"])
    done = command(name, *arguments, "--checkpoint", wrong)
    assert isinstance(done.exception, CharrnnError) and done.stdout == ""
    message = done.exception.for_command
    assert f"--checkpoint {wrong[:30]}" in message and "run has step 0, 10 (the best), 20, 30 (the last)" in message
    assert not Path("never").exists()


def test_info_lists_the_checkpoints() -> None:
    listed = json.loads(command("info", "run", "--json").stdout)["checkpoints"]
    assert [one["step"] for one in listed] == [0, 10, 20, 30]
    assert [one["step"] for one in listed if one["best"]] == [10]
    assert [one["step"] for one in listed if one["last"]] == [30]
    assert [one["step"] for one in listed if one["val_loss"] is not None] == [30]
    for one in listed:
        files = Path(f"run/checkpoints/step-{one['step']:08d}").iterdir()
        assert one["bytes"] == sum(file.stat().st_size for file in files)
    text = command("info", "run").stdout
    assert "step 10 (the best)" in text and "one evaluation" in text


def test_what_is_compressed_with_a_checkpoint_needs_that_checkpoint() -> None:
    assert command("compress", "run", "text.txt", "--out", "20.crnn", "--checkpoint", "20").exit_code == 0
    for which in ("best", "last", "0"):
        done = command("decompress", "run", "20.crnn", "--out", "back.txt", "--checkpoint", which)
        assert isinstance(done.exception, CharrnnError)
        assert "another checkpoint" in done.exception.for_command and "--checkpoint" in done.exception.for_command
        assert not Path("back.txt").exists()
    assert command("decompress", "run", "20.crnn", "--out", "back.txt", "--checkpoint", "20").exit_code == 0
    assert Path("back.txt").read_bytes() == Path("text.txt").read_bytes()
