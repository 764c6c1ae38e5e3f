"""Writing without PyTorch: importing it takes longer than writing a page.

plan.py       a model as a list of operations on vectors, from its config and its weights
folding.py    shortens the list: what follows from the character alone is looked up
numpy_way.py  carries the list out in NumPy: slower, short, always there
native_way.py carries it out in C (charrnn/native/sampling.c), where there is a compiler
ngram.py      the n-gram, which has tables instead of operations
"""

from __future__ import annotations

from collections.abc import Mapping

from charrnn.config import ModelConfig
from charrnn.generation.fast.folding import fold
from charrnn.generation.fast.native_way import NativeStepper, library
from charrnn.generation.fast.ngram import NGramStepper
from charrnn.generation.fast.numpy_way import NumpyStepper
from charrnn.generation.fast.plan import make_plan
from charrnn.generation.stepper import Stepper
from charrnn.store.weights import Array


def stepper(config: ModelConfig, vocab_size: int, weights: Mapping[str, Array]) -> Stepper | None:
    """The fastest way to write with a model on the CPU without PyTorch, or None where there is none.

    Raises CharrnnError where the weights are not those of the config's model.
    """
    if config.bidirectional:
        return None
    if config.cell == "ngram":
        return NGramStepper(config.order, vocab_size, weights)
    planned = make_plan(config, vocab_size, weights)
    if planned is None:
        return None
    folded = fold(planned)
    return NumpyStepper(folded) if library() is None else NativeStepper(folded)
