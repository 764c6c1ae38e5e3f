"""What the evaluations of a training say of it: one verdict for any sequence of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TOLERANCE = 0.01
"""The share of a loss below which a difference is taken for noise, where no standard error is known."""
LATE = 2 / 3
"""From this share of the steps on, a training is near its end."""
BY_HEART = 0.5
"""A text is known by heart if the loss in training is below this share of the best validation loss ..."""
PASSES = 10
"""... after as many passes over the text."""
MOST = 10_000
"""The most evaluations that are looked at; a training has some ten, and a stranger's file any number."""
UNDERFIT = 0.98
"""A network is underfit if its loss in training is above this share of the validation loss."""

Trend = Literal["once", "falling", "settled", "risen", "risen from the start"]
"""`once`: one evaluation shows no trend. `risen`: it was better before. `risen from the start`: at its first one."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation, in nats per character."""

    step: int
    nats: float
    error: float | None = None
    """The standard error of `nats`."""
    train: float | None = None
    """The mean loss in training since the evaluation before."""
    epochs: float = 0.0
    network: float | None = None
    """The loss of the network alone, if an n-gram stands beside it. `train` is that of the network too."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a training."""

    trend: Trend
    best: Evaluation
    last: Evaluation
    since_best: int
    """The number of evaluations after the best one."""
    tolerance: float
    """The nats per character below which a difference counts for nothing."""
    by_heart: bool
    """Whether the network knows its text by heart, and the rest of the language the worse for it."""
    underfit: bool
    """Whether it knows its text no better than another: more time, or a larger model, could still teach it."""


def judge(evaluations: Sequence[Evaluation]) -> Verdict | None:
    """The verdict on a training with these evaluations; None if there are none."""
    if not evaluations:
        return None
    losses = [one.nats for one in evaluations]
    at = losses.index(min(losses))
    best, last = evaluations[at], evaluations[-1]
    tolerance = _tolerance(best, last)
    early = [one.nats for one in evaluations if one.step <= LATE * last.step] or losses[:1]
    trend: Trend
    if len(evaluations) == 1:
        trend = "once"
    elif last.nats > best.nats + tolerance:
        trend = "risen" if at else "risen from the start"
    elif last.nats < min(early) - tolerance:
        trend = "falling"
    else:
        trend = "settled"
    learnt = last.train is not None and last.train < BY_HEART * best.nats and last.epochs >= PASSES
    by_heart = learnt and trend in ("risen", "risen from the start")
    underfit = last.train is not None and last.train > UNDERFIT * (last.network or last.nats)
    return Verdict(trend, best, last, len(evaluations) - 1 - at, tolerance, by_heart, underfit)


def evaluations_of(history: Iterable[dict[str, Any]]) -> list[Evaluation]:
    """The last MOST evaluations among the lines of metrics.jsonl, without those that an explosion has undone."""
    found: deque[Evaluation] = deque(maxlen=MOST)
    total, losses = 0.0, 0
    for line in history:
        if "loss" in line:
            total, losses = total + line["loss"], losses + 1
        if "val_loss" in line:
            while found and found[-1].step >= line["step"]:
                found.pop()
            train = total / losses if losses else None
            alone = line.get("aside_network")
            found.append(
                Evaluation(line["step"], line["val_loss"], line.get("val_error"), train, line["epochs"], alone)
            )
            total, losses = 0.0, 0
    return list(found)


def _tolerance(one: Evaluation, other: Evaluation) -> float:
    if one.error is None or other.error is None:
        return TOLERANCE * min(one.nats, other.nats)
    return max(one.error, other.error)
