"""The ways without PyTorch: the same probabilities as the model's, and the same text for the same seed."""

from __future__ import annotations

from copy import copy
from itertools import cycle

import numpy as np
import pytest
import torch

from charrnn.cells import CELLS
from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.generation.fast import folding, native_way, stepper
from charrnn.generation.fast.mixture import MixedCounts, MixtureStepper
from charrnn.generation.fast.native_way import NativeStepper
from charrnn.generation.fast.numpy_way import NumpyStepper
from charrnn.generation.fast.plan import RECURRENCES, make_plan
from charrnn.generation.filters import Filters, Floats, log_softmax
from charrnn.generation.sampler import Sampler, generator
from charrnn.generation.stepper import Stepper, joined
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.models import LanguageModel, Mixture, NGramModel, build_model
from charrnn.store.weights import Array
from charrnn.text.dataset import Part
from charrnn.text.vocab import Vocabulary

CPU = torch.device("cpu")
VOCABULARY = Vocabulary("char", "abcdefghijklmnopqrstuvwxyz \n")
V = len(VOCABULARY)
VARIANTS: dict[str, dict[str, object]] = {
    **{cell: {"cell": cell} for cell in CELLS},
    "ngram of 1": {"cell": "ngram", "order": 1},
    "mlp relu": {"cell": "mlp", "activation": "relu", "context": 3, "num_layers": 2},
    "mlp of 1": {"cell": "mlp", "context": 1},
    "rnn relu": {"cell": "rnn", "activation": "relu"},
    **{f"{cell} stacked": {"cell": cell, "num_layers": 3} for cell in RECURRENCES},
    **{
        f"{cell} with all": {
            "cell": cell,
            "num_layers": 2,
            "input_layers": 1,
            "output_layers": 2,
            "residual": True,
            "norm": norm,
            "tie_embedding": True,
            "embedding_size": 20,
        }
        for cell, norm in zip(RECURRENCES, cycle(["layer", "rms"]), strict=False)
    },
    **{
        f"{cell} narrow and tied": {
            "cell": cell,
            "num_layers": 2,
            "tie_embedding": True,
            "norm": "rms",
            "residual": True,
        }
        for cell in RECURRENCES
    },
    "one layer, narrow and tied": {"cell": "gru", "tie_embedding": True},
    "residual from the embedding": {"cell": "lstm", "residual": True, "norm": "rms", "embedding_size": 20},
    "widths of whole vectors": {"cell": "lstm", "num_layers": 2, "hidden_size": 64, "embedding_size": 16},
    "mixture": {"cell": "lstm", "num_layers": 2, "ngram": {"order": 5}},
    "mixture of an mlp": {"cell": "mlp", "ngram": {"order": 2}},
    "mixture with single characters": {"cell": "mingru", "ngram": {"order": 1}},
    "mixture of the sLSTM": {"cell": "slstm", "ngram": {"order": 3}},
    "wider than a panel": {"cell": "gru", "hidden_size": 83, "output_layers": 1},
}


