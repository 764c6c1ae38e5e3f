"""Shortens a plan: what follows from the character alone is computed once for every character."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from charrnn.generation.fast.numpy_way import apply
from charrnn.generation.fast.plan import Op, Plan
from charrnn.generation.filters import Floats

FOLD = 2**20
"""Numbers that a table by character may have, at most; a larger one takes longer to make than it saves."""
ALIKE = ("embed", "matrix", "copy", "relu", "tanh", "layer", "rms")
"""Operations whose result is the same whenever their inputs are."""


def fold(made: Plan) -> Plan:
    """The same plan with everything that follows from the character alone computed now, for every character.

    The first layer's U x + b, say, becomes a table of gates by character. A plan with a window stays as it is: what it
    computes follows from several characters.
    """
    if made.window:
        return made
    known: dict[str, Floats] = {}
    ops: list[Op] = []

    def look_up(name: str) -> None:
        if name in known:
            ops.append(Op("embed", name, weight=known[name]))

    everyone, room = np.arange(made.vocab_size), FOLD
    for op in made.ops:
        ready = op.of in known if op.of else op.kind == "embed" or op.into in known
        size = made.vocab_size * int(np.prod(made.widths[op.into]))
        if ready and op.kind in ALIKE and op.into not in made.state and size <= room:
            apply(op, known, everyone)
            room -= size
            continue
        # A table that this operation reads, or changes, is looked up before it.
        for name in dict.fromkeys((op.of, op.also, op.into)):
            look_up(name)
        known.pop(op.into, None)
        ops.append(op)
    return replace(made, ops=ops)
