"""Checkpoints: safetensors and JSON, written whole or not at all.

A run's `checkpoints/` holds a folder a step and `index.json`, which names the last and the best. Nothing is pickled, so
a checkpoint from a stranger cannot run code.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from charrnn.errors import CharrnnError
from charrnn.models import LanguageModel

Which = Literal["best", "last"]


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "checkpoints"

    def save(
        self,
        step: int,
        weights: dict[str, Tensor],
        tensors: dict[str, Tensor],
        facts: dict[str, Any],
        best: bool,
    ) -> None:
        """Writes a checkpoint under its final name only when it is whole, then removes those that nothing names."""
        name = f"step-{step:08d}"
        final, temporary = self.folder / name, self.folder / f".{name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file(_plain(weights), temporary / "model.safetensors")
        save_file(_plain(tensors), temporary / "training.safetensors")
        (temporary / "state.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        for file in temporary.iterdir():
            _sync(file)
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        index = self._index() | {"last": name} | ({"best": name} if best else {})
        write_json(self.folder / "index.json", index)
        _sync(self.folder)
        for old in self.folder.glob("step-*"):
            if old.name not in index.values():
                shutil.rmtree(old, ignore_errors=True)

    def load_weights(self, model: LanguageModel, which: Which = "best") -> None:
        """Puts the weights of the best checkpoint, or of the last, into a model.

        Raises CharrnnError where there is none, or it does not fit the model.
        """
        file = self._find(which) / "model.safetensors"
        try:
            model.load_state_dict(load_tensors(file))
        except RuntimeError as error:
            raise CharrnnError(
                f"{file}: its weights are not those of the model in config.yaml: {str(error).splitlines()[-1].strip()}"
            ) from None

    def load_training(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What the last checkpoint keeps for going on: tensors and facts. Raises CharrnnError where it cannot."""
        folder = self._find("last")
        return load_tensors(folder / "training.safetensors"), read_json(folder / "state.json")

    def facts(self, which: Which) -> dict[str, Any]:
        """`state.json` of a checkpoint; an empty dictionary where there is none."""
        return read_json(self._find(which) / "state.json") if self._index().get(which) else {}

    def _find(self, which: Which) -> Path:
        index = self._index()
        name = index.get(which) or index.get("last")
        if not isinstance(name, str) or not name.startswith("step-") or not (self.folder / name).is_dir():
            raise CharrnnError(
                f"{self.folder.parent}: holds no checkpoint yet: the training ended before its first one"
            )
        return self.folder / Path(name).name

    def _index(self) -> dict[str, Any]:
        file = self.folder / "index.json"
        return read_json(file) if file.exists() else {}


def load_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU. Raises CharrnnError where it is damaged or missing."""
    try:
        return load_file(file)
    except (OSError, SafetensorError, ValueError) as error:
        raise CharrnnError(f"{file}: cannot be loaded: {error}") from None


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises CharrnnError where there is none."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CharrnnError(f"{file}: cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise CharrnnError(f"{file}: a JSON object was expected")
    return document


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Replaces a JSON file at once: a reader sees the old one or the new one."""
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    _sync(temporary)
    temporary.replace(file)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU, each with memory of its own, as safetensors wants them."""
    return {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}


def _sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
