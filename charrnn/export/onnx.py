"""Writes a model as an ONNX file, once the graph has computed what the model computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.export.about import About
from charrnn.export.graph import NEXT, step_graph
from charrnn.files import new_file
from charrnn.generation.fast.numpy_way import NumpyStepper
from charrnn.generation.fast.plan import Plan, make_plan
from charrnn.run import Run
from charrnn.store.checkpoint import WEIGHTS
from charrnn.store.history import read_history
from charrnn.store.weights import Misfit, load_arrays
from charrnn.version import __version__

CHARACTERS, TEXTS = 200, 2
"""The model writes so many characters in so many texts, and the graph has to compute the same."""
TOLERANCE = 1e-5
"""How far a logit may be from the model's, for each unit of the largest one, and at least 1."""
LARGEST = 2_000_000_000
"""The most bytes of weights: a file of ONNX ends at 2 GiB."""


def export_onnx(run: Run, file: Path, about: About, network_only: bool = False) -> float:
    """Writes the graph of one step of a run's model (`step_graph`), and gives the greatest difference of its logits
    from the model's, over texts that the model writes.

    `network_only` leaves out the n-gram that stands beside a network. Raises CharrnnError for a model that is no graph
    of operations, where a package is missing, and where the file exists.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401 (told before anything is computed)
    except ImportError:
        raise CharrnnError("‹format=onnx›: needs onnx and onnxruntime: pip install 'charrnn[onnx]'") from None
    with new_file(file, like=run.path / "run.json") as stream:
        plan = _plan(run, network_only)
        if (size := sum(op.weight.nbytes for op in plan.ops if op.weight is not None)) > LARGEST:
            raise CharrnnError(f"{run.path}: {size:,} bytes of weights, and a file of ONNX holds at most {LARGEST:,}")
        graph = step_graph(plan, _facts(run, about))
        onnx.checker.check_model(graph, full_check=True)
        data: bytes = graph.SerializeToString()
        far = difference(data, plan)
        if not far <= TOLERANCE:
            raise CharrnnError(
                f"{run.path}: the graph computes logits that are {far:.1e} from the model's, and {TOLERANCE:.0e} was "
                "expected; nothing was written"
            )
        stream.write(data)
    return far


def _plan(run: Run, network_only: bool) -> Plan:
    """The plan of a run's network. Raises CharrnnError where there is none, or where it is not the whole model."""
    config, weights = run.config.model, run.checkpoint.folder / WEIGHTS
    other = "‹format=folder› takes any model"
    if config.bidirectional:
        raise CharrnnError(f"{run.path}: a bidirectional model has no step: it reads what comes after too; {other}")
    if config.ngram is not None and not network_only:
        raise CharrnnError(
            f"{run.path}: an n-gram stands beside its network, and tables of counts are no graph; ‹network_only=True› "
            f"exports the network alone{_cost(run)}; {other}"
        )
    arrays = load_arrays(weights)
    if config.ngram is not None:
        arrays = {name[8:]: array for name, array in arrays.items() if name.startswith("network.")}
    elif network_only:
        raise CharrnnError(f"‹network_only=True›: {run.path} has no n-gram beside its network; leave it out")
    try:
        plan = make_plan(config, len(run.vocabulary), arrays)
    except Misfit as error:
        raise CharrnnError(f"{weights}: {error.message}") from None
    if plan is None:
        raise CharrnnError(f"{run.path}: {config.cell} has no plan of operations to make a graph of; {other}")
    return plan


def _cost(run: Run) -> str:
    """What the network loses without its n-gram, in words; nothing where it was not measured."""
    nats = [line for line in read_history(run.metrics, "aside_network") if "aside_both" in line]
    if not nats:
        return ", which then predicts worse"
    alone, both = (nats[-1][key] / np.log(2) for key in ("aside_network", "aside_both"))
    return f", which has {alone:.3f} bits per character where the whole model has {both:.3f}"


def _facts(run: Run, about: About) -> dict[str, str]:
    """The metadata of the graph. Values are text; `alphabet` is a JSON list of the characters by their ids."""
    vocabulary = run.vocabulary
    return {
        "charrnn": __version__,
        "model": run.config.model.describe(),
        "alphabet_kind": vocabulary.kind,
        "alphabet": json.dumps(vocabulary.characters if vocabulary.kind == "char" else [], ensure_ascii=False),
        "unknown": str(vocabulary.unknown),
        "boundary": str(vocabulary.boundary),
        "mode": run.facts.mode,
        "corpus": about.corpus,
        "corpus_licence": about.text_licence or "unknown",
        "licence": about.licence,
        "language": about.language,
        "run": run.facts.id,
        "step": str(run.checkpoint.step),
    }


def difference(data: bytes, plan: Plan, characters: int = CHARACTERS, texts: int = TEXTS) -> float:
    """The greatest difference of a graph's logits from those of its plan in NumPy, over texts that the plan writes.

    It is relative to the largest logit, where that is above 1. Raises NoNumbers where logits are not finite.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    generator, model = np.random.default_rng(0), NumpyStepper(plan)
    ids = np.full(texts, plan.vocab_size - 1, np.int64)  # the boundary
    names = [one.name for one in session.get_outputs()]
    state: dict[str, Any] = {
        one.name: np.zeros((texts, one.shape[1]), np.float32) for one in session.get_inputs() if one.name != "ids"
    }
    model.begin([plan.vocab_size - 1], texts)
    far = 0.0
    for _ in range(characters):
        outputs = dict(zip(names, session.run(names, {"ids": ids, **state}), strict=True))
        expected = model.logits()
        if not np.isfinite(expected).all():
            raise NoNumbers
        largest = max(1.0, float(np.abs(expected).max()))
        far = max(far, float(np.abs(outputs["logits"] - expected).max()) / largest)
        state = {name: outputs[NEXT + name] for name in state}
        ids = (expected + generator.gumbel(size=expected.shape)).argmax(axis=1)  # a draw from the softmax
        model.step(ids)
    return far
