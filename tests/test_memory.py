from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from charrnn import memory
from charrnn.cells import CELLS
from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.models import build_model


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "ngram"])
def test_a_model_larger_than_the_memory_is_refused_before_it_is_made(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig.model_validate({"cell": cell, "hidden_size": 65536, "embedding_size": 65536, "num_layers": 8})
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    with pytest.raises(CharrnnError, match=r"parameters would take [\d.,]+ GB of memory, and 1.0 GB are free"):
        build_model(config, 100)


def test_there_is_some_memory_and_not_more_than_any_machine_has() -> None:
    assert 2**20 < memory.available() < 2**50


def test_what_fits_is_not_refused() -> None:
    memory.require(memory.available() // 2, "this", "")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc")
def test_freed_memory_is_kept() -> None:
    code = (
        "import resource, sys, numpy as np; from charrnn.memory import keep_freed; sys.argv[1:] and keep_freed()\n"
        "def take(): arrays = [np.ones(500_000) for _ in range(8)]\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "take(), take(); before = faults()\n"
        "for _ in range(20): take()\n"
        "print(faults() - before)"
    )
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", code, *more], capture_output=True, text=True, check=True).stdout)
        for more in (["keep"], [])
    )
    assert kept < 0.1 * given_back  # pages
