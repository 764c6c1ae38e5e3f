from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from charrnn.cells import cells_with, recurrent_cells
from charrnn.config import ModelConfig, TrainingConfig
from charrnn.errors import CharrnnError
from charrnn.evaluation.likelihood import likelihood
from charrnn.models import build_model
from charrnn.models.recurrent import Trunk
from charrnn.text.batches import training_batches
from charrnn.text.dataset import Part
from charrnn.training.events import Event
from charrnn.training.trainer import Trainer

CPU, V, BOUNDARY = torch.device("cpu"), 7, 6
STREAM = Part(np.tile([0, 1, 2, 0, 1, 3, 4, 5], 60))
DOCUMENTS = Part(STREAM.ids, np.stack([np.arange(0, 470, 10), np.arange(0, 470, 10) + np.arange(47) % 10 + 1], axis=1))


OPTIONS: list[dict[str, Any]] = [
    {},
    {"model": {"locked_dropout": True}},
    {"model": {"weight_dropout": 0.5, "embedding_dropout": 0.1}},
    {"model": {"input_dropout": 0.1, "output_dropout": 0.0, "tie_embedding": True}},
    {"forget": 0.3},
    {"window_deviation": 3.0, "activation_penalty": 2.0, "slowness_penalty": 1.0},
    {"average_after": "10 steps"},
    {"average_after": "20%", "average_decay": 0.9},
]
"""What else a resumed training must remember, or draw again."""


def ticking(seconds: float) -> Callable[[], float]:
    """A clock on which each look takes some time."""
    ticks = count()
    return lambda: next(ticks) * seconds


def trainer(
    part: Part = STREAM, model: dict[str, Any] | None = None, clock: Callable[[], float] = ticking(0.0), **keys: Any
) -> Trainer:
    config = TrainingConfig.model_validate({"batch_size": 4, "window": 9, "learning_rate": 0.02, "log_every": 3} | keys)
    network = build_model(
        ModelConfig.model_validate({"hidden_size": 12, "embedding_size": 6} | (model or {})), V, config.seed
    )
    batches = training_batches(part, config.batch_size, config.window, BOUNDARY, config.seed, config.window_deviation)
    return Trainer(network, batches, part, config, CPU, clock)


def first_step(t: Trainer) -> Event:
    return next(event for event in t.events() if event.kind == "step")


def kinds(events: Iterator[Event]) -> list[str]:
    return [event.kind for event in events]


