"""Runs a plan in C: weights are packed once, the loop over characters is in C, and threads share out the texts."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn import native
from charrnn.device import cores
from charrnn.generation.fast.mixture import MixedCounts
from charrnn.generation.fast.numpy_way import carried, first_state
from charrnn.generation.fast.plan import Op, Plan
from charrnn.generation.filters import Doubles, Filters, Floats, Ints, races
from charrnn.generation.stepper import Generators, Held, Stepper, joined

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
GROUP = 48
"""The number of texts that go through all operations together, so that their registers stay in the cache."""
TILE = 6
"""A multiple of the number of texts that a matrix product in sampling.c takes together."""
NOTHING = -1e30
"""The logit of padding, which makes its probability 0."""
ALONE = 12
"""The fewest texts for which another thread is worth its start."""

_Pair = tuple[Floats | None, Floats | None]


class _Op(ctypes.Structure):
    """The struct Op of sampling.c."""

    _fields_ = [
        ("kind", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("in", ctypes.c_int64),
        ("out", ctypes.c_int64),
        ("into", ctypes.c_void_p),
        ("of", ctypes.c_void_p),
        ("also", ctypes.c_void_p),
        ("weight", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
    ]


@cache
def library() -> ctypes.CDLL | None:
    """The library of sampling.c, or None where there is no compiler."""
    lib = native.load("sampling")
    if lib is not None:
        number, pointer, real = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float
        lib.sampling_panel.restype = number
        lib.sampling_step.restype = None
        lib.sampling_step.argtypes = [pointer, number, number, pointer]
        lib.sampling_write.restype = None
        lib.sampling_write.argtypes = [
            pointer,  # ops
            number,  # count
            number,  # rows
            number,  # length
            pointer,  # logits
            number,  # vocabulary
            number,  # padded
            pointer,  # temperature
            pointer,  # never
            number,  # nevers
            pointer,  # race
            pointer,  # scratch
            pointer,  # chosen
            pointer,  # gained
            number,  # stride
            pointer,  # counts
            pointer,  # ranks
            pointer,  # seen
        ]
        lib.sampling_count.restype = lib.sampling_mix.restype = None
        lib.sampling_count.argtypes = [pointer, number, pointer, pointer]
        lib.sampling_mix.argtypes = [pointer, number, pointer, pointer, number, pointer]
        lib.sampling_read.restype = real
        lib.sampling_read.argtypes = [pointer, number, number]
    return lib


def threads() -> int:
    """The number of threads that this process may use: OMP_NUM_THREADS, or the number of its cores."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return cores()


class NativeStepper(Stepper):
    """A stepper that runs a plan in C."""

    def __init__(self, plan: Plan, counts: MixedCounts | None = None) -> None:
        """`counts` is the n-gram of a mixture."""
        self._plan, self._lib = plan, library()
        assert self._lib is not None
        self._counts = None if counts is None else counts
        self._weights = _packed(plan, self._lib.sampling_panel())
        self._shares: list[list[_Group]] = []
        """The groups of each thread."""

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text in one row, with the output for the last character only, and copies the row to all rows."""
        first = _Group(self._plan, self._weights, self._lib, slice(0, 1), self._counts)
        for i in ids[:-1]:
            first.step(np.array([i]), len(self._plan.ops) - 1)
        first.step(np.array(ids[-1:]))
        self.resume(first.state(), [0] * count)

    def state(self) -> Held:
        """Copies of the registers that are carried and of the logits, and the contexts of a mixture's n-gram."""
        return joined([group.state() for groups in self._shares for group in groups])

    def resume(self, state: Held, rows: Sequence[int] = (0,)) -> None:
        """Goes on from copies of these rows of a state, in as many threads as they are worth."""
        index = np.array(rows)
        self._shares = [
            [
                _Group(self._plan, self._weights, self._lib, own, self._counts, tuple(a[index[own]] for a in state))
                for own in share
            ]
            for share in _shares(len(index), threads())
        ]

    def logits(self) -> Floats:
        """The logits of the next character, `[N, V]`."""
        return np.concatenate([g.logits for groups in self._shares for g in groups])[:, : self._plan.vocab_size]

    def step(self, ids: Ints) -> None:
        """Reads one more character in each row, ids `[N]`, by all operations."""
        for groups in self._shares:
            for group in groups:
                group.step(np.ascontiguousarray(ids[group.rows]))

    def write(
        self, length: int, generators: Generators, filters: Sequence[Filters], never: Sequence[int], recent: Ints
    ) -> tuple[Ints, Floats]:
        """Draws and reads `length` characters, in a loop in C if only temperatures are set."""
        if not all(own.only_temperature for own in filters):
            return super().write(length, generators, filters, never, recent)
        count, forbidden = len(generators), np.array(never, np.int64)
        warmth = np.array([max(own.temperature, 1e-4) if own.temperature else 0.0 for own in filters], np.float32)
        chosen, gained = np.empty((length, count), np.int64), np.empty((length, count), np.float32)

        def work(groups: list[_Group]) -> None:
            for group in groups:
                here = group.rows
                race = races(generators[here], length, self._plan.vocab_size)
                group.write(race, warmth[here], forbidden, chosen[:, here], gained[:, here])

        if len(self._shares) == 1:
            work(self._shares[0])
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(len(self._shares)) as pool:
                list(pool.map(work, self._shares))
        return chosen, gained


