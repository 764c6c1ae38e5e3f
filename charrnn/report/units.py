"""The units of a network's state: their values while it reads a text, and what it predicts when one is overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.errors import CharrnnError
from charrnn.models import State
from charrnn.models.base import RecurrentLayer
from charrnn.models.gru import GRULayer
from charrnn.models.lstm import LSTMLayer
from charrnn.models.minimal import MinGRULayer, MinLSTMLayer
from charrnn.models.recurrent import RecurrentModel
from charrnn.models.rnn import RNNLayer
from charrnn.models.slstm import SLSTMLayer
from charrnn.report.passages import Passage
from charrnn.run import Run

NAMES: dict[type[RecurrentLayer], tuple[str, ...]] = {
    RNNLayer: ("h",),
    GRULayer: ("h",),
    LSTMLayer: ("h", "c"),
    SLSTMLayer: ("h", "c", "n", "m"),
    MinGRULayer: ("h", ""),
    MinLSTMLayer: ("h", ""),
}
"""What the equations call each tensor of a state. The last input, which minGRU also keeps, has no units."""


@dataclass(frozen=True)
class Unit:
    """A number of the state."""

    layer: int
    """From 0."""
    tensor: int
    """Which tensor of the layer's state, from 0."""
    name: str
    """The name of that tensor in the equations."""
    index: int

    def __str__(self) -> str:
        return f"layer {self.layer + 1}, {self.name}[{self.index}]"


def network_of(run: Run) -> RecurrentModel:
    """The recurrent network of a run, or of its mixture. Raises CharrnnError where it has no state that it carries."""
    network = run.model.learner
    if isinstance(network, RecurrentModel):
        return network
    what = "a bidirectional model" if run.config.model.bidirectional else f"a model of the cell {run.config.model.cell}"
    raise CharrnnError(
        f"{run.path}: {what} has no state that it carries from left to right, and so no units to look at; take an rnn, "
        "lstm, gru or another recurrence"
    )


def units_of(network: RecurrentModel) -> list[Unit]:
    """All units, in the order of `read`."""
    return [
        Unit(i, k, name, index)
        for i, layer in enumerate(network.trunk.layers)
        for k, (name, size) in enumerate(zip(_names(layer), layer.state_sizes, strict=True))
        if name
        for index in range(size)
    ]


def _names(layer: RecurrentLayer) -> tuple[str, ...]:
    return NAMES.get(type(layer)) or tuple(f"s{k}" for k in range(len(layer.state_sizes)))


class Batch:
    """Passages side by side as a network reads them."""

    def __init__(self, passages: Sequence[Passage], boundary: int, device: torch.device) -> None:
        self.passages = passages
        longest = max(len(one.ids) for one in passages)
        ids = np.full((longest + 1, len(passages)), boundary, np.int64)
        # The place of each character that is looked at: after which step, and in which column.
        steps, columns = [], []
        for column, one in enumerate(passages):
            ids[1 : len(one.ids) + 1, column] = one.ids
            steps.append(one.places + 1)  # step 0 reads the boundary
            columns.append(np.full(len(one.places), column))
        self.ids = torch.from_numpy(ids).to(device)
        """`[T + 1, B]`: the boundary, and the ids of each passage, padded with boundaries."""
        self.steps = np.concatenate(steps)
        """The step after which each character has been read, `[N]`, passage by passage."""
        self.columns = np.concatenate(columns)
        order = np.argsort(self.steps, kind="stable")
        edges = np.searchsorted(self.steps[order], np.arange(longest + 2))
        self._at = [torch.from_numpy(order[a:b]).to(device) for a, b in pairwise(edges)]
        self._columns = torch.from_numpy(self.columns).to(device)

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """The characters that have been read after a step, and their columns."""
        return self._at[step], self._columns[self._at[step]]


Progress = Callable[[int], None]


@torch.no_grad()
def read(network: RecurrentModel, batch: Batch, progress: Progress = lambda _: None) -> Tensor:
    """The value of each unit after each character, `[N, U]`."""
    units = units_of(network)
    values = network.output.weight.new_empty(len(batch), len(units))
    for step, (_, state) in enumerate(steps(network, batch)):
        rows, columns = batch.at(step)
        if len(rows):
            values[rows] = torch.cat([tensor for tensor, name in _named(network, state) if name], dim=1)[columns]
        progress(len(rows))
    return values


@torch.no_grad()
def bits(network: RecurrentModel, batch: Batch, progress: Progress = lambda _: None, copies: int = 1) -> Tensor:
    """-log2 p of the last id of each character, `[copies, N]`, in float64.

    The copies of the batch are read side by side, so that each may be `overwritten` in its own way.
    """
    found = torch.zeros(copies, len(batch), dtype=torch.float64, device=batch.ids.device)
    for step, (logits, _) in enumerate(steps(network, batch, copies)):
        if step + 1 == len(batch.ids):
            break
        rows, columns = batch.at(step + 1)
        if len(rows):
            own = logits.view(copies, -1, logits.shape[-1])[:, columns].double()
            target = batch.ids[step + 1, columns].expand(copies, -1)
            found[:, rows] = F.cross_entropy(own.flatten(0, 1), target.flatten(), reduction="none").view_as(target)
        progress(len(rows))
    return found / np.log(2)


def steps(network: RecurrentModel, batch: Batch, copies: int = 1) -> Iterator[tuple[Tensor, State]]:
    """The logits and the state after each step, of copies of the batch that are read side by side."""
    state = network.initial_state(copies * batch.ids.shape[1])
    for ids in batch.ids:
        logits, state = network.step(ids.repeat(copies), state)
        yield logits, state


def _named(network: RecurrentModel, state: State) -> list[tuple[Tensor, str]]:
    names = [name for layer in network.trunk.layers for name in _names(layer)]
    return list(zip(state, names, strict=True))


@contextmanager
def overwritten(network: RecurrentModel, unit: Unit, values: Tensor, copy: int = 0) -> Iterator[None]:
    """Within it, each step of a `batch` sets a unit to a value: `values` has one for each step and column, `[T, B]`.

    Of several copies of the batch it is set in this one. Where the state is what the layer hands on, as h is, that is
    overwritten too. It serves one reading.
    """
    layer = network.trunk.layers[unit.layer]
    own, now, columns = layer.step, iter(values), slice(copy * values.shape[1], (copy + 1) * values.shape[1])

    def step(x: Tensor, state: State) -> tuple[Tensor, State]:
        y, after = own(x, state)
        changed = after[unit.tensor].clone()
        changed[columns, unit.index] = next(now)
        if y is after[unit.tensor]:
            y = changed
        return y, (*after[: unit.tensor], changed, *after[unit.tensor + 1 :])

    with _stepping(layer, step):
        yield


@contextmanager
def watched(layer: RecurrentLayer, watch: Callable[[Tensor, State], None]) -> Iterator[None]:
    """Within it, `watch` is given the input and the state before each step of a layer."""
    own = layer.step

    def step(x: Tensor, state: State) -> tuple[Tensor, State]:
        watch(x, state)
        return own(x, state)

    with _stepping(layer, step):
        yield


@contextmanager
def _stepping(layer: RecurrentLayer, step: Callable[[Tensor, State], tuple[Tensor, State]]) -> Iterator[None]:
    """Within it, a layer has another `step`."""
    own = vars(layer)
    before = {"step": own["step"]} if "step" in own else {}
    own["step"] = step
    try:
        yield
    finally:
        del own["step"]
        own.update(before)
