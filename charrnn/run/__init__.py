"""A run: what can be done with the model that a training leaves in its folder (`store/run_folder.py`)."""

from __future__ import annotations

from pathlib import Path

from charrnn.run.writing import Writing
from charrnn.store.checkpoint import Which


class Run(Writing):
    """A trained model in its folder: it writes, fills blanks, and measures texts. `charrnn.load` opens one."""


def load(path: str | Path, device: str = "auto", checkpoint: Which = "best") -> Run:
    """Opens the folder of a run, to sample from it and to evaluate it.

    `checkpoint` is `best`, `last` or a step. Raises CharrnnError where the folder is not a run. A step without a
    checkpoint is told when the model is first needed.
    """
    return Run.open(path, device, checkpoint)
