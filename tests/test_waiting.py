"""Threads wait as charrnn says, unless the user says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("given", "first", "expected"),
    [
        ({}, "charrnn", "1000 False"),
        ({}, "torch", "1000 True"),
        ({"GOMP_SPINCOUNT": "7"}, "torch", "7 False"),
        ({"OMP_WAIT_POLICY": "passive"}, "charrnn", "None False"),
    ],
)
def test_the_spin_is_set_before_pytorch_and_never_over_the_users(
    given: dict[str, str], first: str, expected: str
) -> None:
    ours = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    program = f"import {first}, os, charrnn.waiting as w; print(os.environ.get('GOMP_SPINCOUNT'), w.TOO_LATE)"
    done = subprocess.run([sys.executable, "-c", program], env=ours | given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
