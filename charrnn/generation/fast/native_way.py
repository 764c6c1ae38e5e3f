"""Runs a plan in C: weights are packed once, the loop over characters is in C, and threads share out the texts."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from charrnn import native
from charrnn.device import cores
from charrnn.generation.fast.mixture import MixedCounts
from charrnn.generation.fast.numpy_way import carried
from charrnn.generation.fast.packed import Packed, aligned
from charrnn.generation.fast.plan import Plan
from charrnn.generation.filters import Doubles, Filters, Floats, Ints, races
from charrnn.generation.stepper import Generators, Held, Stepper, joined

if TYPE_CHECKING:  # one text is written without threads
    from concurrent.futures import ThreadPoolExecutor

GROUP = 48
"""The number of texts that go through all operations together, so that their registers stay in the cache."""
TILE = 6
"""A multiple of the number of texts that a matrix product in sampling.c takes together."""
ALONE = 12
"""The fewest texts for which another thread is worth its start."""


@cache
def library() -> ctypes.CDLL | None:
    """The library of sampling.c, or None where there is no compiler."""
    lib = native.load("sampling")
    if lib is not None:
        number, pointer, real = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float
        lib.sampling_panel.restype = number
        lib.sampling_step.restype = None
        lib.sampling_step.argtypes = [
            pointer,  # ops
            number,  # count
            number,  # rows
            number,  # length
            pointer,  # ids
            pointer,  # logits
            number,  # padded
            pointer,  # counts
            pointer,  # ranks
            pointer,  # seen
        ]
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
        lib.sampling_read.restype = real
        lib.sampling_read.argtypes = [pointer, number, number]
    return lib


def threads() -> int:
    """The number of threads that this process may use: OMP_NUM_THREADS, or the number of its cores."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return cores()


@cache
def _pool(helpers: int) -> ThreadPoolExecutor:
    """Threads that write beside the one that asks. They stay, since a block of few characters is short."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(helpers, "writing")


if hasattr(os, "register_at_fork"):  # a forked process has none of the threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


class NativeStepper(Stepper):
    """A stepper that runs a plan in C."""

    def __init__(self, plan: Plan, counts: MixedCounts | None = None) -> None:
        """`counts` is the n-gram of a mixture."""
        self._plan, self._lib = plan, library()
        assert self._lib is not None
        self._counts = counts
        self._packed = Packed(plan, self._lib.sampling_panel())
        self._threads = threads()
        """The most threads that share the texts."""
        self._shares: list[list[_Group]] = []
        """The groups of each thread."""

    def begin(self, ids: Sequence[int], count: int) -> None:
        """Reads a text in one row, with the output for the last character only, and copies the row to all rows."""
        first = _Group(self._packed, self._lib, slice(0, 1), self._counts)
        first.read(np.array(ids, np.int64)[:, None])
        if count == 1:
            self._shares = [[first]]
        else:
            self.resume(first.state(), [0] * count)

    def state(self) -> Held:
        """Copies of the registers that are carried and of the logits, and the contexts of a mixture's n-gram."""
        return joined([group.state() for groups in self._shares for group in groups])

    def resume(self, state: Held, rows: Sequence[int] = (0,)) -> None:
        """Goes on from copies of these rows of a state, in as many threads as they are worth."""
        index = np.array(rows)
        self._shares = [
            [_Group(self._packed, self._lib, own, self._counts, tuple(a[index[own]] for a in state)) for own in share]
            for share in _shares(len(index), self._threads)
        ]

    def logits(self) -> Floats:
        """The logits of the next character, `[N, V]`."""
        return np.concatenate([g.logits for groups in self._shares for g in groups])[:, : self._plan.vocab_size]

    def step(self, ids: Ints) -> None:
        """Reads one more character in each row, ids `[N]`, by all operations."""
        for groups in self._shares:
            for group in groups:
                group.read(np.ascontiguousarray(ids[None, group.rows]))

    def apart(self) -> list[Stepper]:
        """As many as there are threads, each of which writes in its own alone."""
        own = copy(self)
        own._threads = 1
        return [copy(own) for _ in range(self._threads)]

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

        others = [_pool(len(self._shares) - 1).submit(work, groups) for groups in self._shares[1:]]
        try:
            work(self._shares[0])
        finally:
            for other in others:
                other.result()
        return chosen, gained


class _Group:
    """The registers of some rows, and the operations on them."""

    def __init__(
        self, packed: Packed, lib: Any, rows: slice, counts: MixedCounts | None, state: Held | None = None
    ) -> None:
        """Registers as they are before a text, or as this `state` has them, in as many rows."""
        self.rows, self._lib, self._count = rows, lib, rows.stop - rows.start
        registers, self._ops = packed.registers(self._count)
        self._carried = [registers[name] for name in carried(packed.plan)]
        if state is not None:
            for register, array in zip(self._carried, state, strict=False):
                register[:] = array
        self.logits = registers["logits"]
        self._scratch = aligned(1, self.logits.shape[1])
        self._counts = counts
        if counts is not None:
            reached = counts.reached() if state is None else state[-1]
            self._ranks: npt.NDArray[np.int32] = np.array(reached, order="C")
            self._seen = aligned(1, self.logits.shape[1])

    def state(self) -> Held:
        """The registers that are carried, with their padding, the logits, and the contexts of the n-gram."""
        return (*self._carried, self._ranks) if self._counts is not None else tuple(self._carried)

    def read(self, ids: Ints) -> None:
        """Reads characters in each row, ids `[K, N]`. The logits are those after the last one."""
        self._lib.sampling_step(
            self._ops.ctypes.data,
            len(self._ops),
            self._count,
            len(ids),
            ids.ctypes.data,
            self.logits.ctypes.data,
            self.logits.shape[1],
            *self._mixing,
        )

    def write(self, race: Doubles, warmth: Floats, never: Ints, chosen: Ints, gained: Floats) -> None:
        """Draws and reads K characters with the numbers `race` `[N, K, V]`, into `chosen` and `gained` `[K, N]`.

        `warmth` `[N]` is the temperature of each row.
        """
        rows, length, vocabulary = race.shape
        self._lib.sampling_write(
            self._ops.ctypes.data,
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
            *self._mixing,
        )

    @property
    def _mixing(self) -> tuple[int, int, int] | tuple[None, None, None]:
        """The addresses of the n-gram of a mixture."""
        if self._counts is None:
            return None, None, None
        return self._counts.address, self._ranks.ctypes.data, self._seen.ctypes.data


def _shares(count: int, workers: int) -> list[list[slice]]:
    """The rows of each thread, as a list of groups."""
    workers = max(1, min(workers, count // ALONE))
    share = -(-count // workers)
    share += -share % TILE
    ends = [min(start + share, count) for start in range(0, count, share)]
    return [
        [slice(start, min(start + GROUP, end)) for start in range(i * share, end, GROUP)] for i, end in enumerate(ends)
    ]
