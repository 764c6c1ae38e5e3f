"""The events of a training, and the protocols of a training and of its listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from charrnn.config import TrainingConfig
from charrnn.errors import CharrnnError, Diverged
from charrnn.store.checkpoint import Summary
from charrnn.training.schedule import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from charrnn.models import LanguageModel
    from charrnn.store.checkpoint import Shared


@dataclass(frozen=True)
class Event:
    """Something that happened in a training.

    - `step`: a step was made. `metrics` is filled every `log_every` steps, and before evaluations and checkpoints.
    - `evaluation`: the validation loss is in `metrics`.
    - `sample`: it is time to write a sample.
    - `checkpoint`: it is time to save a checkpoint. The first and the last event of a training are of this kind.
    - `explosion`: several steps in a row had no finite gradient and were not applied. When all listeners have heard of
      it, the training goes back to its last checkpoint.
    """

    kind: Literal["step", "evaluation", "sample", "checkpoint", "explosion"]
    """What happened."""
    progress: Progress
    """How far the training is: `steps`, `minutes`, `epochs`, and the `fraction` of the whole that is done."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What was measured, as in metrics.jsonl: `loss`, `val_loss` (nats), `val_bits_per_char`, ..."""
    is_best: bool = False
    """Whether an evaluation is the best so far."""


class Listener(Protocol):
    """Hears every event of a training, and is closed at its end.

    `charrnn.train` and `charrnn.resume` take such objects and plain functions as `listeners`. A function is called with
    every event, as `hear` is; `event.kind` says what happened. The lines of metrics.jsonl and samples.txt for an event
    are written before they hear of it, and a checkpoint after. With several workers, only the first one has listeners.
    """

    def hear(self, event: Event, /) -> None:
        """Handles an event. The training waits for it. An exception ends the training, and comes out of it."""
        ...

    def close(self) -> None:
        """Is called when a training that has begun ends, with success or not."""
        ...


class _Function:
    """A plain function as a listener."""

    def __init__(self, hear: Callable[[Event], object]) -> None:
        self._hear = hear

    def hear(self, event: Event) -> None:
        """Calls it."""
        self._hear(event)

    def close(self) -> None:
        """Does nothing."""


def as_listeners(given: Sequence[Listener | Callable[[Event], object]]) -> list[Listener]:
    """Listeners, with functions in the form of one. Raises CharrnnError for what is neither."""
    if callable(given):
        raise CharrnnError(f"‹listeners›: {given!r}: a list of functions of an event was expected")
    return [_as_listener(one) for one in given]


def _as_listener(given: Listener | Callable[[Event], object]) -> Listener:
    if not isinstance(given, type):  # a class could be called, and would hear nothing
        if callable(getattr(given, "hear", None)) and callable(getattr(given, "close", None)):
            return cast(Listener, given)
        if callable(given) and not hasattr(given, "hear"):
            return _Function(given)
    raise CharrnnError(
        f"‹listeners›: {given!r}: a function of an event, or an object with the methods hear and close, was expected"
    )


class Training(Protocol):
    """A training, by gradients (`Trainer`) or by counting (`NGramTrainer`)."""

    recall: Callable[[Any], None]
    """Restores the training from its last checkpoint. Whoever saves the checkpoints sets this function."""

    shared: Shared
    """The files that its checkpoints share."""

    @property
    def model(self) -> LanguageModel:
        """The model that learns."""
        ...

    @property
    def standing(self) -> Summary:
        """Where the training stands, as `state.json` of a checkpoint says."""
        ...

    @property
    def progress(self) -> Progress:
        """How far the training is."""
        ...

    def events(self) -> Iterator[Event]:
        """Trains to the end and yields the events."""
        ...

    def state(self) -> dict[str, Tensor]:
        """The tensors that it needs to go on, beside the weights. Also brings `standing` up to date."""
        ...

    def stop(self) -> None:
        """Ends the training after the current step, with a checkpoint."""
        ...

    def save_soon(self) -> None:
        """Asks for a checkpoint after the current step."""
        ...


def diverged(step: int, config: TrainingConfig) -> Diverged:
    """The exception that ends a training that explodes again and again, with advice."""
    advice = [f"a lower training.learning_rate (it is {config.learning_rate:g})"]
    if config.clip_norm is None and config.clip_value is None:
        advice.insert(0, "training.clip_norm: 1.0 (clipping is off)")
    else:
        advice.append("a smaller training.clip_norm")
    if config.warmup is None:
        advice.append('a warm-up (training.warmup: "5%")')
    tries = "once" if config.explosions == 1 else f"{config.explosions} times"
    return Diverged(
        f"step {step}: the loss or its gradient is no longer finite, and going back to the last checkpoint with half "
        f"the learning rate was tried {tries}. The last checkpoint is intact. "
        f"Try {', or '.join(advice)}"
    )
