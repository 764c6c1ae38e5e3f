"""The gates of a recurrence: how often they stand open or shut."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.models import State
from charrnn.models.base import RecurrentLayer
from charrnn.models.gru import GRULayer
from charrnn.models.lstm import LSTMLayer
from charrnn.models.minimal import MinGRULayer
from charrnn.models.recurrent import RecurrentModel
from charrnn.models.slstm import SLSTMLayer
from charrnn.report.units import Batch, steps, watched

SHUT, OPEN = 0.1, 0.9
"""Below and above which a gate counts as shut and as open (Karpathy, Johnson & Fei-Fei, arXiv:1506.02078)."""
MOSTLY = 0.9
"""The share of places at which a gate must be open, or shut, to be so mostly."""


@dataclass(frozen=True)
class Gate:
    """A gate of a layer, of which each unit has one."""

    layer: int
    """From 0."""
    name: str
    """Its name in the equations."""
    shut: list[float]
    """The share of places at which it is below 0.1, for each unit."""
    open: list[float]
    """The share of places at which it is above 0.9, for each unit."""


def gates_of(layer: RecurrentLayer, x: Tensor, state: State) -> dict[str, Tensor]:
    """The gates of a step, `[B, H]` each, as the cell's equations have them. None where there are no known ones."""
    if isinstance(layer, MinGRULayer):
        return {"f": layer.gates(torch.cat([state[1], x], dim=-1))[2]}
    if not isinstance(layer, LSTMLayer | GRULayer | SLSTMLayer):
        return {}
    sums = F.linear(x, layer.U, layer.b) + F.linear(state[0], layer.W)
    rows = sums.chunk(3 if isinstance(layer, GRULayer) else 4, dim=-1)
    names = {LSTMLayer: "if o", GRULayer: "rz ", SLSTMLayer: "  fo"}[type(layer)]
    return {name: row.sigmoid() for name, row in zip(names, rows, strict=True) if name != " "}


@torch.no_grad()
def saturation(network: RecurrentModel, batch: Batch) -> list[Gate]:
    """How often each gate of each layer is shut and open while a batch is read."""
    sums: dict[tuple[int, str], Tensor] = {}

    def watch_of(number: int, layer: RecurrentLayer) -> Callable[[Tensor, State], None]:
        step = count()

        def watch(x: Tensor, state: State) -> None:
            _, columns = batch.at(next(step))
            if len(columns):
                for name, gate in gates_of(layer, x[columns], tuple(one[columns] for one in state)).items():
                    both = torch.stack([(gate < SHUT).sum(0), (gate > OPEN).sum(0)])
                    sums[number, name] = sums.get((number, name), torch.zeros_like(both)) + both

        return watch

    with ExitStack() as watching:
        for number, layer in enumerate(network.trunk.layers):
            watching.enter_context(watched(layer, watch_of(number, layer)))
        for _ in steps(network, batch):
            pass
    return [
        Gate(number, name, (shut / len(batch)).tolist(), (opened / len(batch)).tolist())
        for (number, name), (shut, opened) in sums.items()
    ]
