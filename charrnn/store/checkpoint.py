"""Checkpoints: safetensors and JSON, written whole or not at all, checked whenever they are read.

A run's `checkpoints/` has a folder for each saved step, with a manifest of the SHA-256 of its files. The checkpoint
itself says whether it was the best when it was written, so that a single renaming completes it. Nothing is pickled, so
a checkpoint from a stranger cannot run code.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import SafetensorError

from charrnn.errors import CharrnnError
from charrnn.files import Amount, Count, Record, read_record, sha256, sync
from charrnn.terminal import say

if TYPE_CHECKING:  # PyTorch is imported only where it is needed: writing on a CPU does without it
    from torch import Tensor

Which = Literal["best", "last"]
FILES = ("model.safetensors", "training.safetensors", "state.json")
"""The files of a checkpoint: the model, the other tensors of the training, and where the training stands."""
WEIGHTS, TRAINING, STATE = FILES


class Summary(Record):
    """The keys of every `state.json`. A training that can be resumed has more (`training.standing.Standing`)."""

    step: Count = 0
    seconds: Amount = 0.0
    best: float | None = None
    """The lowest validation loss, nats per character; None before the first evaluation."""
    finished: bool = False
    is_best: bool = False
    """Whether this checkpoint was the best when it was written."""


class Digest(Record):
    """The entry of a file in a manifest."""

    sha256: str
    bytes: Count


class Manifest(Record):
    """The file `manifest.json`: the id of the run, and an entry for each file of the checkpoint."""

    run: str
    files: dict[str, Digest]


@dataclass(frozen=True)
class Snapshot:
    """The content of a checkpoint, as copies that a training no longer changes."""

    step: int
    weights: dict[str, Tensor]
    """The weights of the model, on the CPU, each with memory of its own (`device.copied`)."""
    tensors: dict[str, Tensor]
    """The other tensors of the training, also as copies on the CPU."""
    facts: dict[str, Any]
    """Where the training stands, for `state.json`."""
    best: bool
    """Whether this is the best checkpoint so far."""


class Checkpoints:
    """The checkpoints of one run. `run_id` tells them from those of another run."""

    def __init__(self, run: Path, run_id: str) -> None:
        self.folder, self._run_id = run / "checkpoints", run_id

    def save(self, snapshot: Snapshot, keep: int = 2) -> None:
        """Writes a checkpoint. It gets its final name only when it is whole and on the disk.

        Then removes all checkpoints but the newest best one and the last `keep`. Raises OSError where the disk refuses;
        older checkpoints then stay.
        """
        name = f"step-{snapshot.step:08d}"
        self.folder.mkdir(exist_ok=True)
        for leftover in self.folder.glob(".step-*"):  # from a process that was killed while saving
            shutil.rmtree(leftover, ignore_errors=True)
        final = self.folder / name
        temporary, former = self.folder / f".{name}.tmp", self.folder / f".{name}.old"
        try:
            temporary.mkdir()
            save_file(snapshot.weights, temporary / WEIGHTS)
            save_file(snapshot.tensors, temporary / TRAINING)
            facts = snapshot.facts | {"is_best": snapshot.best}
            (temporary / STATE).write_text(json.dumps(facts, indent=1), encoding="utf-8")
            manifest = {"run": self._run_id, "files": {file: _digest(temporary / file) for file in FILES}}
            (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            for file in temporary.iterdir():
                shutil.copymode(temporary / STATE, file)  # safetensors lets nobody else read
                sync(file)
            sync(temporary)
            if final.exists():  # a damaged checkpoint that was passed over
                final.rename(former)
            temporary.rename(final)
            sync(self.folder)
        except SafetensorError as error:  # safetensors raises it for a full disk
            raise OSError(errno.ENOSPC, str(error), str(temporary)) from error
        finally:
            for leftover in (temporary, former):
                shutil.rmtree(leftover, ignore_errors=True)
        self._forget_old(keep)

    def _forget_old(self, keep: int) -> None:
        newest = self._newest_first()
        kept = [*newest[:keep], *[folder for folder in newest if _was_best(folder)][:1]]
        for old in newest:
            if old not in kept:
                gone = self.folder / f".{old.name}.old"  # so that a part of it never has the final name
                with suppress(OSError):
                    old.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)

    @property
    def none_yet(self) -> bool:
        """Whether there is no checkpoint, not even a damaged one: the training was killed before its first."""
        return not self._newest_first()

    def find(self, which: Which) -> Path:
        """The folder of the best or the last checkpoint. A damaged one is reported, and another one is taken.

        Raises CharrnnError where no checkpoint is whole.
        """
        newest = self._newest_first()
        if which == "best":  # the sort is stable: best ones first, both kinds from the newest on
            newest.sort(key=lambda folder: not _was_best(folder))
        for folder in newest:
            fault = self._fault(folder)
            if fault is None:
                return folder
            say(f"{folder}: {fault}; taking another checkpoint instead")
        what = "no whole checkpoint is left" if newest else "holds no checkpoint yet"
        raise CharrnnError(f"{self.folder.parent}: {what}; train it again, or from the start with ‹overwrite=True›")

    def before(self, step: int) -> Path:
        """The folder of the last whole checkpoint before a step; if there is none, of the last checkpoint.

        Raises CharrnnError where no checkpoint is whole.
        """
        earlier = (folder for folder in self._newest_first() if _step(folder) < step and not self._fault(folder))
        return next(earlier, None) or self.find("last")

    def summary(self, which: Which) -> Summary:
        """The `state.json` of a checkpoint. Without a checkpoint, the summary of a training that has not begun."""
        return Summary() if self.none_yet else read_record(self.find(which) / STATE, Summary)

    def _fault(self, folder: Path) -> str | None:
        """The fault of a checkpoint, in words, or None. Sizes of files are compared before anything is read."""
        try:
            manifest = read_record(folder / "manifest.json", Manifest)
            if manifest.run != self._run_id:
                return "belongs to another run"
            for name in FILES:
                file, wanted = folder / name, manifest.files[name]
                if not file.is_file():
                    return f"{name} is missing"
                if (size := file.stat().st_size) != wanted.bytes:
                    return f"{name} is damaged: {size:,} bytes instead of {wanted.bytes:,}"
                if sha256(file).hex() != wanted.sha256:
                    return f"{name} is damaged: its SHA-256 is not that of the manifest"
        except (CharrnnError, OSError, KeyError, ValueError) as error:
            return f"is damaged or incomplete ({error})"
        return None

    def _newest_first(self) -> list[Path]:
        found: Iterator[Path] = (
            folder
            for folder in self.folder.glob("step-*")
            if folder.name.isascii() and folder.name[5:].isdigit() and folder.is_dir()
        )
        return sorted(found, key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name[5:])


def _was_best(folder: Path) -> bool:
    try:
        return read_record(folder / STATE, Summary).is_best
    except CharrnnError:
        return False


def save_file(tensors: dict[str, Tensor], file: Path) -> None:
    """Writes tensors as a safetensors file."""
    from safetensors.torch import save_file

    save_file(tensors, file)


def _digest(file: Path) -> dict[str, Any]:
    return {"sha256": sha256(file).hex(), "bytes": file.stat().st_size}
