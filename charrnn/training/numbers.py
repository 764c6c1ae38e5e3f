"""The numbers of each step: their way from the device to Python, and their means."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from statistics import fmean

import torch
from torch import Tensor

from charrnn.training.distributed import Agreement

LAG = 4
"""The number of steps after which a GPU's numbers are read. By then they have arrived, and nobody waits."""


class Delayed:
    """A queue of small tensors, one for each step, which come out as lists: at once on a CPU, after LAG steps on CUDA.

    If Python asks a GPU for a number, Python waits until the GPU has done all its work, and then the GPU waits for
    Python. With a lag neither waits.
    """

    def __init__(self, device: torch.device, lag: int | None = None) -> None:
        self._cuda = device.type == "cuda"
        self._lag = (LAG if self._cuda else 0) if lag is None else lag
        self._coming: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()

    def send(self, characters: int, numbers: Tensor) -> None:
        """Adds a step: the number of its characters, and its numbers `[n]` on the device."""
        event = None
        if self._cuda:
            numbers = numbers.to("cpu", non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._coming.append((characters, numbers, event))

    def receive(self, everything: bool = False) -> Iterator[tuple[int, list[float]]]:
        """Characters and numbers of the steps that are `lag` steps old; with `everything`, of all steps."""
        while len(self._coming) > (0 if everything else self._lag):
            characters, numbers, event = self._coming.popleft()
            if event is not None:
                event.synchronize()
            yield characters, numbers.tolist()

    def forget(self) -> None:
        """Drops the numbers that are on their way."""
        self._coming.clear()


class Numbers:
    """The results of steps: messages for the agreement, and means of loss, gradient norm and speed."""

    def __init__(self, device: torch.device, clock: Callable[[], float], agreement: Agreement) -> None:
        self._clock, self._agreement = clock, agreement
        self._delayed = Delayed(device)
        self.skipped = 0
        """The number of steps in a row, up to the last one, that were not applied."""
        self._begin()

    def add(self, characters: int, numbers: Tensor) -> None:
        """Takes the characters and the numbers of a step, and reads the numbers that have come from the device."""
        self._delayed.send(characters, numbers)
        self._look()

    def means(self, rate: float) -> dict[str, float]:
        """The means since the last call; an empty dictionary if no step was applied. `rate` is the learning rate."""
        self._look(everything=True)
        if not self._losses:
            return {}
        loss, seconds = fmean(self._losses), self._clock() - self._since
        metrics = {
            "loss": loss,
            "bits_per_char": loss / math.log(2),
            "gradient_norm": fmean(self._norms),
            "learning_rate": rate,
            "characters_per_second": self._characters / max(seconds, 1e-9),
        }
        self._begin()
        return metrics

    def restart_clock(self) -> None:
        """Leaves the time until now out of the speed: it was not spent on training."""
        self._since = self._clock()

    def forget(self) -> None:
        """Drops all steps, also those whose numbers are on their way."""
        self._delayed.forget()
        self.skipped = 0
        self._begin()

    def _begin(self) -> None:
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._characters = 0
        self.restart_clock()

    def _look(self, everything: bool = False) -> None:
        """Reads the numbers of past steps, which are the same at all workers."""
        for characters, (loss, norm, *messages) in self._delayed.receive(everything):
            self._agreement.receive(*messages)
            if math.isfinite(loss) and math.isfinite(norm):
                self.skipped = 0
                self._losses.append(loss)
                self._norms.append(norm)
                self._characters += characters
            else:
                self.skipped += 1
