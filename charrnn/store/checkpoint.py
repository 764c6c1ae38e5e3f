"""Checkpoints: safetensors and JSON, written whole or not at all, checked whenever they are read.

A run's `checkpoints/` has a folder for each saved step, with a manifest of the SHA-256 of its files. The checkpoint
itself says whether it was the best when it was written, so that a single renaming completes it. Nothing is pickled, so
a checkpoint from a stranger cannot run code.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import save_file as save_arrays

from charrnn.errors import CharrnnError
from charrnn.files import Amount, Count, Record, is_hollow, read_record, remove, sha256, sync, write_json
from charrnn.store.weights import COUNTS
from charrnn.terminal import warn

if TYPE_CHECKING:  # PyTorch is imported only where it is needed: writing on a CPU does without it
    from torch import Tensor

    Shared = Mapping[str, Callable[[], dict[str, Tensor]]]
    """Files of tensors that no training changes, each with what gives them."""

Which = str | int
"""A checkpoint: `best`, `last`, or its step."""
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
    weights_only: bool = False
    """Whether it lacks what a training needs to go on, because it was exported (`Checkpoints.take`)."""


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
    shared: Shared = field(default_factory=dict)
    """The files that all checkpoints of the run share."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on the disk, among those that a run keeps."""

    folder: Path
    step: int
    is_best: bool
    """Whether it is the best one; where nothing was evaluated, that is the last one."""
    last: int
    """The step of the last one."""

    @property
    def is_last(self) -> bool:
        """Whether it is the last one."""
        return self.step == self.last

    @property
    def bytes(self) -> int:
        """The size of its files; 0 if they are gone, because a training keeps newer ones now."""
        try:
            return sum(file.lstat().st_size for file in self.folder.iterdir())
        except OSError:
            return 0

    def __str__(self) -> str:
        """Its step, and what it is: `40 (the best)`."""
        names = ["the best"] * self.is_best + ["the last"] * self.is_last
        return str(self.step) + (f" ({' and '.join(names)})" if names else "")


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
            _discard(leftover)
        final = self.folder / name
        temporary, former = self.folder / f".{name}.tmp", self.folder / f".{name}.old"
        try:
            temporary.mkdir()
            save_file(snapshot.weights, temporary / WEIGHTS)
            save_file(snapshot.tensors, temporary / TRAINING)
            facts = snapshot.facts | {"is_best": snapshot.best}
            (temporary / STATE).write_text(json.dumps(facts, indent=1), encoding="utf-8")
            for shared, tensors in snapshot.shared.items():
                self._share(temporary / shared, tensors)
            files = {file.name: _digest(file) for file in sorted(temporary.iterdir())}
            manifest = {"run": self._run_id, "files": files}
            (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            for file in temporary.iterdir():
                shutil.copymode(temporary / STATE, file)  # safetensors lets nobody else read
                sync(file)
            sync(temporary)
            if os.path.lexists(final):  # a damaged checkpoint that was passed over
                final.rename(former)
            temporary.rename(final)
            sync(self.folder)
        except SafetensorError as error:  # safetensors raises it for a full disk
            raise OSError(errno.ENOSPC, str(error), str(temporary)) from error
        finally:
            for leftover in (temporary, former):
                _discard(leftover)
        self._forget_old(keep)

    def take(self, other: Checkpoint) -> None:
        """Copies a checkpoint of the same run, without what only its training needs. Raises OSError."""
        target = self.folder / other.folder.name
        target.mkdir(parents=True)
        for name in (WEIGHTS, COUNTS):
            if (other.folder / name).is_file():
                shutil.copyfile(other.folder / name, target / name)
        save_arrays({}, target / TRAINING)
        shutil.copymode(other.folder / STATE, target / TRAINING)  # safetensors lets nobody else read
        summary = read_record(other.folder / STATE, Summary)
        write_json(target / STATE, summary.model_dump(include=set(Summary.model_fields)) | {"weights_only": True})
        files = {file.name: _digest(file) for file in sorted(target.iterdir())}
        write_json(target / "manifest.json", {"run": self._run_id, "files": files})

    def _share(self, file: Path, tensors: Callable[[], dict[str, Tensor]]) -> None:
        """Gives a checkpoint the file of an earlier one, or writes it. A link takes no time and no room."""
        for earlier in self._newest_first():
            with suppress(CharrnnError, OSError, KeyError):
                manifest = read_record(earlier / "manifest.json", Manifest)
                same = earlier / file.name
                if manifest.run == self._run_id and not _fault_of_file(same, manifest.files[file.name]):
                    os.link(same, file)
                    return
        save_file(tensors(), file)

    def _forget_old(self, keep: int) -> None:
        newest = self._newest_first()
        kept = [*newest[:keep], *[folder for folder in newest if _was_best(folder)][:1]]
        for old in newest:
            if old not in kept:
                gone = self.folder / f".{old.name}.old"  # so that a part of it never has the final name
                with suppress(OSError):
                    old.rename(gone)
                _discard(gone)

    @property
    def none_yet(self) -> bool:
        """Whether there is no checkpoint, not even a damaged one: the training was killed before its first."""
        return not self._newest_first()

    def kept(self) -> list[Checkpoint]:
        """The checkpoints from the oldest to the newest. They are not checked."""
        newest = self._newest_first()
        best = next(filter(_was_best, newest), newest[0] if newest else None)
        return [Checkpoint(one, _step(one), one == best, _step(newest[0])) for one in reversed(newest)]

    def find(self, which: Which) -> Checkpoint:
        """The checkpoint that is asked for. A damaged best or last one is reported, and another one is taken.

        Raises CharrnnError where no checkpoint is whole, and for a step that has none.
        """
        newest = self.kept()[::-1]
        if which not in ("best", "last") and newest:
            return self._of_step(which, newest)
        if which == "best":  # the sort is stable: best ones first, both kinds from the newest on
            newest.sort(key=lambda one: not _was_best(one.folder))
        for one in newest:
            fault = self._fault(one.folder)
            if fault is None:
                return one
            warn(f"{one.folder}: {fault}; taking another checkpoint instead")
        what = "no whole checkpoint is left" if newest else "holds no checkpoint yet"
        raise CharrnnError(f"{self.folder.parent}: {what}; train it again, or from the start with ‹overwrite=True›")

    def _of_step(self, step: str | int, newest: list[Checkpoint]) -> Checkpoint:
        """The checkpoint of a step, and no other one in its place."""
        found = next((one for one in newest if str(one.step) == str(step)), None)
        fault = self._fault(found.folder) if found else "best, last, or a step that has a checkpoint was expected"
        if found and not fault:
            return found
        there = ", ".join(map(str, reversed(newest)))
        raise CharrnnError(f"‹checkpoint={str(step)[:30]}›: {fault}; {self.folder.parent} has step {there}")

    def before(self, step: int) -> Path:
        """The folder of the last whole checkpoint before a step; if there is none, of the last checkpoint.

        Raises CharrnnError where no checkpoint is whole.
        """
        earlier = (folder for folder in self._newest_first() if _step(folder) < step and not self._fault(folder))
        return next(earlier, None) or self.find("last").folder

    def summary(self, which: Which) -> Summary:
        """The `state.json` of a checkpoint. Without a checkpoint, the summary of a training that has not begun."""
        return Summary() if self.none_yet else read_record(self.find(which).folder / STATE, Summary)

    def _fault(self, folder: Path) -> str | None:
        """The fault of a checkpoint, in words, or None. Sizes of files are compared before anything is read."""
        try:
            manifest = read_record(folder / "manifest.json", Manifest)
            if manifest.run != self._run_id:
                return "belongs to another run"
            faults = (_fault_of_file(folder / name, manifest.files[name]) for name in {*FILES, *manifest.files})
            return next(filter(None, faults), None)
        except (CharrnnError, OSError, KeyError, ValueError) as error:
            return f"is damaged or incomplete ({error})"

    def _newest_first(self) -> list[Path]:
        try:
            found = [
                folder
                for folder in self.folder.glob("step-*")
                if folder.name.isascii() and folder.name[5:].isdigit() and folder.is_dir()
            ]
        except OSError as error:
            raise CharrnnError(f"{self.folder}: cannot be read: {error.strerror}") from None
        return sorted(found, key=_step, reverse=True)


def _fault_of_file(file: Path, wanted: Digest) -> str | None:
    """The fault of a file of a checkpoint, in words, or None. Raises OSError."""
    if not file.is_file():
        return f"{file.name} is missing"
    if (size := file.stat().st_size) != wanted.bytes:
        return f"{file.name} is damaged: {size:,} bytes instead of {wanted.bytes:,}"
    if is_hollow(file):
        return f"{file.name} is damaged: hardly any of its {size:,} bytes was ever written"
    if sha256(file).hex() != wanted.sha256:
        return f"{file.name} is damaged: its SHA-256 is not that of the manifest"
    return None


def _discard(path: Path) -> None:
    """Removes a folder, or a link that a stranger has put in its place. What cannot be removed stays."""
    with suppress(OSError):
        remove(path)


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
