"""Checkpoints: safetensors and JSON, written whole or not at all, checked whenever they are read.

A run's `checkpoints/` holds a folder a step, each with a manifest of its files' SHA-256. Whether it was the best when
it was written stands in the checkpoint itself, so that one renaming settles all. Nothing is pickled, so a checkpoint
from a stranger cannot run code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import SafetensorError

from charrnn.errors import CharrnnError
from charrnn.files import Amount, Count, Record, read_record, sync
from charrnn.terminal import say

if TYPE_CHECKING:  # PyTorch is imported where it is needed: writing on a CPU goes without it
    from torch import Tensor

Which = Literal["best", "last"]
WEIGHTS, TRAINING, STATE = FILES = ("model.safetensors", "training.safetensors", "state.json")
"""The model, what else the training needs as tensors, and where it stands."""


class Summary(Record):
    """What every `state.json` says; that of a training that can go on says more (`training.standing.Standing`)."""

    step: Count = 0
    seconds: Amount = 0.0
    best: float | None = None
    """The lowest validation loss, nats per character; None before the first evaluation."""
    finished: bool = False
    is_best: bool = False
    """Whether this checkpoint was the best when it was written."""


class Digest(Record):
    """What a manifest says of a file."""

    sha256: str
    bytes: Count


class Manifest(Record):
    """`manifest.json`."""

    run: str
    files: dict[str, Digest]


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint is made of, out of the model's reach."""

    step: int
    weights: dict[str, Tensor]
    """The model's, on the CPU, each with memory of its own (`device.copied`)."""
    tensors: dict[str, Tensor]
    """What else the training needs, likewise."""
    facts: dict[str, Any]
    """Where the training stands, for JSON."""
    best: bool


class Checkpoints:
    """The checkpoints of one run; `run_id` tells them from another run's."""

    def __init__(self, run: Path, run_id: str) -> None:
        self.folder, self._run_id = run / "checkpoints", run_id

    def save(self, snapshot: Snapshot, keep: int = 2) -> None:
        """Writes a checkpoint under its final name only when it is whole and on the disk.

        Then removes all but the newest best and the last `keep`. Raises OSError where the disk refuses; what was there
        stays.
        """
        name = f"step-{snapshot.step:08d}"
        self.folder.mkdir(exist_ok=True)
        for leftover in self.folder.glob(".step-*"):  # of a process that was killed in here
            shutil.rmtree(leftover, ignore_errors=True)
        final, temporary, former = self.folder / name, self.folder / f".{name}.tmp", self.folder / f".{name}.old"
        try:
            temporary.mkdir()
            save_file(snapshot.weights, temporary / WEIGHTS)
            save_file(snapshot.tensors, temporary / TRAINING)
            facts = snapshot.facts | {"is_best": snapshot.best}
            (temporary / STATE).write_text(json.dumps(facts, indent=1), encoding="utf-8")
            manifest = {"run": self._run_id, "files": {file: _digest(temporary / file) for file in FILES}}
            (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            for file in temporary.iterdir():
                sync(file)
            sync(temporary)
            if final.exists():  # a damaged one that was passed over
                final.rename(former)
            temporary.rename(final)
            sync(self.folder)
        except SafetensorError as error:  # its word for a full disk
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
                gone = self.folder / f".{old.name}.old"  # half of a checkpoint never stands under its name
                with suppress(OSError):
                    old.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)

    @property
    def none_yet(self) -> bool:
        """Whether not even a damaged one is there: the training was killed before its first."""
        return not self._newest_first()

    def find(self, which: Which) -> Path:
        """The folder of the best checkpoint or of the last. A damaged one is named and the one before it taken.

        Raises CharrnnError where none is whole.
        """
        newest = self._newest_first()
        if which == "best":  # the sort is stable: bests first, each kind from the newest on
            newest.sort(key=lambda folder: not _was_best(folder))
        for folder in newest:
            fault = self._fault(folder)
            if fault is None:
                return folder
            say(f"{folder}: {fault}; taking another checkpoint instead")
        what = "no whole checkpoint is left" if newest else "holds no checkpoint yet"
        raise CharrnnError(f"{self.folder.parent}: {what}; train it again, or from the start with ‹overwrite=True›")

    def before(self, step: int) -> Path:
        """The folder of the last whole checkpoint before a step; of the last one where there is none.

        Raises CharrnnError where none is whole.
        """
        earlier = (folder for folder in self._newest_first() if _step(folder) < step and not self._fault(folder))
        return next(earlier, None) or self.find("last")

    def summary(self, which: Which) -> Summary:
        """What a checkpoint's `state.json` says; of a training without a checkpoint, that nothing was done yet."""
        return Summary() if self.none_yet else read_record(self.find(which) / STATE, Summary)

    def _fault(self, folder: Path) -> str | None:
        """What is wrong with a checkpoint, or None. Sizes are compared before anything is read."""
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
                if _digest(file)["sha256"] != wanted.sha256:
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
    """Writes tensors as safetensors."""
    from safetensors.torch import save_file

    save_file(tensors, file)


def _digest(file: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as stream:
        while data := stream.read(2**20):
            digest.update(data)
            size += len(data)
    return {"sha256": digest.hexdigest(), "bytes": size}
