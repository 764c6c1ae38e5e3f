"""What happens in a training, as its listeners are told, and what a training is to those who drive it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from torch import Tensor

from charrnn.config import TrainingConfig
from charrnn.errors import Diverged
from charrnn.models import LanguageModel
from charrnn.store.checkpoint import Summary
from charrnn.training.schedule import Progress


@dataclass(frozen=True)
class Event:
    """Something that happened in a training.

    `step`: a step was made; `metrics` is filled every `log_every` steps, and before evaluations and checkpoints.
    `evaluation`: the validation loss is in `metrics`.
    `sample`: it is time to write one.
    `checkpoint`: it is time to save; the first and the last event are always one.
    `explosion`: several steps in a row had no finite gradient and were not applied; the training goes back to its last
    checkpoint when all have heard of it.
    """

    kind: Literal["step", "evaluation", "sample", "checkpoint", "explosion"]
    progress: Progress
    metrics: dict[str, float] = field(default_factory=dict)
    is_best: bool = False


class Listener(Protocol):
    """Is told every event, and at last that there are no more."""

    def hear(self, event: Event) -> None:
        """Takes notice of an event; the training waits."""
        ...

    def close(self) -> None:
        """Ends: the training is over, well or not."""
        ...


class Training(Protocol):
    """What learns from a text, by gradients (`Trainer`) or by counting (`NGramTrainer`)."""

    recall: Callable[[Any], None]
    """Puts it back where its last checkpoint left it. Whoever saves the checkpoints sets it."""

    @property
    def model(self) -> LanguageModel:
        """What learns."""
        ...

    @property
    def standing(self) -> Summary:
        """Where it stands, as a checkpoint tells it."""
        ...

    @property
    def progress(self) -> Progress:
        """How far it is."""
        ...

    def events(self) -> Iterator[Event]:
        """Trains to the end."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What it needs to go on, apart from the weights and `standing`, which is brought up to date."""
        ...

    def stop(self) -> None:
        """Ends it after the current step, with a checkpoint."""
        ...

    def save_soon(self) -> None:
        """Has a checkpoint written after the current step."""
        ...


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
