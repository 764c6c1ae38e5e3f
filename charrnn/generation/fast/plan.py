"""A model as a list of operations for one character, made from its config and its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from charrnn.config import ModelConfig
from charrnn.generation.filters import Floats
from charrnn.store.weights import Array, Weights


@dataclass(frozen=True)
class Op:
    """An operation on registers, which hold a vector in each row. `numpy_way.py` defines each kind."""

    kind: str
    into: str
    """The register that is changed."""
    of: str = ""
    """A register that is read."""
    also: str = ""
    """Another register that is read; lstm, mingru and minlstm change it too."""
    weight: Floats | None = None
    bias: Floats | None = None


@dataclass
class Plan:
    """Operations in their order, and the registers they work on."""

    vocab_size: int
    widths: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The number of parts of each register, and the width of a part (for an LSTM's gates: 4, and the hidden size)."""
    state: list[str] = field(default_factory=list)
    """The registers that are carried from character to character. They begin as zeros."""
    ops: list[Op] = field(default_factory=list)
    window: tuple[str, int] | None = None
    """The register of a model's window, and its length in characters; None without one. It begins with boundaries."""

    def register(self, name: str, width: int, parts: int = 1, state: bool = False) -> str:
        """Adds a register and returns its name."""
        self.widths[name] = (parts, width)
        if state:
            self.state.append(name)
        return name

    def add(
        self,
        kind: str,
        into: str,
        of: str = "",
        also: str = "",
        weight: Floats | None = None,
        bias: Floats | None = None,
    ) -> None:
        """Adds an operation."""
        self.ops.append(Op(kind, into, of, also, weight, bias))


def make_plan(config: ModelConfig, vocab_size: int, weights: Mapping[str, Array]) -> Plan | None:
    """The plan of a model, or None for a cell that has none here.

    Raises CharrnnError where the weights are not those of such a model.
    """
    if config.cell not in RECURRENCES and config.cell != "mlp":
        return None
    made, take = Plan(vocab_size), Weights(weights)
    embedding = take("embedding.weight", vocab_size, config.embedding_size)
    if config.cell == "mlp":
        x, width = _window(made, config, embedding, take), config.hidden_size
    else:
        made.register("x", config.embedding_size)
        made.add("embed", "x", weight=embedding)
        x, width = _trunk(made, config, take)
    # The output comes last, because a prompt is read without it.
    made.register("logits", vocab_size)
    output = take("output.weight", vocab_size, width), take("output.bias", vocab_size)
    made.add("matrix", "logits", x, weight=output[0], bias=output[1])
    take.done()
    return made


def _window(made: Plan, config: ModelConfig, embedding: Floats, take: Weights) -> str:
    x = made.register("window", config.embedding_size, config.context, state=True)
    made.window = x, config.context
    made.add("slide", x, weight=embedding)
    width = config.context * config.embedding_size
    return _layers(made, "hidden", x, width, config.hidden_size, config.num_layers, config.activation, take)


def _trunk(made: Plan, config: ModelConfig, take: Weights) -> tuple[str, int]:
    """Adds `models.recurrent.Trunk`, which reads the register x. Gives the register of its result, and its width."""
    hidden, width = config.hidden_size, config.embedding_size
    last = width if config.tie_embedding else hidden
    x = _layers(made, "trunk.input_layers", "x", width, hidden, config.input_layers, "relu", take)
    widths = [hidden if config.input_layers else width, *[hidden] * (config.num_layers - 1), last]
    for i, (width, wider) in enumerate(pairwise(widths)):
        name = f"trunk.layers.{i}"
        normed = _norm(made, f"trunk.norms.{i}", config.norm, x, width, take)
        y = RECURRENCES[config.cell](made, config, name, normed, width, wider, take)
        if config.residual and width == wider:
            x = _copy(made, f"{name}.sum", x, width)
            made.add("add", x, y)
        else:
            x = y
    x = _norm(made, f"trunk.norms.{config.num_layers}", config.norm, x, last, take)
    return _layers(made, "trunk.output_layers", x, last, hidden, config.output_layers, "relu", take), last


