"""The training of a model that counts: one pass over the text, and it is done."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from charrnn.evaluation.likelihood import likelihood
from charrnn.models.ngram import NGramModel
from charrnn.terminal import advance
from charrnn.text.dataset import Part
from charrnn.training.events import Event
from charrnn.training.schedule import Progress


class Counter:
    """Gives the events of a training for an n-gram: count, evaluate, sample, save. It has no steps to resume."""

    def __init__(self, model: NGramModel, train: Part, validation: Part, boundary: int, device: torch.device) -> None:
        self.model, self.device = model.to(device), device
        self.train, self.validation, self.boundary = train, validation, boundary
        self.step, self.best, self.seconds = 0, math.inf, 0.0

    def stop(self) -> None:
        """Counting is too short to be stopped in between."""

    def save_soon(self) -> None:
        """It saves when it has counted."""

    @property
    def progress(self) -> Progress:
        """Nothing, or all."""
        return Progress(self.step, self.seconds / 60, float(self.step), float(self.step))

    def events(self) -> Iterator[Event]:
        """Counts the whole text and evaluates on `validation`. Raises CharrnnError for an empty one."""
        started = time.perf_counter()
        with tqdm(total=self.model.order, desc="count", unit="order", leave=False, delay=1, disable=None) as bar:
            self.model.fit(self.train, lambda count: advance(bar, count))
        self.step, self.seconds = 1, time.perf_counter() - started
        megabytes = self.model.nbytes / 2**20
        yield Event("step", self.progress, {"ngrams": self.model.size, "megabytes": megabytes, "seconds": self.seconds})
        if self.validation.characters:
            result = likelihood(self.model, self.validation, self.boundary, self.device)
            self.best = result.nats_per_char
            metrics = {"val_loss": result.nats_per_char, "val_bits_per_char": result.bits_per_char}
            yield Event("evaluation", self.progress, metrics, is_best=True)
        yield Event("sample", self.progress)
        yield Event("checkpoint", self.progress)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """No tensors, and the facts that `charrnn info` shows."""
        best = self.best if math.isfinite(self.best) else None
        return {}, {"step": self.step, "seconds": self.seconds, "best": best, "finished": True}
