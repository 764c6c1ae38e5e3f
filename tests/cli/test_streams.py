"""Every command with each stream closed, full, or read by nobody: one message and exit code 2, or quiet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import charrnn

COMMANDS = [
    "--version",
    "configs list",
    "sample run --length 20",
]
OTHERS = [
    "--help",
    "configs schema",
    "configs copy demo copied.yaml",
    "corpus list",
    "cache list",
    "sample run --length 20 --stream",
    "sample run --length 20 --json",
    "eval run",
    "info run",
    "score run text.txt",
    "fill run th_",
    "compare run",
    "compress run text.txt --out packed.crnn",
    "train my.yaml --out other --overwrite",
]
EVERY = [*COMMANDS, *(pytest.param(command, marks=pytest.mark.slow) for command in OTHERS)]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="has /dev/full, and shells that close descriptors")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    (folder / "text.txt").write_text("the cat sat on the mat.\n" * 200, encoding="utf-8")
    keys = {
        "corpus": {"path": str(folder / "text.txt")},
        "model": {"hidden_size": 4, "embedding_size": 4},
        "training": {"steps": 2, "window": 8, "batch_size": 4, "sample_every": None},
    }
    config = charrnn.Config.model_validate(keys)
    charrnn.train(config, out=folder / "run", quiet=True, device="cpu")
    (folder / "my.yaml").write_text(json.dumps(keys), encoding="utf-8")
    return folder


def run(place: Path, command: str, redirection: str) -> tuple[int, str]:
    """The exit code and what came on standard error, where that is not what is redirected."""
    for left in ("packed.crnn", "copied.yaml"):
        (place / left).unlink(missing_ok=True)
    shell = f'"{sys.executable}" -m charrnn {command} {redirection}'
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", "-c", shell], capture_output=True, encoding="utf-8", cwd=place, env=environment)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", EVERY)
def test_standard_output(place: Path, command: str) -> None:
    for redirection, code in ((">&-", 2), (">/dev/full", 2), ("| true; exit ${PIPESTATUS[0]}", 0)):
        found, said = run(place, command, redirection)
        assert found == code, (redirection, said)
        assert "Traceback" not in said and "Exception" not in said
        assert ("standard output: cannot be written" in said) == (code == 2)


@pytest.mark.parametrize("command", EVERY)
def test_standard_error_and_input(place: Path, command: str) -> None:
    for redirection in ("2>&-", "2>/dev/full", "2> >(true)", "<&-", "2>&- <&-"):
        found, said = run(place, command, f"{redirection} >/dev/null")
        assert found == 0, (redirection, said)
        assert "Traceback" not in said


def test_a_mistake_is_told_by_the_exit_code_alone_where_nobody_hears(place: Path) -> None:
    for redirection in ("2>&-", ">&- 2>&- <&-", "2>/dev/full"):
        assert run(place, "sample nothing", redirection)[0] == 2
