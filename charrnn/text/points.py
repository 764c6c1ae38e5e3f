"""Code points: counted, and shown in messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CODE_POINTS = 0x110000
"""The number of code points of Unicode."""


def count(piece: str, counts: npt.NDArray[np.int64]) -> None:
    """Adds a piece's code points to `counts`. ASCII is counted two characters at a time, which is twice as fast."""
    if piece.isascii():
        data = np.frombuffer(piece.encode("ascii"), np.uint8)
        even = len(data) // 2 * 2
        pairs = np.bincount(data[:even].view(np.uint16), minlength=65536).reshape(256, 256)
        counts[:256] += pairs.sum(axis=0) + pairs.sum(axis=1)
        counts[data[even:]] += 1
    else:
        found = np.bincount(code_points(piece))
        counts[: len(found)] += found


def code_points(piece: str) -> npt.NDArray[np.int32]:
    """The code points of a text."""
    return np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.int32)


def codes(text: str) -> str:
    """The code points of a text, as U+79CB."""
    return " ".join(f"U+{ord(character):04X}" for character in text)


def visible(text: str) -> str:
    """The text, or nothing if one does not see it."""
    return text if text.isprintable() else ""


def listed(entries: Sequence[str], most: int = 20, between: str = " ") -> str:
    """The first entries of a list, and how many more there are."""
    more = f" and {len(entries) - most} more" if len(entries) > most else ""
    return between.join(entries[:most]) + more
