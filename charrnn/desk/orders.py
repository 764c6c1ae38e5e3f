"""A text that somebody has asked for, and the portions in which it is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from charrnn.errors import NoNumbers
from charrnn.generation.constraints import Constraint, Unfit
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Text, generator
from charrnn.generation.stepper import Held
from charrnn.generation.within import Course
from charrnn.text.vocab import Vocabulary

End = Literal["", "stop", "length", "closed", "error"]


@dataclass(frozen=True)
class Portion:
    """Some characters more of a text."""

    text: str = ""
    bits: Sequence[float] = ()
    """-log2 p of each character of `text`, by the model at temperature 1 without filters."""
    end: End = ""
    """Why the text ends here: `stop` if the model, a stop text or a constraint ended it, `length`, `closed` if the
    server stops, or `error`. Empty as long as it goes on."""
    end_bits: float | None = None
    """-log2 p of the end of the document, where the model wrote one."""
    constraint_bits: float | None = None
    """At the end of a text with a constraint, what that cost in bits per character."""
    fault: Exception | None = None
    """What went wrong, at the `end` of an `error`."""


@dataclass(eq=False)
class Order:
    """A text that is asked for. Sample `index` of a `seed` is the one that `charrnn sample` writes."""

    prompt: Sequence[int]
    length: int
    seed: int
    index: int = 0
    filters: Filters = field(default_factory=Filters)
    stop: str | None = None
    constraint: Constraint | None = None
    deliver: Callable[[Portion], None] = lambda _: None
    """Called with each portion; the last one has an `end`."""
    cancelled: bool = False
    """Set by whoever no longer wants the text."""


class Row:
    """A text in the batch."""

    def __init__(self, order: Order, vocabulary: Vocabulary, pieces: list[str] | None, documents: bool) -> None:
        """`pieces` are `pieces_of` the vocabulary. Raises CharrnnError where the prompt breaks the constraint."""
        self.order, self.left = order, order.length
        self.held: Held = ()
        """What the model knows of the prompt, until the text joins the batch."""
        self.generator = generator(order.seed, order.index)
        self.course: Course | None = None
        if order.constraint is not None:
            try:
                self.course = Course(order.constraint, order.prompt, vocabulary, documents)
            except Unfit as unfit:
                raise unfit.told(vocabulary, order.prompt) from None
        self._text = Text(vocabulary, pieces, order.stop)
        self._pieces = pieces if order.stop is None else None
        self._boundary = vocabulary.boundary
        self._spent = 0.0
        """The bits of bytes that are no whole character yet."""

    def add(self, ids: Sequence[int], bits: Sequence[float]) -> Portion:
        """Takes the next ids with their bits. What comes after the end of the text is left out."""
        if self._pieces is not None and len(ids) < self.left and self._boundary not in ids:
            self.left -= len(ids)  # the usual case: each id is a character, and nothing ends
            portion = Portion("".join([self._pieces[one] for one in ids]), bits)
        else:
            portion = self._one_by_one(ids, bits)
        return portion if math.isfinite(sum(portion.bits) + self._spent) else Portion(end="error", fault=NoNumbers())

    def _one_by_one(self, ids: Sequence[int], bits: Sequence[float]) -> Portion:
        said: list[str] = []
        told: list[float] = []
        end_bits = None
        for one, own in zip(ids, bits, strict=True):
            self.left -= 1
            self._spent += own
            if one == self._boundary:
                end_bits = self._spent
            if text := self._text.add([one], [own], self.left == 0).text:
                said.append(text)
                told += [self._spent, *[0.0] * (len(text) - 1)]
                self._spent = 0.0
            if not self._text.running:
                break
        end: End = "stop" if self._text.ended else "" if self._text.running else "length"
        return Portion("".join(said), told, end, end_bits)
