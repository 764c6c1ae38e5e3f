"""charrnn: train a character-level recurrent network on any text, and write with it.

>>> import charrnn
>>> run = charrnn.train("shakespeare", minutes=1)          # doctest: +SKIP
>>> run.sample("ROMEO:", length=200)[0].text               # doctest: +SKIP
>>> charrnn.load("runs/shakespeare").evaluate()            # doctest: +SKIP

A name below is imported when it is first used, so that `import charrnn` and `charrnn --help` do not wait for PyTorch.
"""

from typing import TYPE_CHECKING, Any

import charrnn.waiting  # noqa: F401 (before PyTorch is imported)
from charrnn.version import __version__

__all__ = [
    "CharrnnError",
    "Config",
    "RecurrentLayer",
    "Run",
    "__version__",
    "load",
    "load_config",
    "register_cell",
    "resume",
    "train",
]

if TYPE_CHECKING:
    from charrnn.config import Config
    from charrnn.errors import CharrnnError
    from charrnn.loading import load_config
    from charrnn.models.base import RecurrentLayer
    from charrnn.models.register import register_cell
    from charrnn.run import Run, load
    from charrnn.training.session import resume, train

_HOME = {
    "CharrnnError": "charrnn.errors",
    "Config": "charrnn.config",
    "RecurrentLayer": "charrnn.models.base",
    "Run": "charrnn.run",
    "load": "charrnn.run",
    "load_config": "charrnn.loading",
    "register_cell": "charrnn.models.register",
    "resume": "charrnn.training.session",
    "train": "charrnn.training.session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
