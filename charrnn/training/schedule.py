"""How far a training is, and its learning rate at each moment."""

from __future__ import annotations

import math
from dataclasses import dataclass

from charrnn.config import Interval, TrainingConfig, parse_interval


@dataclass(frozen=True)
class Progress:
    """How far a training is, in each unit of an interval."""

    steps: int
    minutes: float
    epochs: float
    fraction: float
    """The fraction of the whole training that is done, 0 to 1."""

    def count(self, interval: Interval) -> float:
        """How many times `interval` has passed."""
        passed = {
            "steps": self.steps,
            "minutes": self.minutes,
            "epochs": self.epochs,
            "%": 100 * self.fraction,
        }
        return passed[interval.unit] / interval.amount


def progress_of(config: TrainingConfig, steps: int, minutes: float, epochs: float) -> Progress:
    """The progress of a training whose length is given in one or two of the three units: in the one that ends first."""
    _, done, whole = first_to_end(config, steps, minutes, epochs)
    return Progress(steps, minutes, epochs, min(done / whole, 1.0))


def first_to_end(config: TrainingConfig, steps: int, minutes: float, epochs: float) -> tuple[str, float, float]:
    """The unit in which a training ends first; how much of it is done, and how much there is."""
    units = ("minutes", minutes, config.minutes), ("steps", steps, config.steps), ("epochs", epochs, config.epochs)
    given = [(unit, done, whole) for unit, done, whole in units if whole is not None]
    return max(given, key=lambda length: length[1] / length[2])


def is_due(every: str | None, before: Progress, now: Progress) -> bool:
    """Whether a multiple of the interval lies between two moments; False if the interval is None."""
    if every is None:
        return False
    interval = parse_interval(every)
    return math.floor(now.count(interval)) > math.floor(before.count(interval))


def learning_rate(config: TrainingConfig, progress: Progress) -> float:
    """The learning rate at a moment: a linear rise, then a cosine (arXiv:1608.03983), steps, or a constant.

    If the length is given in minutes, the cosine ends when the time is over. The training is then fully annealed on a
    machine of any speed.
    """
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate *= config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * progress.fraction))
    elif config.schedule == "step":
        moments = [progress.count(parse_interval(moment)) for moment in config.decay_at]
        passed = sum(count >= 1 for count in moments)
        if not moments:
            passed = math.floor(progress.count(parse_interval(config.decay_every)))
        rate *= config.decay_factor**passed
    if config.warmup is not None:
        # At least a hundredth, because the first step would do nothing with a rate of 0.
        rate *= min(1.0, max(progress.count(parse_interval(config.warmup)), 0.01))
    return rate
