"""Reads weights from a file. A stranger may have written it, so everything is checked before it is used."""

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
from charrnn.memory import require

if TYPE_CHECKING:  # PyTorch is imported only where it is needed: writing on a CPU does without it
    from torch import Tensor

    from charrnn.models import LanguageModel

Array = npt.NDArray[Any]
COUNTS = "counts.safetensors"
"""The file of tensors that no training changes (`LanguageModel.counted`), beside the weights."""
BACKGROUND = "background.safetensors"
"""The file of what an older text gave to these counts, which only a training needs (`models.background`)."""
MAX_HEADER = 10_000_000
"""The most bytes of a safetensors header. A tensor takes a hundred, and the deepest model has some hundred tensors."""
DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")
"""The types of tensors that a checkpoint may hold."""

_NO_TENSORS = (
    MemoryError,
    AttributeError,
    OSError,
    SafetensorError,
    ValueError,
    LookupError,
    TypeError,
    RecursionError,
    RuntimeError,
    struct.error,
)
"""The exceptions of reading a file that is not a safetensors file."""


def load_arrays(file: Path) -> dict[str, Array]:
    """The arrays of a safetensors file, read without PyTorch. Raises CharrnnError as `load_tensors` does."""
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
    """Raises where the header is too large or deeply nested, which safetensors' own reader does not mind, where a type
    is none of a checkpoint, and where memory for the tensors and a copy of them is not free.
    """
    with file.open("rb") as stream:
        size, whole = struct.unpack("<Q", stream.read(8))[0], file.stat().st_size
        if size > min(MAX_HEADER, whole):
            raise ValueError(f"its header claims {size:,} bytes")
        header = json.loads(stream.read(size))
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] not in DTYPES:
            raise ValueError(f"{name[:60]} is {str(entry['dtype'])[:30]}, which nothing in a checkpoint is")
    require(2 * whole, f"{file}: it", "take a smaller model")


def load_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises CharrnnError for another file, or for numbers that are not finite."""
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
    """The arrays of a checkpoint. Each is given out once, if it has the expected shape and type."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._left = dict(arrays)

    def __call__(self, name: str, *shape: int, dtype: Any = np.float32) -> Array:
        """The array of a name. Raises CharrnnError where it is missing, or has another shape or type."""
        array = self._left.pop(name, None)
        if array is None:
            raise misfit(f"{name} is missing")
        if array.shape != shape:
            raise misfit(f"{name} has the shape {array.shape} instead of {shape}")
        if array.dtype != dtype:
            raise misfit(f"{name} is {array.dtype} instead of {np.dtype(dtype)}")
        return np.ascontiguousarray(array, dtype)

    def length(self, name: str) -> int:
        """The length of an array of one dimension, which the config does not say; 0 if it is missing."""
        array = self._left.get(name)
        return 0 if array is None or array.ndim != 1 else len(array)

    def done(self) -> None:
        """Raises CharrnnError where an array is left that was not given out."""
        if self._left:
            raise misfit(f"{next(iter(self._left))} belongs to another model")


class Table(NamedTuple):
    """The tables of one order of an n-gram. The docstring of `models.ngram.NGramModel` explains them."""

    keys: npt.NDArray[np.int64]
    own: npt.NDArray[np.float64]
    gamma: npt.NDArray[np.float64]


def ngram_tables(weights: Weights, order: int, vocab_size: int) -> tuple[npt.NDArray[np.float64], list[Table]]:
    """p_1 `[V]` and the tables of the orders from 2 on. Raises CharrnnError where they are not valid.

    Look-ups rely on the order of the keys, which a stranger's file may not have.
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
    """Puts the weights in a file, and what was counted beside it, into a model. Raises CharrnnError where they do not
    fit.

    A model on the `meta` device takes over the file's tensors, so that it takes no more memory than the file has.
    """
    tensors = load_tensors(file)
    if model.counted:
        tensors |= load_tensors(file.with_name(COUNTS))
    try:
        _fill(model, tensors)
    except Misfit as error:
        raise CharrnnError(f"{file}: {error.message}") from None


def _fill(model: LanguageModel, tensors: dict[str, Tensor]) -> None:
    from charrnn.models import Mixture, NGramModel

    ngram = model if isinstance(model, NGramModel) else model.ngram if isinstance(model, Mixture) else None
    prefix = "ngram." if isinstance(model, Mixture) else ""
    tables = {} if ngram is None else {f"{prefix}{name}": name for name in ngram.state_dict()}
    wanted = model.state_dict()
    if tensors.keys() != wanted.keys():
        name = min(tensors.keys() ^ wanted.keys())
        raise misfit(f"{name[:60]} is missing" if name in wanted else f"{name[:60]} belongs to another model")
    for name, tensor in tensors.items():
        free = name in tables and tensor.ndim == 1  # the length depends on the counted text
        if tensor.dtype != wanted[name].dtype or (tensor.shape != wanted[name].shape and not free):
            found, expected = (f"{t.dtype} {list(t.shape)}".removeprefix("torch.") for t in (tensor, wanted[name]))
            raise misfit(f"{name} is {found} and not {expected}")
    if ngram is not None:
        arrays = {own: tensors[name].numpy() for name, own in tables.items()}
        ngram_tables(Weights(arrays), ngram.order, ngram.vocab_size)
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    empty = any(tensor.is_meta for tensor in wanted.values())
    try:
        # Copies, because safetensors may map its tensors to the file, which a training replaces.
        model.load_state_dict({name: t.clone() for name, t in tensors.items()} if empty else tensors, assign=empty)
    except RuntimeError as error:
        raise misfit(str(error).splitlines()[-1].strip()) from None
    for first, *others in names.values() if empty else ():  # weights that two layers share become one again
        for other in others:
            module, _, own = other.rpartition(".")
            setattr(model.get_submodule(module), own, model.get_parameter(first))


class Misfit(CharrnnError):
    """Weights that are not those of the config's model."""


def misfit(what: str) -> Misfit:
    """The exception for weights that are not those of the config's model; `what` is the difference."""
    return Misfit(f"the weights are not those of the model in config.yaml: {what}")