@pytest.mark.parametrize("part", [STREAM, DOCUMENTS], ids=["stream", "documents"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon", "adam", "rmsprop", "sgd"])
def test_learns(part: Part, optimizer: str) -> None:
    t = trainer(part, steps=60, optimizer=optimizer, learning_rate=0.3 if optimizer == "sgd" else 0.02)
    before = likelihood(t.model, part).nats_per_char
    list(t.events())
    assert likelihood(t.model, part).nats_per_char < 0.85 * before


@pytest.mark.parametrize("cell", recurrent_cells())
def test_learns_as_well_with_products_in_bfloat16(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this processor has instructions for them or computes them in a slower way."""
    monkeypatch.setattr("charrnn.training.loss.in_bfloat16", lambda precision, device: precision == "bfloat16")
    model = {"cell": cell, "hidden_size": 16, "embedding_size": 16, "residual": True, "norm": "rms", "num_layers": 2}
    losses = []
    for precision in ("float32", "bfloat16"):
        t = trainer(model=model, steps=40, precision=precision)
        losses.append([event.metrics["loss"] for event in t.events() if "loss" in event.metrics][-1])
    assert losses[1] < 1.2  # from ln 7 = 1.95
    assert losses[0] == pytest.approx(losses[1], abs=0.1)
    assert losses[0] != losses[1]


def test_events_come_when_they_are_due() -> None:
    t = trainer(steps=20, evaluate_every="5 steps", checkpoint_every="10 steps", sample_every="20 steps")
    events = list(t.events())
    steps = {kind: [e.progress.steps for e in events if e.kind == kind] for kind in kinds(iter(events))}
    assert steps["step"] == list(range(1, 21))
    assert steps["evaluation"] == [5, 10, 15, 20]
    assert steps["sample"] == [20]
    assert steps["checkpoint"] == [0, 10, 20]
    assert events[-1].kind == "checkpoint"


def test_each_step_is_in_one_line_of_metrics() -> None:
    t = trainer(steps=20, evaluate_every="7 steps")
    logged = [e.progress.steps for e in t.events() if e.kind == "step" and e.metrics]
    assert logged == [
        2,
        3,
        4,
        6,
        7,
        8,
        9,
        10,
        12,
        14,
        15,
        16,
        18,
        20,
    ]  # every third, every seventh, every tenth of the whole


def test_minutes_end_the_training_and_anneal_it() -> None:
    t = trainer(minutes=1.0, clock=ticking(0.5))
    rates = [e.metrics["learning_rate"] for e in t.events() if e.kind == "step" and e.metrics]
    assert 0.9 < t.agreement.own_seconds / 60 < 1.3
    assert rates[-1] < 0.1 * max(rates)


def test_epochs_end_the_training() -> None:
    t = trainer(epochs=2)
    list(t.events())
    assert t.batches.epochs == 2


def test_patience_ends_the_training() -> None:
    t = trainer(
        steps=1000, evaluate_every="1 steps", patience=3, learning_rate=1e-9, weight_decay=0, schedule="constant"
    )
    t._evaluate = lambda: Event("evaluation", t.progress, {"val_loss": 1.0})  # type: ignore[method-assign]
    t.standing.evaluations_since_best = 3
    list(t.events())
    assert t.standing.step == 0


def test_stop_ends_with_a_checkpoint() -> None:
    t = trainer(steps=1000)
    seen = []
    for event in t.events():
        seen.append(event.kind)
        if t.standing.step == 5:
            t.stop()
    assert t.standing.step == 5
    assert seen[-1] == "checkpoint"


@pytest.mark.parametrize("clip", [{"clip_norm": 0.01}, {"clip_value": 1e-4, "clip_norm": None}])
def test_clipping_bounds_the_update(clip: dict[str, Any]) -> None:
    t = trainer(
        steps=1,
        optimizer="sgd",
        beta1=0.0,
        weight_decay=0.0,
        warmup=None,
        learning_rate=1.0,
        schedule="constant",
        **clip,
    )
    before = [p.clone() for p in t.model.parameters()]
    metrics = first_step(t).metrics or t.numbers.means(1.0)
    update = [(b - p).detach() for b, p in zip(before, t.model.parameters(), strict=True)]
    if "clip_value" in clip:
        assert max(u.abs().max() for u in update) <= 1.01e-4
    else:
        length = math.sqrt(sum(u.square().sum().item() for u in update))
        assert length == pytest.approx(0.01, rel=0.01)
        assert metrics["gradient_norm"] > 0.01  # it is logged as it was


def exploding(**keys: Any) -> Trainer:
    return trainer(steps=200, model={"cell": "rnn", "activation": "relu"}, optimizer="sgd", warmup=None, **keys)


def checkpointed(t: Trainer) -> Iterator[Event]:
    """The events, with somebody who saves and loads as the checkpoints on the disk would."""
    saved: Any = None

    def recall(_: Trainer) -> None:
        weights, tensors, standing = saved
        t.model.load_state_dict(weights)
        t.load_state(tensors, standing.model_copy(deep=True))

    t.recall = recall
    for event in t.events():
        if event.kind == "checkpoint":
            saved = clones(t.model.state_dict()), clones(t.state()), t.standing.model_copy(deep=True)
        yield event


def clones(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


def test_without_clipping_a_relu_network_explodes_and_recovers_with_a_smaller_rate() -> None:
    t = exploding(learning_rate=60.0, clip_norm=None, explosions=20)
    explosions = [event for event in checkpointed(t) if event.kind == "explosion"]
    assert explosions
    assert t.standing.rate_factor == 0.5 ** len(explosions)
    assert t.standing.step == 200
    assert all(torch.isfinite(p).all() for p in t.model.parameters())


def test_with_clipping_the_same_network_does_not_explode() -> None:
    t = exploding(learning_rate=0.3, clip_norm=1.0)
    assert not [event for event in checkpointed(t) if event.kind == "explosion"]
    t = exploding(learning_rate=60.0, clip_norm=0.005)
    assert not [event for event in checkpointed(t) if event.kind == "explosion"]


def test_after_too_many_explosions_it_gives_up_and_says_what_to_try() -> None:
    t = exploding(learning_rate=1000.0, clip_norm=None, explosions=2)
    seen = []
    with pytest.raises(CharrnnError, match=r"clip_norm.*learning_rate"):
        for event in checkpointed(t):
            seen.append(event.kind)
    assert seen.count("explosion") == 2


def test_a_step_without_a_finite_gradient_is_not_applied() -> None:
    t = trainer(steps=5)
    before = [p.clone() for p in t.model.parameters()]
    with torch.no_grad():
        t.model.readout.__self__.output.bias.fill_(float("nan"))  # type: ignore[attr-defined]
    t.learn(rate=0.1)
    assert t.standing.step == t.numbers.skipped == 1
    after = dict(t.model.named_parameters())
    for (name, now), then in zip(after.items(), before, strict=True):
        assert name == "output.bias" or torch.equal(now, then)


def test_padding_counts_for_nothing() -> None:
    """Ten documents of different lengths in one batch give the mean loss of their characters."""
    documents = np.array([[10 * i, 10 * i + i + 1] for i in range(10)])
    t = trainer(Part(STREAM.ids, documents), batch_size=10, window=50, steps=1, log_every=1)
    before = likelihood(t.model, Part(STREAM.ids, documents)).nats_per_char
    assert first_step(t).metrics["loss"] == pytest.approx(before, rel=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    cut=st.integers(1, 29),
    part=st.sampled_from([STREAM, DOCUMENTS]),
    cell=st.sampled_from(recurrent_cells()),
    optimizer=st.sampled_from(["adamw", "muon", "rmsprop", "sgd"]),
    options=st.sampled_from(OPTIONS),
    kind=st.sampled_from(["step", "checkpoint"]),
)
def test_going_on_gives_what_never_stopping_gives(
    cut: int, part: Part, cell: str, optimizer: str, options: dict[str, Any], kind: str
) -> None:
    keys: dict[str, Any] = {"steps": 30, "optimizer": optimizer, "checkpoint_every": "1 step", **options}
    keys["model"] = {"cell": cell, "num_layers": 2, "dropout": 0.3} | options.get("model", {})
    if cell not in cells_with("weight_dropout"):
        keys["model"].pop("weight_dropout", None)
    whole = trainer(part, **keys)
    expected = last_weights(whole)
    first = trainer(part, **keys)
    for event in first.events():
        if event.kind == kind and first.standing.step == cut:
            break
    second = trainer(part, **keys)
    second.model.load_state_dict(clones(first.model.state_dict()))
    second.load_state(clones(first.state()), first.standing)
    got = last_weights(second)
    assert second.standing.step == whole.standing.step == 30
    for shown in (0, 1):  # those that the last checkpoint shows, and those that were trained
        for name, value in expected[shown].items():
            assert torch.equal(value, got[shown][name]), name


def last_weights(t: Trainer) -> list[dict[str, Tensor]]:
    """Trains to the end: the weights that the last checkpoint shows, and those of the last step."""
    shown: dict[str, Tensor] = {}
    for event in t.events():
        if event.kind == "checkpoint":
            shown = {name: value.clone() for name, value in t.model.state_dict().items()}
    return [shown, t.model.state_dict()]


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_averaged_weights_are_shown_and_do_not_change_the_training(decay: float) -> None:
    t = trainer(steps=12, average_after="5 steps", average_decay=decay)
    after: list[Tensor] = []
    for event in t.events():
        if event.kind == "step" and t.standing.step >= 5 and len(after) < t.standing.step - 4:
            after.append(torch.nn.utils.parameters_to_vector(t.model.parameters()).detach().clone())
        if event.kind == "checkpoint" and t.standing.step == 12:
            shown = torch.nn.utils.parameters_to_vector(t.model.parameters()).detach().clone()
    assert len(after) == 8
    mean = after[0].double()
    for n, weights in enumerate(after[1:], start=2):
        keep = min(decay, (n - 1) / n)
        mean = keep * mean + (1 - keep) * weights
    assert torch.allclose(shown.double(), mean, atol=1e-6)
    assert not torch.allclose(shown, after[-1], atol=1e-4)
    plain = last_weights(trainer(steps=12))[1]
    for name, value in t.model.state_dict().items():
        assert torch.equal(value, plain[name]), name


def test_what_is_evaluated_is_the_average() -> None:
    t = trainer(steps=10, average_after="3 steps", evaluate_every="10 steps")
    for event in t.events():
        if event.kind == "evaluation":
            assert event.metrics["val_loss"] == likelihood(t.model, STREAM).nats_per_char
            shown = event.metrics["val_loss"]
    assert shown != likelihood(t.model, STREAM).nats_per_char


def test_averaging_can_be_switched_off_when_a_training_goes_on() -> None:
    first = trainer(steps=10, average_after="3 steps")
    for event in first.events():
        if event.kind == "checkpoint" and first.standing.step == 10:
            weights, tensors = clones(first.model.state_dict()), clones(first.state())
    second = trainer(steps=20)
    second.model.load_state_dict(weights)
    second.load_state(tensors, first.standing)
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    shown, trained = last_weights(second)
    assert all(torch.equal(value, trained[name]) for name, value in shown.items())


@pytest.mark.parametrize("cell", [*recurrent_cells(), "mlp"])
def test_a_forgotten_stream_begins_in_the_initial_state(cell: str) -> None:
    t = trainer(model={"cell": cell}, forget=0.3, batch_size=16)
    first_step(t)
    batch = t.batches.next()
    t.learn(0.0)
    carried, initial = t.carried.own, t.model.initial_state(16)
    forgotten = 0
    for step in range(100):
        t._draws.manual_seed(step)
        t.carried.own = carried
        state = t.carried.begin(replace(batch, fresh=False), 0.3, t._draws)
        again = [torch.equal(now[b], then[b]) for b in range(16) for now, then in zip(state, initial, strict=True)]
        kept = [torch.equal(now[b], then[b]) for b in range(16) for now, then in zip(state, carried, strict=True)]
        assert all(a or k for a, k in zip(again, kept, strict=True))
        forgotten += sum(again) // len(initial)
    assert 0.2 < forgotten / 1600 < 0.4


def test_a_shorter_window_makes_a_smaller_step() -> None:
    t = trainer(steps=40, window_deviation=3.0, optimizer="sgd", beta1=0, weight_decay=0, warmup=None, clip_norm=None)
    t.config.schedule = "constant"
    lengths = set()
    for _ in range(20):
        before = t.weights.matrices.detach().clone()
        position = t.batches.position.model_copy()
        batch = t.batches.next()
        t.batches.position = position
        lengths.add(len(batch.inputs))
        t.learn(0.02)
        update, gradient = before - t.weights.matrices.detach(), t.weights.matrices.grad
        assert gradient is not None and torch.allclose(
            update, 0.02 * len(batch.inputs) / 9 * gradient, rtol=1e-3, atol=1e-6
        )
    assert len(lengths) > 4


@pytest.mark.parametrize("model", [{"num_layers": 2}, {"cell": "mingru", "output_layers": 1}, {"bidirectional": True}])
def test_penalties_are_those_of_the_last_recurrent_layer(model: dict[str, Any]) -> None:
    """With weights so large that the text plays no part, what the penalty counts becomes small or slow."""
    plain, small, slow = (
        trainer(STREAM, model, steps=60, activation_penalty=alpha, slowness_penalty=beta)
        for alpha, beta in ((0.0, 0.0), (1000.0, 0.0), (0.0, 1000.0))
    )
    size, change = {}, {}
    for name, t in (("plain", plain), ("small", small), ("slow", slow)):
        list(t.events())
        outputs: list[Tensor] = []
        for trunk in t.model.modules():
            if isinstance(trunk, Trunk):
                trunk.dropouts[-1].register_forward_hook(lambda _, inputs, __, into=outputs: into.append(inputs[0]))
        likelihood(t.model, STREAM)
        size[name] = sum(h.square().mean().item() for h in outputs)
        change[name] = sum(h.diff(dim=0).square().mean().item() for h in outputs)
    assert size["small"] < 0.1 * size["plain"]
    assert change["slow"] < 0.1 * change["plain"]


@pytest.mark.parametrize("cell", recurrent_cells())
@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_penalty_is_computed_as_its_equation_is_printed(cell: str, num_layers: int) -> None:
    """Whichever way the layers are computed."""
    sizes = {"num_layers": num_layers, "hidden_size": 16, "embedding_size": 16}
    t = trainer(model={"cell": cell, **sizes}, activation_penalty=2.0, slowness_penalty=3.0)
    ids = torch.randint(V, (8, 3), generator=torch.Generator().manual_seed(0))
    h, _ = t.model.features(ids, t.model.initial_state(3))
    expected = 2.0 * (h**2).mean() + 3.0 * ((h[1:] - h[:-1]) ** 2).mean()
    assert float(torch.as_tensor(t.penalty.take()).detach()) == pytest.approx(expected.item(), rel=1e-5)
    assert t.penalty.take() == 0
    t.model.eval()(ids, t.model.initial_state(3))
    assert t.penalty.take() == 0


def test_forgetting_always_is_training_on_windows_alone() -> None:
    always = trainer(steps=6, forget=1.0)
    alone = trainer(steps=6)
    whole = alone.batches.next
    alone.batches.next = lambda: replace(whole(), fresh=True)  # type: ignore[method-assign]
    expected, got = last_weights(alone)[1], last_weights(always)[1]
    for name, value in expected.items():
        assert torch.equal(value, got[name]), name


@pytest.mark.parametrize("length", [{"steps": 20}, {"minutes": 1.0}])
def test_a_clock_that_is_set_back_neither_ends_a_training_nor_keeps_it_from_ending(length: dict[str, Any]) -> None:
    now, looks = 1e9, count()

    def clock() -> float:
        nonlocal now
        now += -3600.0 if next(looks) == 30 else 1.0
        return now

    t = trainer(**length, clock=clock, evaluate_every="10 steps")
    events = list(zip(range(20_000), t.events(), strict=False))
    assert events[-1][1].kind == "checkpoint"
    assert len(events) < 20_000
    assert all(math.isfinite(value) for _, event in events for value in event.metrics.values())
