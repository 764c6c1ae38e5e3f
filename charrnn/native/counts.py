"""The tables of an n-gram in the form that ngram.h reads."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class _Counts(ctypes.Structure):
    """The struct Counts of ngram.h."""

    _fields_ = [
        ("order", ctypes.c_int64),
        ("vocabulary", ctypes.c_int64),
        *((name, ctypes.c_void_p * 8) for name in ("begin", "next", "own", "gamma")),
        ("ln_p1", ctypes.c_void_p),
        ("trust", ctypes.c_void_p),
    ]


class Counts:
    """The tables of an n-gram, and the powers by which it is mixed with a network. Holds the arrays of the struct."""

    def __init__(self, p_1: Array, tables: Sequence[Sequence[Array]], trust: Array | None = None) -> None:
        """p_1 `[V]`; keys, own and gamma of each order from 2 on (see models/ngram.py); trust `[order, 2]`."""
        order, vocabulary = len(tables) + 1, len(p_1)
        self._struct = _Counts(order, vocabulary)
        self._arrays: list[Array] = [np.log(p_1).astype(np.float32)]
        self._arrays.append(np.zeros((order, 2), np.float32) if trust is None else np.ascontiguousarray(trust))
        self._struct.ln_p1, self._struct.trust = (array.ctypes.data for array in self._arrays)
        for m, (keys, own, gamma) in enumerate(tables, 1):
            begin = np.zeros(len(gamma), np.int32)
            np.cumsum(np.bincount(keys[:-1] // vocabulary, minlength=len(gamma) - 1), out=begin[1:])
            following = (keys[:-1] % vocabulary).astype(np.int32)
            own, gamma = own.astype(np.float32), gamma.astype(np.float32)
            for name, array in (("begin", begin), ("next", following), ("own", own), ("gamma", gamma)):
                getattr(self._struct, name)[m] = array.ctypes.data
                self._arrays.append(array)
        self.address = ctypes.addressof(self._struct)

    def __deepcopy__(self, _: object) -> Counts:
        """Itself: nothing changes it."""
        return self
