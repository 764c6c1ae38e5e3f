"""The operations of a plan in NumPy. They define each kind of operation, and run where there is no compiler."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from charrnn.generation.fast.plan import Op, Plan
from charrnn.generation.filters import Floats, Ints
from charrnn.generation.stepper import Held, Stepper


def apply(op: Op, registers: dict[str, Floats], ids: Ints) -> None:
    """Runs one operation. Each register is `[N, width]`; ids `[N]` are the characters that are read."""
    r, into = registers, op.into
    weight, bias = op.weight, op.bias
    match op.kind:
        case "embed":
            assert weight is not None
            r[into] = weight[ids].copy()
        case "slide":  # moves the window on by one character
            assert weight is not None
            r[into] = np.concatenate([r[into][:, weight.shape[1] :], weight[ids]], axis=1)
        case "matrix":
            assert weight is not None
            r[into] = r[op.of] @ weight.T
            if bias is not None:
                r[into] += bias
        case "more":
            assert weight is not None
            r[into] += r[op.of] @ weight.T
        case "add":
            r[into] += r[op.of]
        case "copy":
            r[into] = r[op.of].copy()
        case "relu":
            np.maximum(r[into], 0, out=r[into])
        case "tanh":
            np.tanh(r[into], out=r[into])
        case "lstm":
            i, f, g, o = np.split(r[op.of], 4, axis=1)
            r[op.also] = sigmoid(f) * r[op.also] + sigmoid(i) * np.tanh(g)
            r[into] = sigmoid(o) * np.tanh(r[op.also])
        case "gru":
            (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(r[op.of], 3, axis=1), np.split(r[op.also], 3, axis=1)
            z = sigmoid(x_z + h_z)
            r[into] = (1 - z) * np.tanh(x_n + sigmoid(x_r + h_r) * h_n) + z * r[into]
        case "mingru":
            v, out, f = np.split(r[op.of], 3, axis=1)
            r[op.also] = v + sigmoid(f) * (r[op.also] - v)
            r[into] = r[op.also] * out * sigmoid(out)
        case "minlstm":
            v, out, f, i = np.split(r[op.of], 4, axis=1)
            f, i = sigmoid(f), sigmoid(i)
            r[op.also] = (f * r[op.also] + i * v) / (f + i)
            r[into] = r[op.also] * out * sigmoid(out)
        case "layer":
            x = r[op.of] - r[op.of].mean(1, keepdims=True)
            r[into] = x / np.sqrt((x * x).mean(1, keepdims=True) + np.float32(1e-5)) * weight + bias
        case "rms":
            x = r[op.of]
            r[into] = x / np.sqrt((x * x).mean(1, keepdims=True) + np.finfo(np.float32).eps) * weight


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x), without overflow."""
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)


def first_state(plan: Plan) -> dict[str, Floats]:
    """The registers `[1, width]` before anything is read."""
    registers = {name: np.zeros((1, parts * width), np.float32) for name, (parts, width) in plan.widths.items()}
    if plan.window:
        name, context = plan.window
        registers[name] = np.tile(plan.ops[0].weight[-1:], context)  # type: ignore[index]
    return registers


def carried(plan: Plan) -> list[str]:
    """The registers that say where a text stands; the others are made anew for each character."""
    return [*plan.state, "logits"]


class NumpyStepper(Stepper):
    """A stepper that runs a plan in NumPy, all rows at once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._registers = first_state(plan)

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text in one row, with the output for the last character only, and copies the row to all rows."""
        self._registers = first_state(self._plan)
        for i in ids:
            for op in self._plan.ops[:-1]:
                apply(op, self._registers, np.array([i]))
        apply(self._plan.ops[-1], self._registers, np.array(ids[-1:]))
        self._registers = {name: value.repeat(count, axis=0) for name, value in self._registers.items()}

    def state(self) -> Held:
        """Copies of the registers that are carried, and of the logits."""
        return tuple(self._registers[name].copy() for name in carried(self._plan))

    def resume(self, state: Held, rows: Sequence[int] = (0,)) -> None:
        """Goes on from copies of these rows of a state."""
        own = (array[list(rows)] for array in state)
        self._registers = {**first_state(self._plan), **dict(zip(carried(self._plan), own, strict=True))}

    def logits(self) -> Floats:
        """The logits of the next character, `[N, V]`."""
        return self._registers["logits"]

    def step(self, ids: Ints) -> None:
        """Reads one more character in each row, ids `[N]`, by all operations."""
        for op in self._plan.ops:
            apply(op, self._registers, ids)
