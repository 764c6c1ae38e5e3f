"""Every model learns on a device that is not the CPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_a_step_stays_on_the_device_and_never_waits_for_it() -> None:
    tool = Path(__file__).parents[1] / "tools" / "pretend.py"
    done = subprocess.run([sys.executable, tool], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("this PyTorch cannot pretend to have a device")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
