"""The runs that a picture is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from charrnn.errors import CharrnnError
from charrnn.experiments.compare import runs_in
from charrnn.run import Run
from charrnn.terminal import say


def causal_runs(paths: Sequence[Path], device: str = "auto") -> list[Run]:
    """The runs of some folders that read from left to right.

    A bidirectional run inside a folder of runs is left out, and told. Raises CharrnnError where one was named itself,
    and where no other is there.
    """
    found = runs_in(paths, device)
    kept = [run for run in found if not run.config.model.bidirectional]
    for run in found:
        if run.config.model.bidirectional:
            told = f"{run.path}: is bidirectional: it sees what comes after a character, and not only what is before it"
            if run.path in paths or not kept:
                raise CharrnnError(f"{told}; give runs that read from left to right")
            say(f"{told}; it is left out")
    return kept
