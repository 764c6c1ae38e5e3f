"""charrnn: train a character-level recurrent network on any text, and write with it.

>>> import charrnn
>>> run = charrnn.train("shakespeare", minutes=1)          # doctest: +SKIP
>>> print(run.sample("ROMEO:", length=200)[0])             # doctest: +SKIP
>>> charrnn.load("runs/shakespeare").evaluate()            # doctest: +SKIP

A name below is imported when it is first used, so that `import charrnn` and `charrnn --help` do not wait for PyTorch.
docs/api.md describes them all.
"""

from typing import TYPE_CHECKING

from charrnn.version import __version__

if TYPE_CHECKING:
    from charrnn.config import Config
    from charrnn.errors import CharrnnError, Diverged
    from charrnn.evaluation.likelihood import Likelihood
    from charrnn.evaluation.surprise import Scored
    from charrnn.experiments.compare import Row, compare
    from charrnn.experiments.sweep import sweep
    from charrnn.generation.constraints import Constraint
    from charrnn.generation.fill import Filled
    from charrnn.generation.filters import Filter
    from charrnn.generation.sampler import Sample
    from charrnn.loading import load_config
    from charrnn.models.base import RecurrentLayer
    from charrnn.models.register import register_cell
    from charrnn.run import Run, load
    from charrnn.training.events import Event, Listener
    from charrnn.training.session import Interrupted, resume, train

_HOME = {
    "train": "charrnn.training.session",
    "resume": "charrnn.training.session",
    "sweep": "charrnn.experiments.sweep",
    "compare": "charrnn.experiments.compare",
    "Row": "charrnn.experiments.compare",
    "load": "charrnn.run",
    "load_config": "charrnn.loading",
    "register_cell": "charrnn.models.register",
    "Run": "charrnn.run",
    "Sample": "charrnn.generation.sampler",
    "Likelihood": "charrnn.evaluation.likelihood",
    "Scored": "charrnn.evaluation.surprise",
    "Filled": "charrnn.generation.fill",
    "Config": "charrnn.config",
    "Filter": "charrnn.generation.filters",
    "Constraint": "charrnn.generation.constraints",
    "Listener": "charrnn.training.events",
    "Event": "charrnn.training.events",
    "RecurrentLayer": "charrnn.models.base",
    "CharrnnError": "charrnn.errors",
    "Diverged": "charrnn.errors",
    "Interrupted": "charrnn.training.session",
}
"""Where each public name is defined."""

__all__ = [
    "CharrnnError",
    "Config",
    "Constraint",
    "Diverged",
    "Event",
    "Filled",
    "Filter",
    "Interrupted",
    "Likelihood",
    "Listener",
    "RecurrentLayer",
    "Row",
    "Run",
    "Sample",
    "Scored",
    "__version__",
    "compare",
    "load",
    "load_config",
    "register_cell",
    "resume",
    "sweep",
    "train",
]

if not TYPE_CHECKING:  # a type checker knows the names above, and that there are no others

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
