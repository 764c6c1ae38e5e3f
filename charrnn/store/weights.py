"""Weights from a file, which a stranger may have written: nothing is believed before it has been checked."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from charrnn.errors import CharrnnError

if TYPE_CHECKING:  # PyTorch is imported where it is needed: writing on a CPU goes without it
    from torch import Tensor

    from charrnn.models import LanguageModel

Array = npt.NDArray[Any]
MAX_HEADER = 10_000_000
"""Bytes of a safetensors header: a hundred for each tensor, and the deepest model has some hundred tensors."""

_NO_TENSORS = (OSError, SafetensorError, ValueError, LookupError, TypeError, RecursionError, RuntimeError, struct.error)
"""What reading a safetensors file raises where it is none."""


def load_arrays(file: Path) -> dict[str, Array]:
    """The arrays of a safetensors file, without PyTorch. Raises CharrnnError as `load_tensors` does."""
    from safetensors.numpy import load_file

    try:
        _check_header(file)
        arrays: dict[str, Array] = load_file(file)
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


class Weights:
    """The arrays of a checkpoint, each handed out once, when it has the shape that the config asks for."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._left = dict(arrays)

    def __call__(self, name: str, *shape: int, dtype: Any = np.float32) -> Array:
        """An array by its name and shape. Raises CharrnnError where there is none."""
        array = self._left.pop(name, None)
        if array is None:
            raise misfit(f"{name} is missing")
        if array.shape != shape:
            raise misfit(f"{name} has the shape {array.shape} instead of {shape}")
        if array.dtype != dtype:
            raise misfit(f"{name} is {array.dtype} instead of {np.dtype(dtype)}")
        return np.ascontiguousarray(array, dtype)

    def length(self, name: str) -> int:
        """How long an array is whose length the config leaves open; 0 where there is none."""
        array = self._left.get(name)
        return 0 if array is None or array.ndim != 1 else len(array)

    def done(self) -> None:
        """Raises CharrnnError where something was not asked for."""
        if self._left:
            raise misfit(f"{next(iter(self._left))} belongs to another model")


class Table(NamedTuple):
    """What an n-gram knows of one order; the docstring of `models.ngram.NGramModel` explains the three."""

    keys: npt.NDArray[np.int64]
    own: npt.NDArray[np.float64]
    gamma: npt.NDArray[np.float64]


def ngram_tables(weights: Weights, order: int, vocab_size: int) -> tuple[npt.NDArray[np.float64], list[Table]]:
    """p_1 and the tables of the orders from 2 on. Raises CharrnnError where they are not those of such an n-gram.

    A file may claim anything, and whoever looks up in the tables relies on the order of their keys.
    """
    p_1 = weights("p_1", vocab_size, dtype=np.float64)
    if not (p_1 > 0).all():
        raise misfit("p_1 holds what is no probability")
    tables, contexts = [], vocab_size
    for m in range(2, order + 1):
        entries = weights.length(f"keys_{m}")
        keys = weights(f"keys_{m}", entries, dtype=np.int64)
        own = weights(f"own_{m}", entries, dtype=np.float64)
        gamma = weights(f"gamma_{m}", contexts + 1, dtype=np.float64)
        if not entries or keys[-1] != np.iinfo(np.int64).max or (keys[1:] <= keys[:-1]).any() or keys[0] < 0:
            raise misfit(f"order {m}: its keys are not in order")
        if (keys[:-1] >= contexts * vocab_size).any():
            raise misfit(f"order {m}: its keys are not of its contexts")
        if (own < 0).any() or (gamma <= 0).any() or (gamma > 1).any():
            raise misfit(f"order {m}: it holds what is no probability")
        tables.append(Table(keys, own, gamma))
        contexts = entries - 1
    weights.done()
    return p_1, tables


def fill(model: LanguageModel, file: Path) -> None:
    """Puts the weights in a file into a model. One on the `meta` device takes over the file's tensors.

    Such a model is never larger than the file that it comes from. Raises CharrnnError where they do not fit.
    """
    try:
        _fill(model, load_tensors(file))
    except Misfit as error:
        raise CharrnnError(f"{file}: {error.message}") from None


def _fill(model: LanguageModel, tensors: dict[str, Tensor]) -> None:
    from charrnn.models import NGramModel

    wanted = model.state_dict()
    if tensors.keys() != wanted.keys():
        name = min(tensors.keys() ^ wanted.keys())
        raise misfit(f"{name[:60]} is missing" if name in wanted else f"{name[:60]} belongs to another model")
    for name, tensor in tensors.items():
        free = isinstance(model, NGramModel) and tensor.ndim == 1  # as long as what was counted
        if tensor.dtype != wanted[name].dtype or (tensor.shape != wanted[name].shape and not free):
            found, expected = (f"{t.dtype} {list(t.shape)}".removeprefix("torch.") for t in (tensor, wanted[name]))
            raise misfit(f"{name} is {found} and not {expected}")
    if isinstance(model, NGramModel):
        ngram_tables(Weights({name: t.numpy() for name, t in tensors.items()}), model.order, model.vocab_size)
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    empty = any(tensor.is_meta for tensor in wanted.values())
    try:
        # Copies: what safetensors gives may lie in the file itself, which a training replaces.
        model.load_state_dict({name: t.clone() for name, t in tensors.items()} if empty else tensors, assign=empty)
    except RuntimeError as error:
        raise misfit(str(error).splitlines()[-1].strip()) from None
    for first, *others in names.values() if empty else ():  # weights that two layers share are one tensor again
        for other in others:
            module, _, own = other.rpartition(".")
            setattr(model.get_submodule(module), own, model.get_parameter(first))


class Misfit(CharrnnError):
    """Weights that are not those of the config's model."""


def misfit(what: str) -> Misfit:
    """The error that says so."""
    return Misfit(f"the weights are not those of the model in config.yaml: {what}")
