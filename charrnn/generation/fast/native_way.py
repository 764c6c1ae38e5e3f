"""Carries a plan out in C: weights packed once, the loop over characters without Python, texts in groups by thread."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from charrnn import native
from charrnn.device import cores
from charrnn.generation.fast.numpy_way import first_state
from charrnn.generation.fast.plan import Op, Plan
from charrnn.generation.filters import Doubles, Filters, Floats, Ints, races
from charrnn.generation.stepper import Generators, Stepper

KINDS = (
    *("embed", "slide", "matrix", "more", "add", "copy", "relu", "tanh"),
    *("lstm", "gru", "mingru", "minlstm", "layer", "rms"),
)
"""In the order of the enum in sampling.c."""
LANES = 16
"""Floats of a vector there."""
GROUP = 48
"""Texts that go through all operations together: what they have in between stays in the cache."""
TILE = 6
"""Texts that a matrix product takes together."""
NOTHING = -1e30
"""The logit of padding: its probability is 0."""
ALONE = 12
"""Texts for which a further thread is worth its start."""

_Pair = tuple[Floats | None, Floats | None]


class _Op(ctypes.Structure):
    """The struct Op of sampling.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("kind", "width", "in", "out")),
        *((name, ctypes.c_void_p) for name in ("into", "of", "also", "weight", "bias")),
    ]


@cache
def library() -> ctypes.CDLL | None:
    """sampling.c compiled, or None where there is no compiler."""
    lib = native.load("sampling")
    if lib is not None:
        number, pointer = ctypes.c_int64, ctypes.c_void_p
        lib.sampling_panel.restype = number
        lib.sampling_step.argtypes = [pointer, number, number, pointer]
        lib.sampling_step.restype = lib.sampling_write.restype = None
        lib.sampling_write.argtypes = [
            *(pointer, number, number, number, pointer, number, number, ctypes.c_float),
            *(pointer, number, pointer, pointer, pointer, pointer, number),
        ]
        lib.sampling_read.argtypes, lib.sampling_read.restype = [pointer, number, number], ctypes.c_float
    return lib


