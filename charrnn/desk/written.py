"""Texts that a request has asked for, as they come to its coroutine from the thread that writes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from charrnn.desk.limits import Limits
from charrnn.desk.orders import Order, Portion
from charrnn.desk.requests import Sample
from charrnn.desk.shelf import Served
from charrnn.errors import CharrnnError
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import check_length, check_seed

SEEDS = 1_000_000
"""One of so many seeds is drawn, if none is given."""
PAUSE = 0.04
"""The fewest seconds between two lines of an answer: the eye sees no shorter ones."""
SHARE = 0.003
"""The fewest seconds between two lines of all answers together: each costs like several characters."""
VERSE = 10_000
"""The most characters of a poem. Its form ends it."""


@dataclass
class Pace:
    """How fast lines follow each other: the more answers there are at once, the more characters stand in a line."""

    answers: int = 0

    @property
    def pause(self) -> float:
        """The seconds between two lines of an answer."""
        return max(PAUSE, SHARE * self.answers)


class Written:
    """Some texts of one request. `async for` gives their portions, each with the index of its text, up to the ends."""

    def __init__(self, orders: Sequence[Order], prompt: str, note: str, pace: Pace) -> None:
        self.orders = [replace(order, deliver=self._taker(i)) for i, order in enumerate(orders)]
        self.prompt, self.note = prompt, note
        """The prompt as it is shown, and what was taken for what in it."""
        self._pace = pace
        self._portions: list[tuple[int, Portion]] = []
        self._arrived = asyncio.Event()
        """Whether there is something to say, and it is time."""
        self._is_time = True
        self._timer: asyncio.TimerHandle | None = None
        """Until the next line may come."""
        self._written = self._said = len(self.orders)
        """The texts whose end has not come yet, and those whose end was not given yet."""

    def _taker(self, index: int) -> Callable[[Portion], None]:
        def take(portion: Portion) -> None:
            self._portions.append((index, portion))
            self._written -= bool(portion.end)
            if self._is_time or not self._written:
                self._arrived.set()

        return take

    async def __aiter__(self) -> AsyncIterator[tuple[int, Portion]]:
        """Raises the fault of a text that could not be written, and then no longer wants the others."""
        call_later = asyncio.get_running_loop().call_later
        self._pace.answers += 1
        try:
            while self._said:
                await self._arrived.wait()
                self._arrived.clear()
                self._is_time = False
                self._timer = call_later(self._pace.pause, self._now_is_time)
                for index, portion in self._taken():
                    if portion.fault is not None:
                        raise portion.fault
                    self._said -= bool(portion.end)
                    yield index, portion
        finally:
            self._pace.answers -= 1
            if self._timer is not None:
                self._timer.cancel()
            self.cancel()

    def _now_is_time(self) -> None:
        self._is_time = True
        if self._portions:
            self._arrived.set()

    def _taken(self) -> list[tuple[int, Portion]]:
        """What has come, one portion a text."""
        found: dict[int, list[Portion]] = {}
        for index, portion in self._portions:
            found.setdefault(index, []).append(portion)
        self._portions.clear()
        return [(index, _one(portions)) for index, portions in found.items()]

    def cancel(self) -> None:
        """The texts are no longer wanted."""
        for order in self.orders:
            order.cancelled = True


def _one(portions: Sequence[Portion]) -> Portion:
    """Portions of a text, which follow each other, as one."""
    if len(portions) == 1:
        return portions[0]
    text = "".join([portion.text for portion in portions])
    return replace(portions[-1], text=text, bits=[*chain.from_iterable(portion.bits for portion in portions)])


def ordered(served: Served, asked: Sample, limits: Limits) -> tuple[list[Order], str, str]:
    """The texts that a request asks for, the prompt as it is shown, and what was taken for what in it.

    Raises CharrnnError for what `charrnn sample` refuses, and for what is beyond the limits.
    """
    sampling = served.run.config.sampling
    filters = Filters.of(sampling, asked.temperature, asked.top_k, asked.top_p, asked.repetition_penalty)
    if not 1 <= asked.samples <= limits.texts:
        raise CharrnnError(f"‹samples={asked.samples}›: expected 1 to {limits.texts:,}")
    seed = secrets.randbelow(SEEDS) if asked.seed is None else asked.seed
    check_seed(seed)
    verse = asked.form is not None
    length = min(VERSE, limits.length) if verse else min(sampling.length, limits.length)
    length = length if asked.length is None else asked.length
    check_length(length)
    if length > limits.length:
        raise CharrnnError(f"‹length={length}›: this server writes at most {limits.length:,} characters")
    given = asked.prompt if asked.prompt is not None else "" if verse else sampling.prompt
    check_size("prompt", given, limits)
    prompt, note = served.read(given, asked.unknown, asked.strict)
    constraint = served.constraint(asked, seed, len(prompt.ids))
    if constraint is not None and asked.stop is not None:
        raise CharrnnError(f"‹stop={asked.stop}›: a constraint ends a text by itself; leave it out")
    orders = [Order(prompt.ids, length, seed, i, filters, asked.stop, constraint) for i in range(asked.samples)]
    return orders, prompt.text, note


def check_size(name: str, text: str, limits: Limits) -> None:
    """Raises CharrnnError for a text that is too long for the server."""
    if len(text) > limits.length:
        raise CharrnnError(f"{name}: {len(text):,} characters; this server reads at most {limits.length:,}")
