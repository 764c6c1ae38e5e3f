"""Texts that a request has asked for, as they come to its coroutine from the thread that writes."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

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
"""The seconds between two lines of an answer: the eye sees no shorter ones, and each costs like ten characters."""
VERSE = 10_000
"""The most characters of a poem. Its form ends it."""


class Written:
    """Some texts of one request. `async for` gives their portions, each with the index of its text, up to the ends."""

    def __init__(self, orders: Sequence[Order], prompt: str, note: str) -> None:
        self.orders = [replace(order, deliver=self._taker(i)) for i, order in enumerate(orders)]
        self.prompt, self.note = prompt, note
        """The prompt as it is shown, and what was taken for what in it."""
        self._portions: deque[tuple[int, Portion]] = deque()
        self._arrived = asyncio.Event()
        self._running = len(self.orders)

    def _taker(self, index: int):  # type: ignore[no-untyped-def]
        def take(portion: Portion) -> None:
            self._portions.append((index, portion))
            self._arrived.set()

        return take

    async def __aiter__(self) -> AsyncIterator[tuple[int, Portion]]:
        """Raises the fault of a text that could not be written, and then no longer wants the others."""
        try:
            while self._running:
                await self._arrived.wait()
                self._arrived.clear()
                for index, portion in self._taken():
                    if portion.fault is not None:
                        raise portion.fault
                    self._running -= bool(portion.end)
                    yield index, portion
                if self._running:
                    await asyncio.sleep(PAUSE)
        finally:
            self.cancel()

    def _taken(self) -> list[tuple[int, Portion]]:
        """What has come, one portion a text."""
        found: dict[int, Portion] = {}
        while self._portions:
            index, portion = self._portions.popleft()
            if (before := found.get(index)) is not None:
                portion = replace(portion, text=before.text + portion.text, bits=[*before.bits, *portion.bits])
            found[index] = portion
        return [*found.items()]

    def cancel(self) -> None:
        """The texts are no longer wanted."""
        for order in self.orders:
            order.cancelled = True


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
