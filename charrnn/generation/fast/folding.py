"""Shortens a plan: values that depend only on the character are computed once for every character."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from charrnn.generation.fast.numpy_way import apply
from charrnn.generation.fast.plan import Op, Plan
from charrnn.generation.filters import Floats

FOLD = 2**20
"""The most numbers of the tables together; larger ones take longer to make than they save."""
ALIKE = ("embed", "matrix", "copy", "relu", "tanh", "layer", "rms")
"""The operations whose result depends only on the registers that they read."""


def fold(made: Plan) -> Plan:
    """The plan with tables of everything that depends only on the character.

    For example, the first layer's U x + b becomes a table `[V, gates * H]`. A plan with a window stays as it is: its
    values depend on several characters.
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
        # Tables that this operation reads or changes are looked up before it.
        for name in dict.fromkeys((op.of, op.also, op.into)):
            look_up(name)
        known.pop(op.into, None)
        ops.append(op)
    return replace(made, ops=ops)
