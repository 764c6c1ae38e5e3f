"""Of several texts the best: one that is likely, does not repeat itself, and has few faults."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

PENALTY = 8.0
"""What each fault weighs, in bits: a little more than what a character of a poem does."""
RUN = 24
"""So many bytes of UTF-8 that came before in the same text are a repetition: 24 letters or 8 characters of Chinese,
more than a name or a turn of speech has."""

Judge = Callable[[str], Mapping[str, int]]
"""Names what is wrong with a text, and how often."""


@dataclass(frozen=True)
class Rank:
    """Why one of several texts was chosen: the one with the lowest score."""

    bits: float
    """-log2 of the probability of each character that was written, on average."""
    faults: Mapping[str, int]
    """What is wrong with the text, and how often."""
    score: float
    """The bits, and `PENALTY` for each fault, per character."""

    def document(self) -> dict[str, Any]:
        """It as JSON."""
        return asdict(self)


def rank(text: str, log_prob: float, written: int, judge: Judge) -> Rank:
    """The rank of a text, of which so many characters were `written`, with this ln of their probability."""
    faults = {name: count for name, count in judge(text).items() if count}
    bits, written = -log_prob / math.log(2), max(1, written)
    return Rank(bits / written, faults, (bits + PENALTY * sum(faults.values())) / written)


def repetition(text: str) -> dict[str, int]:
    """How many characters begin a run of `RUN` bytes that stands in the text before, `{"repetition": ...}`."""
    data = text.encode("utf-8", "surrogatepass")
    begins = (i for i in range(len(data) - RUN + 1) if data[i] & 0xC0 != 0x80)  # no second byte of a character
    runs = Counter(data[i : i + RUN] for i in begins)
    return {"repetition": sum(count - 1 for count in runs.values())}
