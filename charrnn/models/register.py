"""Makes the model of a cell's name, and registers cells of the user's own."""

from __future__ import annotations

import hashlib
import inspect
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

from charrnn.cells import CELLS, RECURRENT, STACK, Cell
from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.models.base import LanguageModel, RecurrentLayer
from charrnn.models.bidirectional import BidirectionalModel
from charrnn.models.mixture import Mixture
from charrnn.models.ngram import NGramModel
from charrnn.models.recurrent import MakeLayer, RecurrentModel


def model_of(config: ModelConfig, vocab_size: int) -> LanguageModel:
    """The model of a config, with weights drawn from PyTorch's global generator.

    Raises CharrnnError where the layer does not take the given `model.options`.
    """
    if config.ngram is not None:
        alone = config.model_copy(update={"ngram": None})
        ngram = NGramModel(vocab_size, config.ngram.order_for(vocab_size))
        return Mixture(model_of(alone, vocab_size), ngram, config.ngram.recent)
    source = _class_of(CELLS[config.cell])
    if issubclass(source, RecurrentLayer):
        model = BidirectionalModel if config.bidirectional else RecurrentModel
        return model(vocab_size, config, _layer(source, config))
    assert issubclass(source, LanguageModel), source  # there is no other kind in the table
    return source.of(vocab_size, config)


def register_cell(name: str, layer: type[RecurrentLayer]) -> None:
    """Registers a recurrence of your own as a cell: `model: {cell: NAME}` then works in configs, commands and Python.

    `layer(input_size, hidden_size)` makes one layer; `model.options` holds its further keyword arguments. Raises
    CharrnnError where the name is taken, or the class is not a RecurrentLayer. See docs/adding-a-cell.md.
    """
    if not (inspect.isclass(layer) and issubclass(layer, RecurrentLayer)):
        raise CharrnnError(f"register_cell: {name}: a subclass of charrnn.RecurrentLayer was expected, not {layer!r}")
    if not name.isidentifier():
        raise CharrnnError(f"register_cell: {name!r}: a name such as my_cell was expected")
    if name in CELLS and not CELLS[name].plugin:
        raise CharrnnError(f"register_cell: {name}: charrnn has a cell of that name; give yours another one")
    file = getattr(sys.modules.get(layer.__module__), "__file__", None)
    plugin = Path(file).name if file else layer.__module__
    shared = RECURRENT if layer.recurrent_weights else (*STACK, "bidirectional")
    CELLS[name] = Cell(layer, shared=shared, plugin=plugin, code=_checksum(layer.__module__))


def _checksum(module: str) -> str:
    """The SHA-256 of a module's file, and of those that it imports from its own folder; nothing for a notebook."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return ""
    files = sorted(_sources(module, Path(file).parent, {}).values())
    try:
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    except OSError:
        return ""


def _sources(module: str, folder: Path, found: dict[str, Path]) -> dict[str, Path]:
    """The files of a module and of all that it imports, directly or not, from a folder and those below it."""
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if module in found or file is None or module.partition(".")[0] == "charrnn":
        return found
    if not Path(file).is_relative_to(folder) or "site-packages" in Path(file).relative_to(folder).parts:
        return found
    found[module] = Path(file)
    for value in list(vars(loaded).values()):
        if inspect.ismodule(value):
            _sources(value.__name__, folder, found)
        elif inspect.isclass(value) or inspect.isfunction(value):
            _sources(value.__module__, folder, found)
    return found


def _class_of(cell: Cell) -> type:
    if isinstance(cell.source, type):
        return cell.source
    module, _, name = cell.source.partition(":")
    found: type = getattr(import_module(module), name)
    return found


def _layer(layer: type[RecurrentLayer], config: ModelConfig) -> MakeLayer:
    """A function that makes a layer, with the layer's own keys and options filled in."""
    own = {key: getattr(config, key) for key in CELLS[config.cell].own} | config.options
    try:
        inspect.signature(layer).bind(1, 1, **own)
    except TypeError as error:
        raise CharrnnError(f"model.options: {error}, as {layer.__name__} of model.cell {config.cell} has it") from None
    return partial(layer, **own)
