"""Opens the run that a command is about, and says which of its checkpoints was taken; and the text for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.run import Run


def open_run(path: Path, device: str, checkpoint: str, quiet: bool = False) -> Run:
    """The run with its checkpoint. One that is not the last is named on standard error, unless `quiet`."""
    import numpy as np

    from charrnn.run import load
    from charrnn.terminal import say

    np.seterr(all="ignore")  # a model that gives no numbers is told, in one message
    run = load(path, device, checkpoint)
    taken = run.checkpoint
    if quiet or taken.is_last:
        return run
    said = f"the checkpoint of step {taken.step} of {taken.last}"
    if checkpoint == "best" and taken.is_best:
        said = f"the best checkpoint, step {taken.step} of {taken.last}; --checkpoint last takes the last"
    say(f"charrnn: {path}: {said}")
    return run


@contextmanager
def regular(file: Path) -> Iterator[Path]:
    """The file, or one with what standard input gives if it is called `-`."""
    if str(file) != "-":
        yield file
        return
    import shutil
    import tempfile

    from charrnn.errors import CharrnnError

    if sys.stdin is None:
        raise CharrnnError("standard input: cannot be read: it is closed")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "standard input"
        try:
            with copy.open("wb") as out:
                shutil.copyfileobj(sys.stdin.buffer, out)
        except OSError as error:
            raise CharrnnError(f"standard input: cannot be read and kept in {folder}: {error.strerror}") from None
        yield copy
