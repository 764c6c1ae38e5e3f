"""Plugins: Python files that the user names on the command line, which are run and register cells."""

from __future__ import annotations

import os
import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from charrnn.errors import CharrnnError

PREFIX = "charrnn_plugin_"


def loaded_plugins() -> list[Path]:
    """The files that were run."""
    return [
        Path(module.__file__) for name, module in sys.modules.items() if name.startswith(PREFIX) and module.__file__
    ]


def load_plugin(file: Path) -> None:
    """Runs a Python file, once in a process. Raises CharrnnError where it is not a Python file, or fails."""
    name = PREFIX + file.stem
    if not os.path.isfile(file) or file.suffix != ".py":  # noqa: PTH113 (Path.is_file raises where a name is too long)
        raise CharrnnError(f"‹plugin={file}›: a Python file was expected, such as my_cell.py")
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(file.resolve()):
        return
    spec = spec_from_file_location(name, file.resolve())
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except CharrnnError as error:
        del sys.modules[name]
        raise CharrnnError(f"{file}: {error.message}") from None
    except Exception as error:  # the user's own file is the user's to correct
        del sys.modules[name]
        own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == module.__file__]
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else next(iter(own), None)
        where = f"{file}, line {line}" if line else str(file)
        raise CharrnnError(f"{where}: {type(error).__name__}: {error}") from None
