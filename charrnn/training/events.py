"""What happens in a training, as its listeners are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from charrnn.config import TrainingConfig
from charrnn.errors import Diverged
from charrnn.training.schedule import Progress


@dataclass(frozen=True)
class Event:
    """Something that happened in a training.

    `step`: a step was made; `metrics` is filled every `log_every` steps, and before evaluations and checkpoints.
    `evaluation`: the validation loss is in `metrics`.
    `sample`: it is time to write one.
    `checkpoint`: it is time to save; the first and the last event are always one.
    `explosion`: several steps in a row had no finite gradient and were not applied: it is time to `load_state` of the
    last checkpoint.
    """

    kind: Literal["step", "evaluation", "sample", "checkpoint", "explosion"]
    progress: Progress
    metrics: dict[str, float] = field(default_factory=dict)
    is_best: bool = False


def diverged(step: int, config: TrainingConfig) -> Diverged:
    """The end of a training that explodes again and again, with what to try."""
    advice = [f"a lower training.learning_rate (it is {config.learning_rate:g})"]
    if config.clip_norm is None and config.clip_value is None:
        advice.insert(0, "training.clip_norm: 1.0 (clipping is off)")
    else:
        advice.append("a smaller training.clip_norm")
    if config.warmup is None:
        advice.append('a warm-up (training.warmup: "5%")')
    return Diverged(
        f"step {step}: the loss or its gradient is no longer finite, and going back to the last checkpoint with half "
        f"the learning rate was tried {config.explosions} times. The last checkpoint is intact. "
        f"Try {', or '.join(advice)}"
    )
