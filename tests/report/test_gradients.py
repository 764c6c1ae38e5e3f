"""Gradients through time are those of finite differences, and the start of a run is made again from its seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import charrnn
from charrnn.cells import recurrent_cells
from charrnn.config import Config, ModelConfig
from charrnn.errors import CharrnnError
from charrnn.models import build_model
from charrnn.models.recurrent import RecurrentModel
from charrnn.report.gradients import THE_CELLS, Gradients, drawn, of_config, of_run, opened, the_cells, through_time

VOCAB, K, B = 7, 6, 3
TEXT = "".join(f"the {i} geese fly over {i * i} lakes.\n" for i in range(200))
MODELS: dict[str, dict[str, Any]] = {
    **{cell: {"cell": cell} for cell in recurrent_cells()},
    **THE_CELLS,
    "stacked": {"cell": "lstm", "num_layers": 2, "norm": "rms", "residual": True, "output_layers": 1},
}


@pytest.mark.parametrize("own", MODELS.values(), ids=MODELS)
def test_gradients_are_those_of_finite_differences(own: dict[str, Any]) -> None:
    config = ModelConfig.model_validate({"hidden_size": 5, "embedding_size": 5} | own)
    model = build_model(config, VOCAB, seed=3).double().requires_grad_(False)
    assert isinstance(model, RecurrentModel)
    generator = torch.Generator().manual_seed(1)
    text = torch.randint(VOCAB, (4 + K + 1, B), generator=generator)
    state = model.initial_state(B)
    for character in text[:4]:
        state = model.step(character, state)[1]
    ids, target = text[4:-1], text[-1]

    def loss(place: int, which: int, change: torch.Tensor) -> torch.Tensor:
        """-ln p `[B]` of the targets, where what step `place` is given was changed: a tensor of the state, or x, -1."""
        now = state
        for t, character in enumerate(ids):
            x = model.embedding(character)
            if t == place and which < 0:
                x = x + change
            elif t == place:
                now = tuple(tensor + change if i == which else tensor for i, tensor in enumerate(now))
            features, now = model.trunk.step(x, now)
        return F.cross_entropy(model.readout(features), target, reduction="none")

    def norm(place: int, which: int, width: int, h: float = 1e-5) -> torch.Tensor:
        """The norm `[B]` of the gradient, by central differences."""
        changes = h * torch.eye(width, dtype=torch.float64)
        slopes = [(loss(place, which, change) - loss(place, which, -change)) / (2 * h) for change in changes]
        return torch.stack(slopes).norm(dim=0)

    states, embeddings = through_time(model, ids, target, state)
    assert states.shape == embeddings.shape == (K, B)
    for place in range(K):
        whole = torch.stack([norm(place, i, tensor.shape[1]) for i, tensor in enumerate(state)]).norm(dim=0)
        np.testing.assert_allclose(states[K - 1 - place], whole, rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(embeddings[K - 1 - place], norm(place, -1, 5), rtol=1e-4, atol=1e-9)


def trained(mode: str = "stream", steps: int = 3, rate: float = 1e-3, **model: Any) -> charrnn.Run:
    text = TEXT if mode == "stream" else TEXT.replace("\n", "\n\n")
    Path("text.txt").write_text(text)
    corpus = {"path": "text.txt", "mode": mode, "shared_run": None}
    small = {"hidden_size": 12, "embedding_size": 6} | model
    training: dict[str, Any] = {"steps": steps, "batch_size": 4, "window": 16, "sample_every": None, "log_every": 1}
    training |= {"learning_rate": rate, "warmup": None, "seed": 5}
    whole = {"corpus": corpus, "model": small, "training": training, "sampling": {"length": 3}}
    return charrnn.train(whole, device="cpu", quiet=True)


@pytest.mark.parametrize("model", [{"cell": "gru"}, {"cell": "lstm", "ngram": {"order": 3}}], ids=["alone", "mixed"])
def test_the_start_of_a_run_is_made_again(model: dict[str, Any]) -> None:
    run = trained(steps=2, rate=1e-12, **model)
    start, after = of_run(run, lags=20)
    assert (start.when, after.when) == ("start", "trained")
    assert after.states.median == pytest.approx(start.states.median, rel=1e-4)
    assert after.steps == (1, 2) and all(norm > 0 for norm in after.norms) and after.clip_norm == 1.0
    assert start.states.median[0] == 1 and start.embeddings.median[0] == 1
    assert start.states.lags == tuple(range(1, 21)) and start.embeddings.lags == tuple(range(20))


def test_what_it_learns_changes_them_and_quartiles_are_in_order() -> None:
    start, after = of_run(trained(steps=30, rate=1e-2), lags=10)
    assert after.states.median[1:] != pytest.approx(start.states.median[1:], rel=1e-2)
    for one in (start.states, after.embeddings):
        assert all(low <= middle <= up for low, middle, up in zip(one.lower, one.median, one.upper, strict=True))


def test_documents_are_read_from_their_boundary_as_far_as_they_go() -> None:
    start, _ = of_run(trained("documents"), lags=1000)
    lengths = sorted(len(line) for line in TEXT.splitlines())
    assert lengths[0] <= start.states.lags[-1] <= lengths[-1]


def test_identity_weights_fade_more_slowly_than_others() -> None:
    Path("text.txt").write_text(TEXT)
    configs = the_cells(Config(corpus={"path": "text.txt"}, model={"hidden_size": 32, "embedding_size": 8}))
    found = {name: of_config(configs[name], name, 40).states.median[-1] for name in configs if "rnn" in name}
    assert max(found, key=lambda name: found[name]) == "rnn, relu, identity" and len(set(found.values())) == 3


@pytest.mark.parametrize("model", [{"cell": "ngram"}, {"cell": "mlp"}, {"bidirectional": True}])
def test_what_has_no_state_is_refused(model: dict[str, Any]) -> None:
    with pytest.raises(CharrnnError, match="recurrent"):
        list(of_run(trained(**model)))


def test_configs_runs_and_cells_are_opened() -> None:
    Path("text.txt").write_text(TEXT)
    Path("a.yaml").write_text("corpus: {path: text.txt}\nmodel: {hidden_size: 8}\n")
    Path("s.yaml").write_text(
        "corpus: {path: text.txt}\nmodel: {hidden_size: 8}\n"
        "sweep: {seeds: 3, variants: {a: {}, n: {model.cell: ngram}}}\n"
    )
    assert list(opened(["a.yaml", "s.yaml"], False)[1]) == ["a.yaml", "s.yaml, a"]
    assert list(opened([], False)[1]) == list(THE_CELLS) == list(opened([], True)[1])
    configs = opened(["a.yaml"], True)[1]
    assert [config.model.hidden_size for config in configs.values()] == [8] * len(THE_CELLS)
    run = trained()
    runs, configs = opened([str(run.path)], False)
    assert [one.path for one in runs] == [run.path] and not configs
    with pytest.raises(CharrnnError, match="give a config"):
        opened([str(run.path)], True)
    with pytest.raises(CharrnnError, match="no such file"):
        opened(["nothing"], False)


def test_they_are_drawn() -> None:
    pytest.importorskip("matplotlib")
    from charrnn.report.out import write_picture

    found: list[Gradients] = list(of_run(trained(), lags=5))
    for some in (found, found[:1]):
        write_picture(Path("a.html"), drawn(some), "t", "w")
        assert "<svg" in Path("a.html").read_text()