def build(variant: str) -> tuple[ModelConfig, LanguageModel]:
    config = ModelConfig.model_validate({"hidden_size": 20, "embedding_size": 6} | VARIANTS[variant])
    model = build_model(config, V, seed=1).eval()
    ngram = model.ngram if isinstance(model, Mixture) else model
    if isinstance(ngram, NGramModel):
        ngram.fit(Part(np.random.default_rng(0).integers(0, V - 2, 2000) // 3))
    if isinstance(model, Mixture):
        model.trust.copy_(torch.rand(model.trust.shape, generator=torch.Generator().manual_seed(3)))
    if model is not ngram:
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in model.parameters():  # biases too: what is 0 hides mistakes
                if parameter.ndim == 1:
                    parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    return config, model


def halved(log_probs: Floats) -> Floats:
    return log_probs * np.float32(0.5)


def without_a(log_probs: Floats) -> Floats:
    log_probs[:, VOCABULARY.encode("a")] = -np.inf
    return log_probs


def arrays(model: LanguageModel) -> dict[str, Array]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


def every_way(config: ModelConfig, model: LanguageModel) -> dict[str, Stepper]:
    """The model by PyTorch, and by every way without it that this machine has."""
    found: dict[str, Stepper] = {"torch": TorchStepper(model)}
    if config.cell == "ngram":
        fast = stepper(config, V, arrays(model))
        assert fast is not None
        found["tables"] = fast
        return found
    for name, room in (("numpy", 2**20), ("numpy, no tables", 0)):
        planned = make_plan(config, V, arrays(model.learner))
        if planned is None:  # this cell writes through PyTorch alone
            assert config.cell not in RECURRENCES
            return found
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(folding, "FOLD", room)
            planned = folding.fold(planned)
        counts = None
        if config.ngram is not None:
            counts = MixedCounts(config.ngram.order_for(V), V, arrays(model))
        found[name] = NumpyStepper(planned) if counts is None else MixtureStepper(NumpyStepper(planned), counts)
        if native_way.library() is not None:
            found[name.replace("numpy", "native")] = NativeStepper(planned, counts)
    return found


def read(way: Stepper, texts: np.ndarray) -> list[Floats]:
    """ln p after a beginning of seven characters, and after every further character of the texts `[T, N]`."""
    way.begin([V - 1, 3, 1, 4, 1, 5, 9], texts.shape[1])
    found = [log_softmax(way.logits())]
    for ids in texts:
        way.step(ids)
        found.append(log_softmax(way.logits()))
    return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [1, 4, 53])
def test_probabilities_are_those_of_the_model(variant: str, count: int) -> None:
    config, model = build(variant)
    texts = np.random.default_rng(3).integers(0, V, (20, count))
    found = {name: read(way, texts) for name, way in every_way(config, model).items()}
    for name, log_probs in found.items():
        for ours, theirs in zip(log_probs, found["torch"], strict=True):
            assert ours.shape == (count, V)
            np.testing.assert_allclose(np.exp(ours), np.exp(theirs), atol=1e-5, rtol=0, err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [1, 53])
def test_goes_on_from_any_rows_of_a_state(variant: str, count: int) -> None:
    config, model = build(variant)
    random = np.random.default_rng(4)
    before, after = random.integers(0, V, (6, count)), random.integers(0, V, (9, 5))
    rows = random.integers(0, count, 5).tolist()
    for name, way in every_way(config, model).items():
        whole = read(way, np.concatenate([before[:, rows], after]))[len(before) :]
        read(way, before)
        state = way.state()
        other = copy(way)
        for _ in range(2):  # a state is left as it is, and so is the stepper that gave it
            other.resume(state, rows)
            found = [log_softmax(other.logits())]
            for ids in after:
                other.step(ids)
                found.append(log_softmax(other.logits()))
            np.testing.assert_allclose(found, whole, atol=1e-5, rtol=0, err_msg=name)
        np.testing.assert_allclose(log_softmax(way.logits())[rows], whole[0], atol=1e-5, rtol=0, err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("filters", "documents"),
    [
        (Filters(0.8), False),
        (Filters(0.8), True),
        (Filters(0), False),
        (Filters(1.3, top_k=5, top_p=0.9, repetition_penalty=1.5), False),
        (Filters(0.8, top_k=9, repetition_penalty=1.5, own=[halved, without_a]), True),
    ],
    ids=["temperature", "documents", "likeliest", "all filters", "own filters"],
)
def test_the_same_text_for_the_same_seed(variant: str, filters: Filters, documents: bool) -> None:
    config, model = build(variant)
    prompt = VOCABULARY.encode("to be")
    found = {
        name: Sampler(way, VOCABULARY, filters, documents).sample(prompt, 70, 20, samples=7)
        for name, way in every_way(config, model).items()
    }
    for name, samples in found.items():
        assert [one.text for one in samples] == [one.text for one in found["torch"]], name
        np.testing.assert_allclose([s.log_prob for s in samples], [s.log_prob for s in found["torch"]], atol=0.01)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, model = build("lstm stacked")
    config = build("lstm stacked")[0]
    way = stepper(config, V, arrays(model))
    assert way is not None
    sampler, texts = Sampler(way, VOCABULARY, Filters(), False), []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        texts.append(sampler.sample([1, 2], 70, 7, samples=131))
    assert texts[0] == texts[1] == texts[2]
    for one, among in zip(sampler.sample([1, 2], 70, 7, samples=3), texts[0], strict=False):
        assert one.text == among.text
        assert one.log_prob == pytest.approx(among.log_prob, rel=1e-6)  # summed in other portions


@pytest.mark.parametrize("variant", ["lstm", "mlp", "ngram", "mixture"])
def test_two_texts_written_in_turns_do_not_meet(variant: str) -> None:
    for way in every_way(*build(variant)).values():
        sampler = Sampler(way, VOCABULARY, Filters(), False)
        alone = ["".join(p[0][0] for p in sampler.write([seed], 40, seed, block=4)) for seed in (1, 2)]
        pairs = list(zip(*(sampler.write([seed], 40, seed, block=4) for seed in (1, 2)), strict=True))
        assert ["".join(pair[i][0][0] for pair in pairs) for i in (0, 1)] == alone


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_that_are_taken_and_joined_stand_where_they_stood(variant: str) -> None:
    """Texts of different lengths, put side by side and one of them dropped, go on as each does alone."""
    texts = [[V - 1, 3, 1], [V - 1, 4, 1, 5, 9, 2, 6], [V - 1]]
    config, model = build(variant)
    for way in every_way(config, model).values():
        alone, held = [], []
        for text in texts:
            way.begin(text, 1)
            held.append(way.state())
            way.step(np.array([7]))
            alone.append(log_softmax(way.logits())[0])
        together = joined(held)
        for order in ([0, 1, 2], [2, 0], [1, 1, 1]):
            way.resume(together, order)
            way.step(np.full(len(order), 7))
            np.testing.assert_allclose(log_softmax(way.logits()), [alone[i] for i in order], atol=2e-5)


@pytest.mark.parametrize("variant", ["lstm", "mlp", "ngram", "mixture"])
@pytest.mark.parametrize("others", [[Filters(0), Filters(1.5)], [Filters(1.1, top_k=3), Filters(0.9, top_p=0.5)]])
def test_each_row_has_its_own_filters(variant: str, others: list[Filters]) -> None:
    every = [Filters(0.7), *others]
    for way in every_way(*build(variant)).values():
        way.begin([V - 1, 3], 3)
        before = way.state()
        recent = np.full((3, 1), 3)
        chosen, gained = way.write(30, [generator(5, i) for i in range(3)], every, [V - 2], recent)
        for i, own in enumerate(every):
            way.resume(before, [i])
            alone, log_probs = way.write(30, [generator(5, i)], [own], [V - 2], recent[:1])
            assert alone[:, 0].tolist() == chosen[:, i].tolist()
            np.testing.assert_allclose(log_probs[:, 0], gained[:, i], atol=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "mlp", "ngram", "mingru"])
def test_weights_of_another_model_are_refused(cell: str) -> None:
    config, model = build(cell)
    good = arrays(model)
    assert stepper(config, V, good) is not None
    for name, array in good.items():
        shorter = array[:-1]
        for bad in ({k: v for k, v in good.items() if k != name}, good | {name: shorter}, good | {name + "s": array}):
            with pytest.raises(CharrnnError, match="not those of the model"):
                stepper(config, V, bad)


def test_bidirectional_models_have_no_such_way() -> None:
    assert stepper(ModelConfig(bidirectional=True), V, {}) is None