def threads() -> int:
    """As many as this process may use: OMP_NUM_THREADS, or its cores."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return cores()


class NativeStepper(Stepper):
    """Carries a plan out in C."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._lib = plan, library()
        assert self._lib is not None
        self._weights = _packed(plan, self._lib.sampling_panel())
        self._shares: list[list[_Group]] = []
        """The groups of each thread."""

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads in one row, without the output before the last character, and copies it to all rows."""
        first = _Group(self._plan, self._weights, self._lib, slice(0, 1))
        for i in ids[:-1]:
            first.step(np.array([i]), len(self._plan.ops) - 1)
        first.step(np.array(ids[-1:]))
        self._shares = [
            [_Group(self._plan, self._weights, self._lib, rows, first) for rows in share]
            for share in _shares(count, threads())
        ]

    def logits(self) -> Floats:
        """`[N, V]`."""
        return np.concatenate([g.logits for groups in self._shares for g in groups])[:, : self._plan.vocab_size]

    def step(self, ids: Ints) -> None:
        """All operations in their order."""
        for groups in self._shares:
            for group in groups:
                group.step(np.ascontiguousarray(ids[group.rows]))

    def write(
        self, length: int, generators: Generators, filters: Filters, never: Sequence[int], recent: Ints
    ) -> tuple[Ints, Floats]:
        """The whole loop in C, where nothing but a temperature is asked for."""
        if not filters.only_temperature:
            return super().write(length, generators, filters, never, recent)
        count, forbidden = len(generators), np.array(never, np.int64)
        chosen, gained = np.empty((length, count), np.int64), np.empty((length, count), np.float32)

        def work(groups: list[_Group]) -> None:
            for group in groups:
                here = group.rows
                race = races(generators[here], length, self._plan.vocab_size)
                group.write(race, filters.temperature, forbidden, chosen[:, here], gained[:, here])

        if len(self._shares) == 1:
            work(self._shares[0])
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(len(self._shares)) as pool:
                list(pool.map(work, self._shares))
        return chosen, gained


class _Group:
    """Registers for some rows, and the operations on them."""

    def __init__(self, plan: Plan, weights: list[_Pair], lib: Any, rows: slice, like: _Group | None = None) -> None:
        """As before a text, or with every row as the one of `like`."""
        self.rows, self._plan, self._lib, self._weights = rows, plan, lib, weights
        self._registers: dict[str, Floats] = {}
        before = first_state(plan)
        for name, (parts, width) in plan.widths.items():
            self._registers[name] = _aligned(rows.stop - rows.start, parts * _padded(width))
            self._registers[name][:] = _blocks(before[name], parts, width) if like is None else like._registers[name]
        self.logits = self._registers["logits"]
        self._scratch = _aligned(1, self.logits.shape[1])
        self._ops = (_Op * len(plan.ops))(*map(self._op, plan.ops, weights))

    def _op(self, op: Op, weights: _Pair) -> _Op:
        width = self._plan.widths[op.into][1]
        into, of, also = (self._registers.get(name) for name in (op.into, op.of, op.also))
        assert into is not None
        read = _padded(width) if of is None else of.shape[1]
        pointers = (0 if array is None else array.ctypes.data for array in (into, of, also, *weights))
        return _Op(KINDS.index(op.kind), width, read, into.shape[1], *pointers)

    def step(self, ids: Ints, ops: int | None = None) -> None:
        """Reads a character in each row; with `ops`, the first operations alone."""
        rows = self.rows.stop - self.rows.start
        self._lib.sampling_step(self._ops, len(self._ops) if ops is None else ops, rows, ids.ctypes.data)

    def write(self, race: Doubles, temperature: float, never: Ints, chosen: Ints, gained: Floats) -> None:
        """Writes into `chosen` and `gained` `[K, N]`."""
        rows, length, vocabulary = race.shape
        self._lib.sampling_write(
            *(self._ops, len(self._ops), rows, length),
            *(self.logits.ctypes.data, vocabulary, self.logits.shape[1]),
            max(temperature, 1e-4) if temperature else 0.0,
            *(never.ctypes.data, len(never), race.ctypes.data, self._scratch.ctypes.data),
            *(chosen.ctypes.data, gained.ctypes.data, chosen.strides[0] // chosen.itemsize),
        )


def _shares(count: int, workers: int) -> list[list[slice]]:
    """The rows of each thread, in groups."""
    workers = max(1, min(workers, count // ALONE))
    share = -(-count // workers)
    share += -share % TILE
    ends = [min(start + share, count) for start in range(0, count, share)]
    return [
        [slice(start, min(start + GROUP, end)) for start in range(i * share, end, GROUP)] for i, end in enumerate(ends)
    ]


def _packed(plan: Plan, panel: int) -> list[_Pair]:
    """The weight and the bias of each operation as sampling.c wants them, one after the other in memory."""
    pairs: list[_Pair] = []
    for op in plan.ops:
        (parts, width), weight, bias = plan.widths[op.into], op.weight, op.bias
        if weight is not None and op.kind in ("matrix", "more"):
            # [M, K] to [K, M], both padded, then to panels of columns.
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
    room, start = _aligned(1, sum(array.size for pair in pairs for array in pair if array is not None))[0], 0

    def moved(array: Floats | None) -> Floats | None:
        nonlocal start
        if array is None:
            return None
        start += array.size
        room[start - array.size : start] = array.ravel()
        return room[start - array.size : start]

    return [(moved(weight), moved(bias)) for weight, bias in pairs]


def _panels(table: Floats, panel: int) -> Floats:
    """`[K, M]` to one panel of columns after the other, flat."""
    return table.reshape(len(table), table.shape[1] // panel, panel).swapaxes(0, 1).ravel()


def _padded(width: int) -> int:
    return -(-width // LANES) * LANES


def _aligned(rows: int, columns: int) -> Floats:
    """Zeros that begin at a multiple of 64 bytes, as vectors are read fastest."""
    room = np.zeros(rows * columns + LANES, np.float32)
    start = -(room.ctypes.data // 4) % LANES
    return room[start : start + rows * columns].reshape(rows, columns)


def _blocks(x: Floats, parts: int, width: int) -> Floats:
    """`[N, parts * width]` with each part padded with zeros."""
    padded = np.zeros((len(x), parts, _padded(width)), np.float32)
    padded[..., :width] = x.reshape(len(x), parts, width)
    return padded.reshape(len(x), -1)
