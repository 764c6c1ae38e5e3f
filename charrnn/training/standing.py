"""Where a training stands: one record, which is written to `state.json` and read from it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from charrnn.files import Count, Record
from charrnn.store.checkpoint import Summary
from charrnn.text.batches import Position


class Averaged(Record):
    """Where the average of the weights stands."""

    count: Count = 0
    """The number of steps in the mean."""
    shown: bool = False
    """Whether the model has the mean at this moment; the trained weights are then kept beside it."""


class Standing(Summary):
    """All that a training needs to go on, beside its tensors."""

    evaluations_since_best: Count = 0
    position: Position = Field(default_factory=Position)
    """The position in the batches after the last step."""
    rate_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The factor of the learning rate; each explosion halves it."""
    explosions: Count = 0
    learnt: Count = 0
    """The number of characters that were learnt from, over all passes."""
    evaluated: Count = 0
    """The number of validation characters of each evaluation; 0 before the first one."""
    average: Averaged = Field(default_factory=Averaged)

    def judge(self, nats: float) -> bool:
        """Takes a validation loss in nats per character, and says whether it is the best so far."""
        is_best = nats < (math.inf if self.best is None else self.best)
        if is_best:
            self.best = nats
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        return is_best
