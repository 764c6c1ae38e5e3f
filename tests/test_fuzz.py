"""Bad input of every kind gets a right answer or one clear message (`python tests/tools/fuzz.py` tries thousands)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parent / "tools" / "fuzz.py"


@pytest.mark.parametrize("examples", [12, pytest.param(2000, marks=pytest.mark.slow)])
def test_bad_input_is_answered_or_refused(examples: int, tmp_path: Path) -> None:
    """In a process of its own, whose memory can be limited."""
    command = [sys.executable, str(TOOL), "--examples", str(examples)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = [int(row.replace(",", "")) for row in re.findall(r"^\| [^|]+ \| ([\d,]+) \|", done.stdout, re.M)]
    assert len(counted) == 14
    assert min(counted) >= examples
