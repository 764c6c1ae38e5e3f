"""A plan in the form that sampling.c reads: its weights one after the other in memory, its registers likewise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from charrnn.generation.fast.numpy_way import first_state
from charrnn.generation.fast.plan import Plan
from charrnn.generation.filters import Floats

KINDS = (
    "embed",
    "slide",
    "matrix",
    "more",
    "add",
    "copy",
    "relu",
    "tanh",
    "lstm",
    "gru",
    "mingru",
    "minlstm",
    "layer",
    "rms",
)
"""The kinds of operations, in the order of the enum in sampling.c."""
LANES = 16
"""A multiple of the number of floats of a vector in sampling.c."""
NOTHING = -1e30
"""The logit of padding, which makes its probability 0."""
NOWHERE = -1

_Pair = tuple[Floats | None, Floats | None]
Table = npt.NDArray[np.int64]


class Packed:
    """The weights of a plan, and where its registers lie."""

    def __init__(self, plan: Plan, panel: int) -> None:
        """`panel` is that of sampling.c: the columns of a matrix that it reads together."""
        self.plan = plan
        self._weights = _packed(plan, panel)
        self._widths = {name: parts * _padded(width) for name, (parts, width) in plan.widths.items()}
        starts = np.cumsum([0, *self._widths.values()]).tolist()
        self._starts, self._width = dict(zip(self._widths, starts, strict=False)), starts[-1]
        before = first_state(plan)
        self._before = {name: _blocks(x, *plan.widths[name]) for name, x in before.items() if x.any()}
        """The registers that are not zeros before a text."""
        self._ops = np.array([self._op(number) for number in range(len(plan.ops))], np.int64)
        """The struct Op of sampling.c in each row, which has 8 bytes for each field."""
        self._read = np.array([[self._starts.get(x, NOWHERE) for x in (op.into, op.of, op.also)] for op in plan.ops])
        """Where the registers of each operation begin, in texts of one row."""

    def _op(self, number: int) -> list[int]:
        op = self.plan.ops[number]
        width = self.plan.widths[op.into][1]
        read = self._widths.get(op.of, _padded(width))
        addresses = (0 if array is None else array.ctypes.data for array in self._weights[number])
        return [KINDS.index(op.kind), width, read, self._widths[op.into], 0, 0, 0, *addresses]

    def registers(self, rows: int) -> tuple[dict[str, Floats], Table]:
        """Registers `[rows, width]` as they are before a text, and the operations on them."""
        room = aligned(1, rows * self._width)[0]
        registers = {
            name: room[rows * start : rows * (start + self._widths[name])].reshape(rows, self._widths[name])
            for name, start in self._starts.items()
        }
        for name, before in self._before.items():
            registers[name][:] = before
        ops = self._ops.copy()
        ops[:, 4:7] = np.where(self._read == NOWHERE, 0, room.ctypes.data + room.itemsize * rows * self._read)
        return registers, ops


def _packed(plan: Plan, panel: int) -> list[_Pair]:
    """The weight and the bias of each operation in the form that sampling.c reads, one after the other in memory."""
    pairs: list[_Pair] = []
    for op in plan.ops:
        parts, width = plan.widths[op.into]
        weight, bias = op.weight, op.bias
        if weight is not None and op.kind in ("matrix", "more"):
            # From [M, K] to [K, M] with both sides padded, then to panels of columns.
            columns = _blocks(weight.T, parts, width)
            table = _blocks(columns.T, *plan.widths[op.of]).T
            whole = table.shape[1] // panel * panel
            weight = np.concatenate([_panels(table[:, :whole], panel), _panels(table[:, whole:], LANES)])
        elif weight is not None:
            weight = _blocks(np.atleast_2d(weight), 1 if op.kind == "slide" else parts, width)
        if bias is not None:
            bias = _blocks(np.atleast_2d(bias), parts, width)
            if op.into == "logits":
                bias[0, width:] = NOTHING
        pairs.append((weight, bias))
    room, start = aligned(1, sum(array.size for pair in pairs for array in pair if array is not None))[0], 0

    def moved(array: Floats | None) -> Floats | None:
        nonlocal start
        if array is None:
            return None
        start += array.size
        room[start - array.size : start] = array.ravel()
        return room[start - array.size : start]

    return [(moved(weight), moved(bias)) for weight, bias in pairs]


def _panels(table: Floats, panel: int) -> Floats:
    """A table `[K, M]` as a vector `[K * M]`, one panel of columns after the other."""
    return table.reshape(len(table), table.shape[1] // panel, panel).swapaxes(0, 1).ravel()


def _padded(width: int) -> int:
    return -(-width // LANES) * LANES


def aligned(rows: int, columns: int) -> Floats:
    """Zeros `[rows, columns]` that begin at a multiple of 64 bytes, where vectors are read fastest."""
    room = np.zeros(rows * columns + LANES, np.float32)
    start = -(room.ctypes.data // 4) % LANES
    return room[start : start + rows * columns].reshape(rows, columns)


def _blocks(x: Floats, parts: int, width: int) -> Floats:
    """x `[N, parts * width]` with zeros after each part, up to a multiple of LANES."""
    padded = np.zeros((len(x), parts, _padded(width)), np.float32)
    padded[..., :width] = x.reshape(len(x), parts, width)
    return padded.reshape(len(x), -1)
