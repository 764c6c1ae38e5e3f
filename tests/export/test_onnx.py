"""The ONNX file: the logits of the model, over many steps, for every cell that has a plan."""

from __future__ import annotations

import json
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.export import onnx as exporting
from charrnn.export.about import About
from charrnn.export.graph import step_graph
from charrnn.export.onnx import export_onnx
from charrnn.generation.fast.plan import RECURRENCES, Plan, make_plan
from charrnn.models import LanguageModel, build_model

pytest.importorskip("onnx", reason="needs charrnn[onnx]")
pytest.importorskip("onnxruntime", reason="needs charrnn[onnx]")

V, STEPS, TEXTS = 30, 200, 3
AROUND = {"num_layers": 2, "input_layers": 1, "output_layers": 2, "residual": True, "embedding_size": 20}
VARIANTS: dict[str, dict[str, object]] = {
    **{cell: {"cell": cell} for cell in RECURRENCES},
    **{
        f"{cell} with all": {"cell": cell, **AROUND, "norm": norm, "tie_embedding": True}
        for cell, norm in zip(RECURRENCES, cycle(["layer", "rms"]), strict=False)
    },
    "rnn relu": {"cell": "rnn", "activation": "relu"},
    "mlp": {"cell": "mlp", "num_layers": 2},
    "mlp relu of 1": {"cell": "mlp", "activation": "relu", "context": 1},
}


def build(variant: str) -> tuple[LanguageModel, Plan]:
    config = ModelConfig.model_validate({"hidden_size": 20, "embedding_size": 6} | VARIANTS[variant])
    model = build_model(config, V, seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # biases too: what is 0 hides mistakes
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    plan = make_plan(config, V, {name: value.numpy() for name, value in model.state_dict().items()})
    assert plan is not None
    return model, plan


def session(data: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


@torch.no_grad()
def logits(data: bytes, ids: np.ndarray[Any, np.dtype[np.int64]]) -> list[Any]:
    """The logits after each of ids `[T, N]`, by a program that knows nothing but the names in the file."""
    graph = session(data)
    names = [one.name for one in graph.get_outputs()]
    state = {
        one.name: np.zeros((ids.shape[1], one.shape[1]), np.float32) for one in graph.get_inputs() if one.name != "ids"
    }
    given = []
    for row in ids:
        new = dict(zip(names, graph.run(names, {"ids": row, **state}), strict=True))
        given.append(new["logits"])
        state = {name: new[f"next.{name}"] for name in state}
    return given


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_graph_computes_what_the_model_does(variant: str) -> None:
    model, plan = build(variant)
    data = step_graph(plan, {}).SerializeToString()
    ids = np.random.default_rng(0).integers(0, V, (STEPS, TEXTS))
    ids[0] = V - 1  # the boundary, after which a text begins
    with torch.no_grad():
        expected, _ = model(torch.tensor(ids), model.initial_state(TEXTS))
    for one, other in zip(logits(data, ids), expected.numpy(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=0)
    assert exporting.difference(data, plan, 50) <= 1e-5


def test_any_number_of_texts_side_by_side_and_each_by_itself() -> None:
    _, plan = build("lstm with all")
    data = step_graph(plan, {}).SerializeToString()
    ids = np.random.default_rng(1).integers(0, V, (20, 5))
    together = logits(data, ids)
    for text in range(5):
        for one, other in zip(together, logits(data, ids[:, text : text + 1]), strict=True):
            np.testing.assert_allclose(one[text : text + 1], other, atol=1e-6)


def test_a_wrong_graph_is_noticed() -> None:
    _, plan = build("gru")
    graph = step_graph(plan, {})
    (sign,) = [node for node in graph.graph.node if node.op_type == "Sub"]
    sign.op_type = "Add"
    assert exporting.difference(graph.SerializeToString(), plan, 20) > 1e-3


def trained(model: dict[str, Any]) -> charrnn.Run:
    Path("text.txt").write_text("to be, or not to be, that is the question. " * 40, encoding="utf-8")
    training = {"steps": 3, "batch_size": 4, "window": 8}
    model = {"hidden_size": 8, "embedding_size": 4} | model if model["cell"] != "ngram" else model
    config = {"corpus": {"path": "text.txt"}, "model": model, "training": training, "sampling": {"length": 5}}
    return charrnn.train(config, out="run", quiet=True)


def test_the_file_says_what_it_is() -> None:
    import onnx

    run = trained({"cell": "gru"})
    export_onnx(run, Path("x.onnx"), About.of(run, licence="mit"))
    model = onnx.load("x.onnx")
    onnx.checker.check_model(model, full_check=True)
    facts = {one.key: one.value for one in model.metadata_props}
    assert json.loads(facts["alphabet"]) == run.vocabulary.characters
    assert (int(facts["unknown"]), int(facts["boundary"])) == (run.vocabulary.unknown, run.vocabulary.boundary)
    assert (facts["corpus"], facts["licence"], facts["corpus_licence"]) == ("text.txt", "mit", "unknown")
    assert str(Path.cwd()) not in str(facts)
    assert [one.name for one in model.graph.input] == ["ids", "trunk.layers.0.h"]
    assert {one.type.tensor_type.shape.dim[0].dim_param for one in [*model.graph.input, *model.graph.output]} == {"N"}


def test_nothing_is_replaced_and_nothing_half_written(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained({"cell": "rnn"})
    Path("mine.onnx").write_bytes(b"mine")
    with pytest.raises(CharrnnError, match=r"mine\.onnx: exists already"):
        export_onnx(run, Path("mine.onnx"), About.of(run))
    assert Path("mine.onnx").read_bytes() == b"mine"
    monkeypatch.setattr(exporting, "difference", lambda *_: 0.1)
    with pytest.raises(CharrnnError, match=r"logits that are 1\.0e-01 from the model's"):
        export_onnx(run, Path("wrong.onnx"), About.of(run))
    assert not Path("wrong.onnx").exists()


@pytest.mark.parametrize(
    ("model", "match"),
    [
        ({"cell": "ngram"}, "ngram has no plan"),
        ({"cell": "slstm"}, "slstm has no plan"),
        ({"cell": "lstm", "bidirectional": True}, "a bidirectional model has no step"),
    ],
)
def test_a_model_that_is_no_graph_is_told(model: dict[str, Any], match: str) -> None:
    run = trained(model)
    with pytest.raises(CharrnnError, match=f"{match}.*format=folder"):
        export_onnx(run, Path("x.onnx"), About.of(run))
    assert not Path("x.onnx").exists()


def test_an_ngram_beside_the_network_is_left_out_only_where_that_is_asked_for() -> None:
    run = trained({"cell": "lstm", "ngram": {"order": 3}})
    with pytest.raises(CharrnnError, match="network_only=True"):
        export_onnx(run, Path("x.onnx"), About.of(run))
    export_onnx(run, Path("x.onnx"), About.of(run), network_only=True)
    ids = np.random.default_rng(2).integers(0, len(run.vocabulary), (20, 2))
    network = run.model.learner
    expected, _ = network(torch.tensor(ids), network.initial_state(2))
    np.testing.assert_allclose(logits(Path("x.onnx").read_bytes(), ids), expected.numpy(), atol=1e-5)
    alone = charrnn.train(run.config.with_keys("model", ngram=None), out="alone", quiet=True)
    with pytest.raises(CharrnnError, match="has no n-gram beside its network"):
        export_onnx(alone, Path("y.onnx"), About.of(alone), network_only=True)
