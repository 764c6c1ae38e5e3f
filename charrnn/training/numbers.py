"""The numbers of each step on their way from the device to Python."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from statistics import fmean

import torch
from torch import Tensor

LAG = 4
"""Steps after which a GPU's numbers are looked at. By then they have arrived, and nobody waits."""


class Numbers:
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

    def arrived(self, everything: bool = False) -> Iterator[tuple[int, list[float]]]:
        """Those that have come, or `everything`, which is waited for."""
        while len(self._coming) > (0 if everything else self._lag):
            characters, numbers, event = self._coming.popleft()
            if event is not None:
                event.synchronize()
            yield characters, numbers.tolist()

    def forget(self) -> None:
        """Those on their way will not be asked for."""
        self._coming.clear()


class Means:
    """Loss, norm of the gradient and speed since they were last asked for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begins anew."""
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._characters = 0
        self.restart()

    def restart(self) -> None:
        """The time until now is not that of training."""
        self._since = self._clock()

    def add(self, loss: float, norm: float, characters: int) -> None:
        """A step that was applied."""
        self._losses.append(loss)
        self._norms.append(norm)
        self._characters += characters

    def take(self, rate: float) -> dict[str, float]:
        """The means, which are then forgotten; nothing where no step was applied."""
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
        self.forget()
        return metrics