class _Group:
    """The registers of some rows, and the operations on them."""

    def __init__(
        self,
        plan: Plan,
        weights: list[_Pair],
        lib: Any,
        rows: slice,
        counts: MixedCounts | None,
        state: Held | None = None,
    ) -> None:
        """Registers as they are before a text, or as this `state` has them, in as many rows."""
        self.rows, self._plan = rows, plan
        self._lib, self._weights = lib, weights
        self._registers: dict[str, Floats] = {}
        before = first_state(plan)
        for name, (parts, width) in plan.widths.items():
            self._registers[name] = _aligned(rows.stop - rows.start, parts * _padded(width))
            self._registers[name][:] = _blocks(before[name], parts, width)
        if state is not None:
            for name, array in zip(carried(plan), state, strict=False):
                self._registers[name][:] = array
        self.logits = self._registers["logits"]
        self._scratch = _aligned(1, self.logits.shape[1])
        self._counts = counts
        if counts is not None:
            reached = counts.reached() if state is None else state[-1]
            self._ranks: npt.NDArray[np.int32] = np.array(reached, order="C")
            self._seen = _aligned(1, self.logits.shape[1])
        self._ops = (_Op * len(plan.ops))(*map(self._op, plan.ops, weights))

    def _op(self, op: Op, weights: _Pair) -> _Op:
        width = self._plan.widths[op.into][1]
        into, of, also = (self._registers.get(name) for name in (op.into, op.of, op.also))
        assert into is not None
        read = _padded(width) if of is None else of.shape[1]
        pointers = (0 if array is None else array.ctypes.data for array in (into, of, also, *weights))
        return _Op(KINDS.index(op.kind), width, read, into.shape[1], *pointers)

    def state(self) -> Held:
        """The registers that are carried, with their padding, the logits, and the contexts of the n-gram."""
        registers = (self._registers[name] for name in carried(self._plan))
        return (*registers, self._ranks) if self._counts is not None else tuple(registers)

    def step(self, ids: Ints, ops: int | None = None) -> None:
        """Reads a character in each row, ids `[N]`, by the first `ops` operations, or by all of them."""
        rows = self.rows.stop - self.rows.start
        self._lib.sampling_step(self._ops, len(self._ops) if ops is None else ops, rows, ids.ctypes.data)
        if self._counts is not None:
            counts, ranks = self._counts.address, self._ranks.ctypes.data
            self._lib.sampling_count(counts, rows, ranks, ids.ctypes.data)
            if ops is None:
                padded = self.logits.shape[1]
                self._lib.sampling_mix(counts, rows, ranks, self.logits.ctypes.data, padded, self._seen.ctypes.data)

    def write(self, race: Doubles, warmth: Floats, never: Ints, chosen: Ints, gained: Floats) -> None:
        """Draws and reads K characters with the numbers `race` `[N, K, V]`, into `chosen` and `gained` `[K, N]`.

        `warmth` `[N]` is the temperature of each row.
        """
        rows, length, vocabulary = race.shape
        self._lib.sampling_write(
            self._ops,
            len(self._ops),
            rows,
            length,
            self.logits.ctypes.data,
            vocabulary,
            self.logits.shape[1],
            warmth.ctypes.data,
            never.ctypes.data,
            len(never),
            race.ctypes.data,
            self._scratch.ctypes.data,
            chosen.ctypes.data,
            gained.ctypes.data,
            chosen.strides[0] // chosen.itemsize,
            *((None, None, None) if self._counts is None else self._pointers(self._counts)),
        )

    def _pointers(self, counts: MixedCounts) -> tuple[int, int, int]:
        return counts.address, self._ranks.ctypes.data, self._seen.ctypes.data


def _shares(count: int, workers: int) -> list[list[slice]]:
    """The rows of each thread, as a list of groups."""
    workers = max(1, min(workers, count // ALONE))
    share = -(-count // workers)
    share += -share % TILE
    ends = [min(start + share, count) for start in range(0, count, share)]
    return [
        [slice(start, min(start + GROUP, end)) for start in range(i * share, end, GROUP)] for i, end in enumerate(ends)
    ]


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
    """A table `[K, M]` as a vector `[K * M]`, one panel of columns after the other."""
    return table.reshape(len(table), table.shape[1] // panel, panel).swapaxes(0, 1).ravel()


def _padded(width: int) -> int:
    return -(-width // LANES) * LANES


def _aligned(rows: int, columns: int) -> Floats:
    """Zeros `[rows, columns]` that begin at a multiple of 64 bytes, where vectors are read fastest."""
    room = np.zeros(rows * columns + LANES, np.float32)
    start = -(room.ctypes.data // 4) % LANES
    return room[start : start + rows * columns].reshape(rows, columns)


def _blocks(x: Floats, parts: int, width: int) -> Floats:
    """x `[N, parts * width]` with zeros after each part, up to a multiple of LANES."""
    padded = np.zeros((len(x), parts, _padded(width)), np.float32)
    padded[..., :width] = x.reshape(len(x), parts, width)
    return padded.reshape(len(x), -1)
