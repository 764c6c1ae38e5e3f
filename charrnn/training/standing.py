"""Where a training stands: one record, written to `state.json` and read from it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from charrnn.files import Count, Record
from charrnn.store.checkpoint import Summary
from charrnn.text.batches import Position


class Averaged(Record):
    """What a training knows of its averaged weights."""

    count: Count = 0
    """Steps that the mean is of."""
    shown: bool = False
    """Whether the model has the mean at this moment, and the weights that are being trained lie beside it."""


class Standing(Summary):
    """All that a training needs to go on, beside tensors."""

    evaluations_since_best: Count = 0
    position: Position = Field(default_factory=Position)
    """Of the batches, after the last step."""
    rate_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    """By which the learning rate is multiplied: explosions halve it."""
    explosions: Count = 0
    learnt: Count = 0
    """Characters, over all passes."""
    evaluated: Count = 0
    """Validation characters at each evaluation; 0 before the first one."""
    average: Averaged = Field(default_factory=Averaged)

    def judge(self, nats: float) -> bool:
        """Notes a validation loss, nats per character; whether it is the best so far."""
        is_best = nats < (math.inf if self.best is None else self.best)
        if is_best:
            self.best = nats
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        return is_best
