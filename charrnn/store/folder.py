"""Tells whether a folder is a run, and finds a folder for a new one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from charrnn.errors import CharrnnError
from charrnn.files import read_record, remove
from charrnn.store.facts import Facts
from charrnn.store.lock import holder_of, is_lock

LOCKS = re.compile(r"lock|\.lock-[0-9]+(\.stale)?")
OWN = re.compile(
    rf"config\.yaml|run\.json|vocab\.json|headings\.json|metrics\.jsonl|samples\.txt|{LOCKS.pattern}|\.[a-z.]+\.tmp"
    r"|checkpoints(/\.?step-[0-9]+(\.tmp|\.old)?"
    r"(/(model|training|counts|background)\.safetensors|/(state|manifest)\.json)?)?"
    r"|tensorboard(/(events\.out\.tfevents\..+|projector_config\.pbtxt|[0-9]+(/embedding(/(tensors|metadata)\.tsv)?)?))?"
)
"""The names of all that a training leaves in its folder."""


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    try:
        return (path / "run.json").is_file()
    except (OSError, ValueError):  # a name too long, a folder that may not be entered
        return False


def new_folder(out: str | Path | None, name: str, overwrite: bool, needed: Iterable[Path] = ()) -> Path:
    """The folder for a new run: `out`, which must be empty, or the first free one of runs/NAME, runs/NAME-2, ...

    `overwrite` removes a run in `out`, if nothing else lies there: neither files of the user's, nor those that are
    `needed`. Raises CharrnnError where `out` is taken.
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
                raise CharrnnError(f"{path}: {holder} is training in it; stop it first")
            _empty(path, _entries_of_run(path, needed))
        elif _begun(path):
            _empty(path, list(path.iterdir()))
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise CharrnnError(f"{path}: exists and is not a run; give ‹out› another folder")
        path.mkdir(parents=True, exist_ok=True)
        return path
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        where, why = getattr(error, "filename", None) or out, getattr(error, "strerror", None) or error
        raise CharrnnError(f"{where}: the run's folder cannot be made: {why}") from None


def check_folders(path: Path) -> None:
    """Raises CharrnnError where a folder that a training writes into is a link: a stranger may have put it there."""
    for name in ("checkpoints", "tensorboard"):
        if (path / name).is_symlink():
            raise CharrnnError(f"{path / name}: a link, and a training writes only into the run's own folders")


def _entries_of_run(path: Path, needed: Iterable[Path]) -> list[Path]:
    """What lies in a run's folder. Raises CharrnnError where charrnn has not written all of it."""
    try:
        read_record(path / "run.json", Facts)
    except CharrnnError as error:
        raise CharrnnError(f"{error.message}; so this is no run of charrnn's, and nothing is replaced") from None
    whole = path.resolve()
    for file in needed:
        if file.resolve().is_relative_to(whole):
            raise CharrnnError(f"{file}: lies in the run that would be replaced; copy it elsewhere, and name the copy")
    for folder, folders, files in os.walk(path):  # enters no links
        for name in (*folders, *files):
            file = Path(folder, name)
            if not OWN.fullmatch(file.relative_to(path).as_posix()):
                raise CharrnnError(f"{file}: not a file of the run, and nothing is replaced; move it elsewhere first")
    return list(path.iterdir())


def _begun(path: Path) -> bool:
    """Whether a folder holds only files of a training that was killed before its run was whole."""
    if not path.is_dir() or holder_of(path) is not None:
        return False
    entries = list(path.iterdir())
    locks = [file for file in entries if LOCKS.fullmatch(file.name)]
    others = {file.name for file in entries} - {file.name for file in locks}
    if not locks or not others <= {"config.yaml", "vocab.json", "headings.json", ".headings.json.tmp", ".run.json.tmp"}:
        return False
    return all(is_lock(file) for file in locks if file.name == "lock")


def _empty(path: Path, entries: list[Path]) -> None:
    """Removes what lies in a folder. What makes it a run goes last, so that nothing is left that is none."""
    for file in sorted(entries, key=lambda file: file.name in ("run.json", "lock")):
        remove(file)
