"""charrnn: train a character-level recurrent network on any text, and write with it.

>>> import charrnn
>>> run = charrnn.train("shakespeare", minutes=1)          # doctest: +SKIP
>>> run.sample("ROMEO:", length=200)[0].text               # doctest: +SKIP
>>> charrnn.load("runs/shakespeare").evaluate()            # doctest: +SKIP

A name below is imported when it is first used, so that `import charrnn` and `charrnn --help` do not wait for PyTorch.
"""

import os
from typing import TYPE_CHECKING, Any

from charrnn.version import __version__

if "OMP_WAIT_POLICY" not in os.environ:
    # A thread that waits for another one spins for so long, and then sleeps. Without a bound, threads on a machine that
    # others use too spend their time on waiting for one that is not running (docs/speed.md). OpenMP reads this when
    # PyTorch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

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
