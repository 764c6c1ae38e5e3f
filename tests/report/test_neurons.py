"""`inspect neurons`: what is planted is found and nothing else, and clamping is what it says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn.cells import recurrent_cells
from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.evaluation.surprise import bits_of_texts
from charrnn.models import build_model
from charrnn.models.recurrent import RecurrentModel
from charrnn.report.gates import saturation
from charrnn.report.neurons import Neurons, neurons
from charrnn.report.neurons_shown import as_dict, as_page, clamped_rows, drawn, summary
from charrnn.report.passages import LENGTH, RUN_UP, of, passages
from charrnn.report.texts import Text, texts_of
from charrnn.report.units import Batch, bits, overwritten, read, units_of
from charrnn.run import Run

VOCABULARY = 9


@pytest.fixture(scope="module")
def found(planted_run: Run) -> Neurons:
    return neurons(planted_run, characters=6000, shuffles=20)


def test_a_planted_feature_is_found_and_used(found: Neurons) -> None:
    one = found.found[0]
    assert one.feature.name == "inside quotes" and one.auc >= 0.95
    assert one.mean is not None and one.opposite is not None and one.is_confirmed
    assert one.opposite.concerned > one.mean.concerned > 0.1
    assert "1 of 1" in summary(found) and len(clamped_rows(found)) == 2


def test_it_is_shown(found: Neurons, tmp_path: Path) -> None:
    page = as_page(found)
    assert page.count('<div class="text"') == 3 and "inside quotes" in page and "layer 1, h[" in page
    facts = as_dict(found)
    assert facts["found"][0]["confirmed"] and facts["gates"][0]["gate"] == "r"
    pytest.importorskip("matplotlib")
    drawn(found).savefig(tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").stat().st_size > 5000


def test_an_untrained_network_follows_nothing(
    tmp_path: Path, trained: Callable[..., Run], planted: Callable[[int], str]
) -> None:
    result = neurons(trained(tmp_path / "a", planted(20_000), 1, 1e-12), characters=4000, shuffles=20)
    assert not result.found and "Nothing was found" in summary(result) and "inside quotes" in summary(result)
    assert result.followers[0].why_not and len(clamped_rows(result)) == 1


def test_a_text_without_any_feature_is_said_to_have_none(tmp_path: Path, trained: Callable[..., Run]) -> None:
    result = neurons(trained(tmp_path / "a", "abcab" * 4000, 1), characters=2000, shuffles=20)
    assert "nothing that a unit could follow" in summary(result) and as_page(result)


@pytest.mark.parametrize("model", [{"cell": "mlp"}, {"cell": "ngram"}, {"cell": "gru", "bidirectional": True}])
def test_a_model_without_a_state_is_refused(
    tmp_path: Path, model: dict[str, Any], planted: Callable[[int], str]
) -> None:
    config: dict[str, Any] = {"model": model} if model["cell"] != "ngram" else {"model": {"cell": "ngram", "order": 2}}
    (tmp_path / "text.txt").write_text(planted(3000), encoding="utf-8")
    config |= {"corpus": {"path": str(tmp_path / "text.txt")}}
    if model["cell"] != "ngram":
        config |= {"training": {"steps": 1, "sample_every": None}}
    run = charrnn.train(config, out=tmp_path / "run", quiet=True, device="cpu")
    with pytest.raises(CharrnnError, match="no state that it carries"):
        neurons(run)


def test_a_short_text_is_refused(tmp_path: Path, trained: Callable[..., Run], planted: Callable[[int], str]) -> None:
    run = trained(tmp_path / "a", planted(4000), 1)
    with pytest.raises(CharrnnError, match=r"has 800 characters, too few .*text=FILE"):
        neurons(run)
    with pytest.raises(CharrnnError, match="characters=5"):
        neurons(run, characters=5)


def network(cell: str, **keys: Any) -> RecurrentModel:
    config = ModelConfig.model_validate({"cell": cell, "hidden_size": 6, "embedding_size": 5, **keys})
    model = build_model(config, VOCABULARY, seed=1).eval()
    assert isinstance(model, RecurrentModel)
    return model


def batch(lengths: tuple[int, ...] = (700, 30, 90)) -> Batch:
    rng = np.random.default_rng(0)
    texts = []
    for length in lengths:
        ids = rng.integers(0, VOCABULARY - 2, length)
        texts.append(Text(ids.astype(np.int32), ids, np.arange(length)))
    return Batch(passages(texts, 300), VOCABULARY - 1, torch.device("cpu"))


KEYS: list[dict[str, Any]] = [{}, {"num_layers": 2, "residual": True, "norm": "rms"}]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("cell", recurrent_cells())
def test_units_have_the_values_of_the_state(cell: str, keys: dict[str, Any]) -> None:
    model, own = network(cell, **keys), batch()
    values = read(model, own)
    assert values.shape == (len(own), len(units_of(model)))
    begin = 0
    for passage in own.passages:
        begin += passage.stop - passage.start
        ids = torch.from_numpy(np.array([VOCABULARY - 1, *passage.ids]))[:, None]
        state = model(ids, model.initial_state(1))[1]
        sizes = [layer.state_sizes for layer in model.trunk.layers]
        flat = iter(state)
        tensors = {(i, k): next(flat)[0] for i, layer in enumerate(sizes) for k in range(len(layer))}
        expected = torch.stack([tensors[unit.layer, unit.tensor][unit.index] for unit in units_of(model)])
        torch.testing.assert_close(values[begin - 1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("cell", recurrent_cells())
def test_to_overwrite_a_unit_with_its_own_values_changes_nothing(cell: str, keys: dict[str, Any]) -> None:
    model, own = network(cell, **keys), batch((50, 50, 50))
    plain, units = bits(model, own), units_of(model)
    for place in (0, len(units) - 1):
        values = torch.zeros(own.ids.shape)
        state = model.initial_state(own.ids.shape[1])
        unit = units[place]
        flat = sum(len(layer.state_sizes) for layer in model.trunk.layers[: unit.layer]) + unit.tensor
        for step, ids in enumerate(own.ids):
            state = model.step(ids, state)[1]
            values[step] = state[flat][:, unit.index]
        with overwritten(model, unit, values):
            torch.testing.assert_close(bits(model, own), plain)
        with overwritten(model, unit, values + 3.0):
            changed = bits(model, own)
        assert not torch.allclose(changed, plain)
        with overwritten(model, unit, values, 1), overwritten(model, unit, values + 3.0, 2):  # side by side
            torch.testing.assert_close(bits(model, own, copies=3), torch.cat([plain, plain, changed]))
        torch.testing.assert_close(bits(model, own), plain)  # afterwards all is as before


def test_bits_are_those_of_eval(tmp_path: Path) -> None:
    (tmp_path / "poems.txt").write_text("ab\ncd\n\nabab\n\ncd\n\n" * 40, encoding="utf-8")
    corpus = {"path": str(tmp_path / "poems.txt"), "mode": "documents"}
    config = {"corpus": corpus, "model": {"cell": "lstm", "hidden_size": 8, "ngram": {"order": 2}}}
    config |= {"training": {"steps": 5, "sample_every": None}}
    run = charrnn.train(config, out=tmp_path / "run", quiet=True, device="cpu")
    part = run.dataset().part("val", run.config.corpus)
    model = run.model.learner  # the network in the mixture
    assert isinstance(model, RecurrentModel)
    texts = texts_of(part, run.vocabulary)
    chosen = passages(texts, 10**6)
    found = bits(model, Batch(chosen, run.vocabulary.boundary, run.device))
    expected = bits_of_texts(model, part)
    np.testing.assert_allclose(found[0].numpy(), of(chosen, expected), rtol=1e-4, atol=1e-5)


def test_passages_hold_each_character_once_after_its_past() -> None:
    rng = np.random.default_rng(0)
    texts = [Text(np.arange(n, dtype=np.int32), rng.integers(0, 9, n), np.arange(n)) for n in (1000, 7, 350)]
    chosen = passages(texts, 10**6)
    assert all(one.stop - one.start <= LENGTH and one.start - one.begin <= RUN_UP for one in chosen)
    for i, text in enumerate(texts):
        own = [one for one in chosen if one.text == i]
        assert own[0].start == 0 and own[-1].stop == len(text)
        assert all(a.stop == b.start for a, b in pairwise(own))
        for one in own:
            assert one.ids.tolist() == text.ids[one.begin : one.stop].tolist()
            assert one.ids[one.places].tolist() == text.ids[one.start : one.stop].tolist()
    few = passages(texts, 200)
    assert 100 <= sum(one.stop - one.start for one in few) <= 300


BIASES = {"lstm": ("b", 0, 4), "gru": ("b", 0, 3), "slstm": ("b", 2, 4), "mingru": ("W.bias", 2, 3)}
"""Where the bias of a gate lies: its weight, its row, and the number of rows."""


@pytest.mark.parametrize("cell", BIASES)
@pytest.mark.parametrize("bias", [20.0, -20.0])
def test_a_gate_that_is_held_open_is_open(cell: str, bias: float) -> None:
    model, own = network(cell), batch()
    name, row, rows = BIASES[cell]
    with torch.no_grad():
        model.trunk.layers[0].get_parameter(name).chunk(rows)[row].fill_(bias)
    gate = saturation(model, own)[0]
    assert gate.open == [float(bias > 0)] * 6 and gate.shut == [float(bias < 0)] * 6


@pytest.mark.parametrize("cell", recurrent_cells())
def test_saturation_is_a_share(cell: str) -> None:
    names = {"rnn": "", "lstm": "ifo", "gru": "rz", "slstm": "fo", "mingru": "f", "minlstm": "f"}
    gates = saturation(network(cell, num_layers=2), batch())
    assert "".join(gate.name for gate in gates) == 2 * names[cell]
    for gate in gates:
        assert len(gate.shut) == 6
        assert all(a >= 0 and b >= 0 and a + b <= 1 for a, b in zip(gate.shut, gate.open, strict=True))
