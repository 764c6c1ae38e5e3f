"""A model as text that a page can hold: the planner's operations as JSON, and their weights in base64."""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np

from charrnn.errors import CharrnnError
from charrnn.generation.fast.plan import Plan, make_plan
from charrnn.generation.filters import Floats
from charrnn.run import Run
from charrnn.store.checkpoint import WEIGHTS
from charrnn.store.weights import Misfit, load_arrays
from charrnn.text.forms import is_ideograph

Precision = Literal["float32", "float16"]
LARGEST_HALF = 65504.0
"""The largest number that float16 has."""
NETWORK = "network."
"""Before the names of a network's weights, where an n-gram stands beside it."""


def plan_of(run: Run) -> Plan:
    """The operations of a run's model, without the n-gram beside it. Raises CharrnnError where there are none."""
    config = run.config.model
    if config.bidirectional:
        raise CharrnnError(f"{run.path}: a bidirectional model does not run in a page: it cannot write left to right")
    file = run.checkpoint.folder / WEIGHTS
    try:
        weights = load_arrays(file)
        if config.ngram is not None:
            weights = {name[len(NETWORK) :]: own for name, own in weights.items() if name.startswith(NETWORK)}
        plan = None if config.cell == "ngram" else make_plan(config, len(run.vocabulary), weights)
    except Misfit as error:
        raise CharrnnError(f"{file}: {error.message}") from None
    if plan is None:
        raise CharrnnError(f"{run.path}: a model of the cell {config.cell} does not run in a page: it has no plan")
    return plan


def packed(plan: Plan, precision: Precision) -> dict[str, Any]:
    """A plan and its weights, in `float16` rounded, as network.js reads them. Raises CharrnnError for NaN and infinity.

    Registers go with their widths, operations as [kind, into, of, also, weight, bias], and each array as its place
    among all numbers, its size, and the length of its rows.
    """
    arrays: list[Floats] = []
    layout: list[list[int]] = []
    places: dict[int, int] = {}

    def place(array: Floats | None) -> int | None:
        if array is None:
            return None
        if id(array) not in places:  # a tied embedding is written once
            alike = (i for i, own in enumerate(arrays) if own.shape == array.shape and np.array_equal(own, array))
            places[id(array)] = next(alike, len(arrays))
            if places[id(array)] == len(arrays):
                layout.append([sum(map(np.size, arrays)), array.size, array.shape[-1]])
                arrays.append(array)
        return places[id(array)]

    ops = [[op.kind, op.into, op.of, op.also, place(op.weight), place(op.bias)] for op in plan.ops]
    numbers = np.concatenate([array.ravel() for array in arrays])
    if not np.isfinite(numbers).all():
        raise CharrnnError("its weights are not all finite; train it again")
    if precision == "float16":
        numbers = np.clip(numbers, -LARGEST_HALF, LARGEST_HALF)
    return {
        "type": precision,
        "size": plan.vocab_size,
        "registers": {name: parts * width for name, (parts, width) in plan.widths.items()},
        "state": plan.state,
        "units": units(plan),
        "window": plan.window[0] if plan.window else None,
        "ops": ops,
        "arrays": layout,
        "weights": base64.b64encode(numbers.astype("<f2" if precision == "float16" else "<f4").tobytes()).decode(),
    }


def model_of(run: Run, plan: Plan, precision: Precision) -> dict[str, Any]:
    """A run's model for a page: its plan, its alphabet, and how it is told to write. Raises CharrnnError."""
    vocabulary = run.vocabulary
    try:
        own = packed(plan, precision)
    except CharrnnError as error:
        raise CharrnnError(f"{run.path}: {error.message}") from None
    return {
        "plan": own,
        "alphabet": {
            "kind": vocabulary.kind,
            "characters": "".join(vocabulary.characters) if vocabulary.kind == "char" else "",
            "encoding": vocabulary.encoding,
            "normalization": run.config.corpus.normalization,
        },
        "ideographs": [i for i, c in enumerate(vocabulary.characters) if is_ideograph(c)],
        "documents": run.is_documents,
        "sampling": run.config.sampling.model_dump(),
    }


def units(plan: Plan) -> list[list[Any]]:
    """The registers whose numbers a person can watch and hold, [name, width, label in English, in Chinese].

    It is what is remembered, or without a memory what the layers compute.
    """
    if plan.window:
        names = [name for name in plan.widths if name.startswith("hidden.")]
    else:
        names = [name for name in plan.state if not name.endswith(".last")]
    shown: list[list[Any]] = []
    for name in names:
        *_, layer, kind = name.split(".")
        number = int(kind) // 2 + 1 if plan.window else int(layer) + 1
        own = "" if plan.window else f"{kind}, "
        parts, width = plan.widths[name]
        shown.append([name, parts * width, f"{own}layer {number}", f"{own}第 {number} 层"])
    return shown
