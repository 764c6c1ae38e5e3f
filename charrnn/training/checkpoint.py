"""Checkpoints: safetensors and JSON, written whole or not at all, checked whenever they are read.

A run's `checkpoints/` holds a folder a step, each with a manifest of its files' SHA-256. Whether it was the best when
it was written stands in the checkpoint itself, so that one renaming settles all. Nothing is pickled, so a checkpoint
from a stranger cannot run code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import SafetensorError

from charrnn.errors import CharrnnError
from charrnn.files import read_json
from charrnn.terminal import say
from charrnn.training.fitting import Manifest, State, TrainingState, check_restored, fill, load_arrays, load_tensors

if TYPE_CHECKING:  # PyTorch is imported where it is needed: writing on a CPU goes without it
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from charrnn.models import LanguageModel
    from charrnn.training.trainer import Trainer

Which = Literal["best", "last"]
FILES = ("model.safetensors", "training.safetensors", "state.json")


class Checkpoints:
    """The checkpoints of one run; `run_id` tells them from another run's."""

    def __init__(self, run: Path, run_id: str) -> None:
        self.folder, self._run_id = run / "checkpoints", run_id

    def save(
        self,
        step: int,
        weights: dict[str, Tensor],
        tensors: dict[str, Tensor],
        facts: dict[str, Any],
        best: bool,
        keep: int = 2,
    ) -> None:
        """Writes a checkpoint under its final name only when it is whole and on the disk.

        Then removes all but the newest best and the last `keep`. The tensors must be on the CPU, each with memory of
        its own (`copied`). Raises OSError where the disk refuses; what was there stays.
        """
        name = f"step-{step:08d}"
        self.folder.mkdir(exist_ok=True)
        for leftover in self.folder.glob(".step-*"):  # of a process that was killed in here
            shutil.rmtree(leftover, ignore_errors=True)
        final, temporary, former = self.folder / name, self.folder / f".{name}.tmp", self.folder / f".{name}.old"
        try:
            temporary.mkdir()
            save_file(weights, temporary / FILES[0])
            save_file(tensors, temporary / FILES[1])
            (temporary / FILES[2]).write_text(json.dumps(facts | {"is_best": best}, indent=1), encoding="utf-8")
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
        newest = self._newest_first()
        kept = [*newest[:keep], *[folder for folder in newest if _was_best(folder)][:1]]
        for old in newest:
            if old not in kept:
                gone = self.folder / f".{old.name}.old"  # half of a checkpoint never stands under its name
                with suppress(OSError):
                    old.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)

    def load_weights(self, model: LanguageModel, which: Which = "best") -> None:
        """Puts the weights of the best checkpoint, or of the last, into a model.

        A damaged one is named and the one before it taken. Raises CharrnnError where none is whole, or it does not fit
        the model.
        """
        fill(model, self._find(which) / FILES[0])

    def arrays(self, which: Which) -> tuple[Path, dict[str, npt.NDArray[np.generic]]]:
        """The file of a checkpoint's weights, chosen as in `load_weights`, and its arrays. Raises CharrnnError."""
        file = self._find(which) / FILES[0]
        return file, load_arrays(file)

    def restore(self, trainer: Trainer, before: int | None = None) -> None:
        """Puts a trainer where the last whole checkpoint left it, or the last before a step, if there is one.

        Raises CharrnnError where there is none at all.
        """
        earlier = (f for f in self._newest_first() if before is not None and _step(f) < before and not self._fault(f))
        folder = next(earlier, None) or self._find("last")
        fill(trainer.model, folder / FILES[0])
        facts, mapped = read_json(folder / FILES[2], TrainingState), load_tensors(folder / FILES[1])
        # Copies: what was loaded is a mapping of the file, and a training outlives its checkpoints.
        tensors = {name: tensor.clone() for name, tensor in mapped.items()}
        try:
            trainer.load_state(tensors, facts)
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            detail = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CharrnnError(f"{folder}: is not a checkpoint of this training: {detail}") from None
        check_restored(trainer, folder)

    @property
    def none_yet(self) -> bool:
        """Whether not even a damaged one is there: the training was killed before its first."""
        return not self._newest_first()

    def facts(self, which: Which) -> dict[str, Any]:
        """`state.json` of a checkpoint; an empty dictionary where there is none yet."""
        return read_json(self._find(which) / FILES[2], State) if not self.none_yet else {}

    def _find(self, which: Which) -> Path:
        """The first whole checkpoint among those that `which` could mean."""
        for folder in self._candidates(which):
            fault = self._fault(folder)
            if fault is None:
                return folder
            say(f"{folder}: {fault}; taking another checkpoint instead")
        what = "holds no checkpoint yet" if self.none_yet else "no whole checkpoint is left"
        raise CharrnnError(f"{self.folder.parent}: {what}; train it again, or from the start with --overwrite")

    def _candidates(self, which: Which) -> Iterator[Path]:
        newest = self._newest_first()
        if which == "best":
            yield from (folder for folder in newest if _was_best(folder))
            yield from (folder for folder in newest if not _was_best(folder))
        else:
            yield from newest

    def _fault(self, folder: Path) -> str | None:
        """What is wrong with a checkpoint, or None. Sizes are compared before anything is read."""
        try:
            manifest = read_json(folder / "manifest.json", Manifest)
            if manifest["run"] != self._run_id:
                return "belongs to another run"
            files = manifest["files"]
            for file in FILES:
                if not (folder / file).is_file():
                    return f"{file} is missing"
                size, wanted = (folder / file).stat().st_size, files[file]["bytes"]
                if size != wanted:
                    return f"{file} is damaged: {size:,} bytes instead of {wanted:,}"
                if _digest(folder / file)["sha256"] != files[file]["sha256"]:
                    return f"{file} is damaged: its SHA-256 is not that of the manifest"
        except (CharrnnError, OSError, KeyError, TypeError, ValueError) as error:
            return f"is damaged or incomplete ({error})"
        return None

    def _newest_first(self) -> list[Path]:
        found = [
            folder
            for folder in self.folder.glob("step-*")
            if folder.name.isascii() and folder.name[5:].isdigit() and folder.is_dir()
        ]
        return sorted(found, key=_step, reverse=True)


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU, each with memory of its own, as safetensors wants them."""
    return {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}


def _step(folder: Path) -> int:
    return int(folder.name[5:])


def _was_best(folder: Path) -> bool:
    try:
        return read_json(folder / FILES[2]).get("is_best") is True
    except CharrnnError:
        return False


def save_file(tensors: dict[str, Tensor], file: Path) -> None:
    """Writes tensors as safetensors."""
    from safetensors.torch import save_file

    save_file(tensors, file)


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Replaces a JSON file at once."""
    replace_text(file, json.dumps(document, indent=1, ensure_ascii=False))


def replace_text(file: Path, text: str) -> None:
    """Replaces a file at once: a reader sees the old one or the new one, whenever the machine stops."""
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        sync(temporary)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync(file.parent)


def _digest(file: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as stream:
        while data := stream.read(2**20):
            digest.update(data)
            size += len(data)
    return {"sha256": digest.hexdigest(), "bytes": size}


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