def _layers(made: Plan, name: str, x: str, width: int, hidden: int, count: int, activation: str, take: Weights) -> str:
    """Adds `count` layers x -> activation(W x + b), and gives the register of the last one."""
    for i in range(count):
        here = f"{name}.{2 * i}"
        y = made.register(here, hidden)
        made.add("matrix", y, x, weight=take(f"{here}.weight", hidden, width), bias=take(f"{here}.bias", hidden))
        made.add(activation, y)
        x, width = y, hidden
    return x


def _norm(made: Plan, name: str, kind: str, x: str, width: int, take: Weights) -> str:
    if kind == "none":
        return x
    y = made.register(name, width)
    weight = take(f"{name}.weight", width)
    made.add(kind, y, x, weight=weight, bias=take(f"{name}.bias", width) if kind == "layer" else None)
    return y


def _copy(made: Plan, name: str, x: str, width: int) -> str:
    made.add("copy", made.register(name, width), x)
    return name


MakeRecurrence = Callable[[Plan, ModelConfig, str, str, int, int, Weights], str]
"""A function that adds a recurrence's operations. It takes the plan, the config, the recurrence's name, the register of
x, the widths of x and of the output, and the weights, and returns the register of the output."""


def _rnn(made: Plan, config: ModelConfig, name: str, x: str, width: int, hidden: int, take: Weights) -> str:
    h, sums = made.register(f"{name}.h", hidden, state=True), made.register(f"{name}.sums", hidden)
    made.add("matrix", sums, x, weight=take(f"{name}.U", hidden, width), bias=take(f"{name}.b", hidden))
    made.add("more", sums, h, weight=take(f"{name}.W", hidden, hidden))
    made.add(config.activation, sums)
    made.add("copy", h, sums)
    return h


def _lstm(made: Plan, config: ModelConfig, name: str, x: str, width: int, hidden: int, take: Weights) -> str:
    h, c = made.register(f"{name}.h", hidden, state=True), made.register(f"{name}.c", hidden, state=True)
    gates = made.register(f"{name}.gates", hidden, 4)
    made.add("matrix", gates, x, weight=take(f"{name}.U", 4 * hidden, width), bias=take(f"{name}.b", 4 * hidden))
    made.add("more", gates, h, weight=take(f"{name}.W", 4 * hidden, hidden))
    made.add("lstm", h, gates, c)
    return h


def _gru(made: Plan, config: ModelConfig, name: str, x: str, width: int, hidden: int, take: Weights) -> str:
    h = made.register(f"{name}.h", hidden, state=True)
    of_x, of_h = made.register(f"{name}.of_x", hidden, 3), made.register(f"{name}.of_h", hidden, 3)
    inside = np.concatenate([np.zeros(2 * hidden, np.float32), take(f"{name}.c", hidden)])
    made.add("matrix", of_x, x, weight=take(f"{name}.U", 3 * hidden, width), bias=take(f"{name}.b", 3 * hidden))
    made.add("matrix", of_h, h, weight=take(f"{name}.W", 3 * hidden, hidden), bias=inside)
    made.add("gru", h, of_x, of_h)
    return h


def _minimal(kind: str, parts: int) -> MakeRecurrence:
    def build(made: Plan, config: ModelConfig, name: str, x: str, width: int, hidden: int, take: Weights) -> str:
        h, last = made.register(f"{name}.h", hidden, state=True), made.register(f"{name}.last", width, state=True)
        gates, shown = made.register(f"{name}.gates", hidden, parts), made.register(f"{name}.shown", hidden)
        y = made.register(f"{name}.y", hidden)
        of_last, of_x = np.split(take(f"{name}.W.weight", parts * hidden, 2 * width), 2, axis=1)
        made.add("matrix", gates, x, weight=of_x, bias=take(f"{name}.W.bias", parts * hidden))
        made.add("more", gates, last, weight=of_last)
        made.add("copy", last, x)
        made.add(kind, shown, gates, h)
        made.add("matrix", y, shown, weight=take(f"{name}.out.weight", hidden, hidden))
        return y

    return build


RECURRENCES: dict[str, MakeRecurrence] = {
    "rnn": _rnn,
    "lstm": _lstm,
    "gru": _gru,
    "mingru": _minimal("mingru", 3),
    "minlstm": _minimal("minlstm", 4),
}
"""The function for each `model.cell`. A cell that is not here writes through PyTorch."""
