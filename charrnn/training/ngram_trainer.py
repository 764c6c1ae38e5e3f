"""The training of an n-gram, which counts the text once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from charrnn.config import TrainingConfig
from charrnn.models import NGramModel
from charrnn.store.checkpoint import Summary
from charrnn.terminal import advance, bar
from charrnn.text.dataset import Part
from charrnn.training.events import Event
from charrnn.training.schedule import Progress
from charrnn.training.standing import Standing
from charrnn.training.validation import Validation, metrics

if TYPE_CHECKING:
    from charrnn.store.checkpoint import Shared


class NGramTrainer:
    """Counts a text, evaluates, samples and saves, with the events of a training. It cannot be resumed."""

    recall: Callable[[Any], None] = staticmethod(lambda _: None)
    """Does nothing: counting cannot explode."""
    shared: Shared = MappingProxyType({})
    """Nothing: the n-gram is the model."""

    def __init__(
        self, model: NGramModel, text: Part, validation: Part, config: TrainingConfig, device: torch.device
    ) -> None:
        self.model, self.text = model.to(device), text
        wanted = config.evaluate_characters
        self.validation = Validation(validation, "all" if wanted == "auto" else wanted)
        self.standing = Summary()

    def events(self) -> Iterator[Event]:
        """Counts the whole text and evaluates. Raises CharrnnError for an empty text."""
        started = time.perf_counter()
        with bar(total=self.model.order, desc="count", unit="order", leave=False, delay=1) as shown:
            self.model.fit(self.text, lambda count: advance(shown, count))
        seconds = time.perf_counter() - started
        self.standing = Summary(step=1, seconds=seconds, finished=True)
        megabytes = self.model.nbytes / 2**20
        yield Event("step", self.progress, {"ngrams": self.model.size, "megabytes": megabytes, "seconds": seconds})
        if self.validation.characters:
            measured = self.validation.measure(self.model, Standing())
            self.standing.best = measured.nats_per_char
            yield Event("evaluation", self.progress, metrics(measured), is_best=True)
        yield Event("sample", self.progress)
        yield Event("checkpoint", self.progress)

    @property
    def progress(self) -> Progress:
        """Zero before the text is counted; after that one step, one epoch, and the whole training."""
        done = self.standing.step
        return Progress(done, self.standing.seconds / 60, float(done), float(done))

    def state(self) -> dict[str, Tensor]:
        """An empty dictionary: there is nothing to keep beside the model."""
        return {}

    def stop(self) -> None:
        """Does nothing: counting is too short to be stopped."""

    def save_soon(self) -> None:
        """Does nothing: a checkpoint is written after counting."""
