"""The numbers of each step: on their way from the device to Python, and their means."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from statistics import fmean

import torch
from torch import Tensor

from charrnn.training.distributed import Agreement

LAG = 4
"""Steps after which a GPU's numbers are looked at. By then they have arrived, and nobody waits."""


class Delayed:
    """Small tensors, one a step, given back as lists in the same order: on a CPU at once, from CUDA `LAG` steps later.

    Asking a GPU for a number makes Python wait until the GPU has done all that it was given, and then the GPU wait for
    Python. With a lag neither waits.
    """

    def __init__(self, device: torch.device, lag: int | None = None) -> None:
        self._cuda = device.type == "cuda"
        self._lag = (LAG if self._cuda else 0) if lag is None else lag
        self._coming: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()

    def send(self, characters: int, numbers: Tensor) -> None:
        """A step's characters, which Python knows, and its numbers `[n]` on the device."""
        event = None
        if self._cuda:
            numbers = numbers.to("cpu", non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._coming.append((characters, numbers, event))

    def receive(self, everything: bool = False) -> Iterator[tuple[int, list[float]]]:
        """Characters and numbers of the steps whose time has come; with `everything` of all, which is waited for."""
        while len(self._coming) > (0 if everything else self._lag):
            characters, numbers, event = self._coming.popleft()
            if event is not None:
                event.synchronize()
            yield characters, numbers.tolist()

    def forget(self) -> None:
        """Drops what is on its way."""
        self._coming.clear()


class Numbers:
    """What the steps found: messages for the agreement, and means of loss, norm and speed since they were asked for."""

    def __init__(self, device: torch.device, clock: Callable[[], float], agreement: Agreement) -> None:
        self._clock, self._agreement, self._delayed = clock, agreement, Delayed(device)
        self.skipped = 0
        """Steps in a row that were not applied, the last ones."""
        self._begin()

    def add(self, characters: int, numbers: Tensor) -> None:
        """Takes the characters and the numbers of a step, and looks at those that have come from the device."""
        self._delayed.send(characters, numbers)
        self._look()

    def means(self, rate: float) -> dict[str, float]:
        """The means, which then begin anew; an empty dictionary where no step was applied."""
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
        """Leaves out the time until now: it was spent on something else than training."""
        self._since = self._clock()

    def forget(self) -> None:
        """Drops all steps, those on their way too."""
        self._delayed.forget()
        self.skipped = 0
        self._begin()

    def _begin(self) -> None:
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._characters = 0
        self.restart_clock()

    def _look(self, everything: bool = False) -> None:
        """Takes in the numbers of past steps, which all workers see alike."""
        for characters, (loss, norm, *messages) in self._delayed.receive(everything):
            self._agreement.receive(*messages)
            if math.isfinite(loss) and math.isfinite(norm):
                self.skipped = 0
                self._losses.append(loss)
                self._norms.append(norm)
                self._characters += characters
            else:
                self.skipped += 1
