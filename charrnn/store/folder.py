"""Tells whether a folder is a run, and finds a folder for a new one."""

from __future__ import annotations

import shutil
from pathlib import Path

from charrnn.errors import CharrnnError
from charrnn.store.lock import holder_of


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    try:
        return (path / "run.json").is_file()
    except (OSError, ValueError):  # a name too long, a folder that may not be entered
        return False


def new_folder(out: str | Path | None, name: str, overwrite: bool) -> Path:
    """The folder for a new run: `out`, which must be empty, or the first free one of runs/NAME, runs/NAME-2, ...

    `overwrite` removes a run in `out`. Other files are never touched.
    Raises CharrnnError where `out` is taken.
    """
    try:
        if out is None:
            for i in range(1, 10_000):
                path = Path("runs") / (name if i == 1 else f"{name}-{i}")
                path.parent.mkdir(exist_ok=True)
                try:
                    path.mkdir()
                    return path
                except FileExistsError:
                    continue
            raise CharrnnError(f"runs/{name}-9999 exists; give ‹out=DIR›")
        path = Path(out)
        if is_run(path):
            if not overwrite:
                raise CharrnnError(
                    f"{path}: already holds a run; go on with it (‹resume={path}›), or replace it (‹overwrite=True›)"
                )
            if (holder := holder_of(path)) is not None:
                raise CharrnnError(f"{path}: process {holder} is training in it; stop it first")
            shutil.rmtree(path)
        elif _begun(path):
            shutil.rmtree(path)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise CharrnnError(f"{path}: exists and is not a run; give ‹out› another folder")
        path.mkdir(parents=True, exist_ok=True)
        return path
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        where, why = getattr(error, "filename", None) or out, getattr(error, "strerror", None) or error
        raise CharrnnError(f"{where}: the run's folder cannot be made: {why}") from None


def _begun(path: Path) -> bool:
    """Whether a folder holds only files of a training that was killed before its run was whole."""
    if not path.is_dir() or holder_of(path) is not None:
        return False
    names = {"lock" if file.name.startswith(".lock-") else file.name for file in path.iterdir()}
    return "lock" in names and names <= {"lock", "config.yaml", "vocab.json", ".run.json.tmp"}
