"""Whether what a checkpoint holds fits the model and the training that it is to be put into, before it is."""

from __future__ import annotations

import copy
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError

from charrnn.errors import CharrnnError

if TYPE_CHECKING:  # PyTorch is imported where it is needed: writing on a CPU goes without it
    from torch import Tensor

    from charrnn.models import LanguageModel
    from charrnn.training.trainer import Trainer

MAX_HEADER = 10_000_000
"""Bytes of a safetensors header: a hundred for each tensor, and the deepest model has some hundred tensors."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Annotated[float, Field(ge=0, lt=1e15)]


class _Shape(BaseModel):
    """Other keys may stand beside these."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Place(_Shape):
    """Where the batches stood."""

    epoch: Count
    group: Count
    offset: Count


class State(_Shape):
    """`state.json`: what every checkpoint says of itself."""

    step: Count
    seconds: Amount
    best: float | None
    finished: bool


class TrainingState(State):
    """`state.json` of a training that can go on; an n-gram's cannot."""

    evaluations_since_best: Count
    position: Place
    rate_factor: Annotated[float, Field(gt=0, le=1)]
    explosions: Count
    learnt: Count = 0
    evaluated: Count = 0


class Digest(_Shape):
    """What a manifest says of a file."""

    sha256: str
    bytes: Count


class Manifest(_Shape):
    """`manifest.json`."""

    run: str
    files: dict[str, Digest]


_NO_TENSORS = (OSError, SafetensorError, ValueError, LookupError, TypeError, RecursionError, RuntimeError, struct.error)
"""What reading a safetensors file raises where it is none."""


def load_arrays(file: Path) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of a safetensors file, without PyTorch. Raises CharrnnError as `load_tensors` does."""
    from safetensors.numpy import load_file

    try:
        _check_header(file)
        arrays: dict[str, npt.NDArray[np.generic]] = load_file(file)
    except _NO_TENSORS as error:
        raise CharrnnError(f"{file}: cannot be loaded: {error}") from None
    for name, array in arrays.items():
        if array.dtype not in (np.float32, np.float64, np.int64):
            raise CharrnnError(f"{file}: {name} is {array.dtype}, which no weights are")
        if not np.isfinite(array).all():
            raise CharrnnError(f"{file}: {name}: holds numbers that are not finite")
    return arrays


def _check_header(file: Path) -> None:
    """Raises where the header is larger than any, or nested: safetensors' own reader knows no limit of depth."""
    with file.open("rb") as stream:
        size = struct.unpack("<Q", stream.read(8))[0]
        if size > min(MAX_HEADER, file.stat().st_size):
            raise ValueError(f"its header claims {size:,} bytes")
        json.loads(stream.read(size))


def load_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises CharrnnError where it is none, or holds numbers that are not finite."""
    import torch
    from safetensors.torch import load_file

    try:
        _check_header(file)
        tensors: dict[str, Tensor] = load_file(file)
    except _NO_TENSORS as error:
        raise CharrnnError(f"{file}: cannot be loaded: {error}") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise CharrnnError(f"{file}: {name}: holds numbers that are not finite")
    return tensors


def fill(model: LanguageModel, file: Path) -> None:
    """Puts the weights in a file into a model. One on the `meta` device takes over the file's tensors.

    Such a model is never larger than the file that it comes from. Raises CharrnnError where they do not fit.
    """
    from charrnn.models import NGramModel

    tensors = load_tensors(file)
    wanted = model.state_dict()
    if tensors.keys() != wanted.keys():
        name = min(tensors.keys() ^ wanted.keys())
        raise _misfit(file, f"{name[:60]} is missing" if name in wanted else f"{name[:60]} belongs to another model")
    for name, tensor in tensors.items():
        free = isinstance(model, NGramModel) and tensor.ndim == 1  # as long as what was counted
        if tensor.dtype != wanted[name].dtype or (tensor.shape != wanted[name].shape and not free):
            found, expected = (f"{t.dtype} {list(t.shape)}".removeprefix("torch.") for t in (tensor, wanted[name]))
            raise _misfit(file, f"{name} is {found} and not {expected}")
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    empty = any(tensor.is_meta for tensor in wanted.values())
    try:
        # Copies: what safetensors gives may lie in the file itself, which a training replaces.
        model.load_state_dict(
            {name: tensor.clone() for name, tensor in tensors.items()} if empty else tensors, assign=empty
        )
    except RuntimeError as error:
        raise _misfit(file, str(error).splitlines()[-1].strip()) from None
    for first, *others in names.values() if empty else ():  # weights that two layers share are one tensor again
        for other in others:
            module, _, own = other.rpartition(".")
            setattr(model.get_submodule(module), own, model.get_parameter(first))
    if isinstance(model, NGramModel) and (fault := model.fault()):
        raise _misfit(file, fault)


def _misfit(file: Path, detail: str) -> CharrnnError:
    return CharrnnError(f"{file}: the weights are not those of the model in config.yaml: {detail}")


def check_restored(trainer: Trainer, folder: Path) -> None:
    """Raises CharrnnError where a trainer could not make its next step with what was just loaded into it."""
    from torch import Tensor

    from charrnn.training.optimizer import vectors

    for optimizer, weight in vectors(trainer.optimizers):
        for name, tensor in optimizer.state.get(weight, {}).items():
            if isinstance(tensor, Tensor) and (
                tensor.shape != (() if name == "step" else weight.shape) or tensor.is_complex()
            ):
                raise _unfit(
                    folder, f"the optimizer's {name} is {list(tensor.shape)} for a weight of {list(weight.shape)}"
                )
    position = copy.copy(trainer.batches.position)
    try:
        batch = trainer.batches.next()
    except (IndexError, ValueError, MemoryError) as error:
        raise _unfit(folder, f"there is no such place in its text ({error})") from None
    if not len(batch.inputs):
        raise _unfit(folder, "there is no such place in its text")
    trainer.batches.position = position
    if batch.fresh:
        return
    expected = trainer.model.initial_state(batch.inputs.shape[1])
    carried = trainer.carried.own
    if [(t.shape, t.dtype) for t in carried] != [(t.shape, t.dtype) for t in expected]:
        raise _unfit(folder, "the state that it carried has another form")
    if any(
        not t.is_floating_point() and t.numel() and not 0 <= int(t.min()) <= int(t.max()) < trainer.model.vocab_size
        for t in carried
    ):
        raise _unfit(folder, "the state that it carried names characters that there are not")


def _unfit(folder: Path, detail: str) -> CharrnnError:
    return CharrnnError(f"{folder}: is not a checkpoint of this training: {detail}")
