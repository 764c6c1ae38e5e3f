"""A folder to publish or to hand on: a run with one checkpoint, without what only its training needs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from charrnn.errors import CharrnnError
from charrnn.export.about import About
from charrnn.export.card import LONGEST, SEED, card
from charrnn.loading import without_folders
from charrnn.run import Run
from charrnn.store.folder import is_run
from charrnn.store.history import read_history


def export_folder(run: Run, folder: Path, about: About) -> Run:
    """Writes the folder, which is there when it is whole, and gives the run in it.

    It holds the weights of `run.checkpoint` (safetensors), the config, the alphabet, what was measured, the samples of
    the training, and a model card. Raises CharrnnError where the folder exists or cannot be written.
    """
    if os.path.lexists(folder):
        raise CharrnnError(f"{folder}: exists already, and nothing is replaced; name another folder with ‹out›")
    checkpoint = run.checkpoint
    try:
        temporary = Path(tempfile.mkdtemp(prefix=".charrnn-", dir=folder.parent))
    except OSError as error:
        raise CharrnnError(f"{folder}: cannot be written: {error.strerror}") from None
    try:
        inner = temporary / folder.name  # under its own name, which the card shows
        inner.mkdir()
        shutil.copymode(run.path, inner)
        made = replace(run, path=inner, config=without_folders(run.config), which="best")
        made.write()
        made.checkpoints.take(checkpoint)
        with (inner / "metrics.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in read_history(run.metrics))
        samples = run.path / "samples.txt"
        if samples.is_file() and not samples.is_symlink():
            shutil.copyfile(samples, inner / "samples.txt")
        made = Run.open(inner, "cpu")  # what is exported can be read: the sample in its card comes from it
        length = min(LONGEST, made.config.sampling.length)
        sample = None if made.config.model.bidirectional else made.sample(length=length, seed=SEED)[0]
        (inner / "README.md").write_text(card(made, about, sample), encoding="utf-8")
        if os.path.lexists(folder):
            raise CharrnnError(f"{folder}: exists already; name another folder with ‹out›")
        inner.rename(folder)
    except OSError as error:
        raise CharrnnError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    assert is_run(folder)
    return replace(made, path=folder)
