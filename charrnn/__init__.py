"""charrnn: train a character-level recurrent network on any text, and write with it.

>>> import charrnn
>>> run = charrnn.train("shakespeare", minutes=1)          # doctest: +SKIP
>>> run.sample("ROMEO:", length=200)[0].text               # doctest: +SKIP
>>> charrnn.load("runs/shakespeare").evaluate()            # doctest: +SKIP

The names below are imported when they are first used, so that `import charrnn` (and with it `charrnn --help`)
does not wait for PyTorch.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["CharrnnError", "Config", "Run", "load", "load_config", "train"]

if TYPE_CHECKING:
    from charrnn.config import Config
    from charrnn.errors import CharrnnError
    from charrnn.loading import load_config
    from charrnn.run import Run, load
    from charrnn.training.session import train

_HOME = {
    "CharrnnError": "charrnn.errors",
    "Config": "charrnn.config",
    "Run": "charrnn.run",
    "load": "charrnn.run",
    "load_config": "charrnn.loading",
    "train": "charrnn.training.session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
