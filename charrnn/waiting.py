"""How threads wait for each other: they spin for a moment, and then sleep."""

from __future__ import annotations

import os
import sys

SPIN = "1000"
"""The rounds of a spin: nearly as fast as OpenMP's 300,000 on an idle machine. Beside other processes it is several
times as fast, because a thread would spin for one that is not running (docs/speed.md)."""
_VARIABLES = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"


def set_spin() -> bool:
    """Sets the spin, unless the user has, and says whether that came too late: OpenMP reads it when PyTorch begins."""
    if any(variable in os.environ for variable in _VARIABLES):
        return False
    os.environ["GOMP_SPINCOUNT"] = SPIN
    return "torch" in sys.modules


TOO_LATE = set_spin()
"""Whether PyTorch was there before charrnn, so that its threads spin for long."""
