"""Writing without PyTorch, whose import takes longer than writing a page.

plan.py       makes a list of operations on vectors from a model's config and weights
folding.py    shortens the list: values that depend only on the character are looked up
numpy_way.py  runs the list in NumPy: short, always available, slower
packed.py     lays out weights and registers as C reads them
native_way.py runs the list in C (charrnn/native/sampling.c), if there is a compiler
ngram.py      the n-gram, which has tables instead of operations
mixture.py    an n-gram beside a network
"""

from __future__ import annotations

from collections.abc import Mapping

from charrnn.config import ModelConfig
from charrnn.generation.fast.folding import fold
from charrnn.generation.fast.mixture import MixedCounts, MixtureStepper
from charrnn.generation.fast.native_way import NativeStepper, library
from charrnn.generation.fast.ngram import NGramStepper
from charrnn.generation.fast.numpy_way import NumpyStepper
from charrnn.generation.fast.plan import make_plan
from charrnn.generation.stepper import Stepper
from charrnn.store.weights import Array


def stepper(config: ModelConfig, vocab_size: int, weights: Mapping[str, Array]) -> Stepper | None:
    """The fastest stepper for a model on the CPU without PyTorch; None if there is none.

    Raises CharrnnError where the weights are not those of the config's model.
    """
    if config.bidirectional:
        return None
    if config.cell == "ngram":
        return NGramStepper(config.order, vocab_size, weights)
    counts = None
    if config.ngram is not None:
        counts = MixedCounts(config.ngram.order_for(vocab_size), vocab_size, weights)
        weights = {name[8:]: array for name, array in weights.items() if name.startswith("network.")}
    planned = make_plan(config, vocab_size, weights)
    if planned is None:
        return None
    folded = fold(planned)
    if library() is not None:
        return NativeStepper(folded, counts)
    return NumpyStepper(folded) if counts is None else MixtureStepper(NumpyStepper(folded), counts)
