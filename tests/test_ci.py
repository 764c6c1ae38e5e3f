"""What continuous integration runs: the tests, with Chromium where apt may bring it, and without where it may not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / ".ci" / "run"
NEEDED = ("bash", "dirname", "env", "timeout", "chmod", "cp")


def run(folder: Path, **commands: str) -> subprocess.CompletedProcess[str]:
    """The script, where only these commands are found."""
    for name in NEEDED:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        (folder / name).symlink_to(found)
    for name, script in commands.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!{shutil.which('bash')}\n{script}\n")
        file.chmod(0o755)
    return subprocess.run(["bash", str(RUN)], env={"PATH": str(folder)}, capture_output=True, text=True, timeout=60)


BRINGS = 'case "$*" in *install*) for own in chromium chromedriver; do cp "${0%/*}/make" "${0%/*}/$own"; done;; esac'


@pytest.mark.parametrize(
    ("commands", "brought"),
    [
        ({"chromium": "", "chromedriver": "", "apt_get": "exit 1", "id": "echo 0"}, True),
        ({"apt_get": BRINGS, "id": "echo 0"}, True),
        ({"apt_get": BRINGS, "id": "echo 7", "sudo": '[ "$1" = -n ] && shift && "$@"', "true": ""}, True),
        ({"apt_get": BRINGS, "id": "echo 7", "sudo": "exit 1"}, False),
        ({"apt_get": BRINGS, "id": "echo 7"}, False),
        ({"apt_get": "exit 100", "id": "echo 0"}, False),
        ({}, False),
    ],
    ids=["there", "root", "sudo", "sudo asks", "no sudo", "apt fails", "no apt"],
)
def test_the_tests_run_with_chromium_or_say_that_they_do_without(
    tmp_path: Path, commands: dict[str, str], brought: bool
) -> None:
    done = run(tmp_path, make='echo "make $*"', **commands)
    assert (done.returncode, done.stdout) == (0, "make test\n")
    assert ("skipped" in done.stderr) == (not brought)
    assert len(done.stderr.splitlines()) == (not brought)
