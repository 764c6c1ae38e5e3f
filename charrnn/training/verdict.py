"""What the evaluations of a training say of it: one verdict for any sequence of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TOLERANCE = 0.01
"""The share of a loss below which a difference is taken for noise, where no standard error is known."""
LEAST = 0.001
"""The share of a loss below which a difference counts for nothing, also where the standard error is 0 because all that
is held out was read."""
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
Level = Literal["worse", "equal", "better"]


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
    ngram: float | None = None
    """The loss of that n-gram alone. Both are measured on a text that was set aside, and neither has learnt from it."""

    @property
    def level(self) -> Level | None:
        """Whether the network alone predicts better than the n-gram; None where that is not known."""
        if self.network is None or self.ngram is None:
            return None
        noise = TOLERANCE * min(self.network, self.ngram)
        if abs(self.network - self.ngram) <= noise:
            return "equal"
        return "better" if self.network < self.ngram else "worse"


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


class Past:
    """The last MOST evaluations of a training, without those that an explosion has undone."""

    def __init__(self, history: Iterable[dict[str, Any]] = ()) -> None:
        self.evaluations: deque[Evaluation] = deque(maxlen=MOST)
        self._total, self._losses = 0.0, 0
        for line in history:
            self.add(line)

    def add(self, line: dict[str, Any]) -> None:
        """Takes the metrics of a step or an evaluation, as metrics.jsonl has them."""
        if "loss" in line:
            self._total, self._losses = self._total + line["loss"], self._losses + 1
        if "val_loss" in line:
            found = self.evaluations
            while found and found[-1].step >= line["step"]:
                found.pop()
            train = self._total / self._losses if self._losses else None
            aside = line.get("aside_network"), line.get("aside_ngram")
            found.append(
                Evaluation(line["step"], line["val_loss"], line.get("val_error"), train, line["epochs"], *aside)
            )
            self._total, self._losses = 0.0, 0


def evaluations_of(history: Iterable[dict[str, Any]]) -> list[Evaluation]:
    """The last MOST evaluations among the lines of metrics.jsonl, without those that an explosion has undone."""
    return list(Past(history).evaluations)


def _tolerance(one: Evaluation, other: Evaluation) -> float:
    if one.error is None or other.error is None:
        return TOLERANCE * min(one.nats, other.nats)
    return max(one.error, other.error, LEAST * min(one.nats, other.nats))
