"""What a request has asked for, as it comes to its answer: nothing is lost, whatever pieces it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette", reason="the extra charrnn[serve] is not installed")

from charrnn.desk.orders import Order, Portion
from charrnn.desk.streams import streamed
from charrnn.desk.written import Pace, Written

Pieces = list[tuple[int, str]]


async def _read(pieces: Pieces, texts: int, pace: Pace, between: Callable[[int], float]) -> list[tuple[int, Portion]]:
    """The portions that an answer has of pieces that are delivered with pauses between them."""
    written = Written([Order([], 10, 0) for _ in range(texts)], "", "", pace)

    async def deliver() -> None:
        for number, (index, text) in enumerate(pieces):
            written.orders[index].deliver(Portion(text, [1.0] * len(text)))
            if between(number) >= 0:
                await asyncio.sleep(between(number))
        for order in written.orders:
            order.deliver(Portion(end="length"))

    delivering = asyncio.create_task(deliver())
    found = [one async for one in written]
    await delivering
    return found


@given(
    pieces=st.lists(st.tuples(st.integers(0, 2), st.text("abc", min_size=1, max_size=3)), max_size=20),
    pauses=st.lists(st.sampled_from([-1.0, 0.0, 0.001]), min_size=20, max_size=20),
    answers=st.integers(0, 10),
)
@settings(max_examples=25, deadline=None)
def test_nothing_is_lost_and_each_text_ends_once(pieces: Pieces, pauses: list[float], answers: int) -> None:
    pace = Pace(answers)
    found = asyncio.run(_read(pieces, 3, pace, lambda number: pauses[number]))
    for index in range(3):
        own = [portion for at, portion in found if at == index]
        assert "".join(portion.text for portion in own) == "".join(text for at, text in pieces if at == index)
        assert all(len(portion.bits) == len(portion.text) for portion in own)
        assert [portion.end for portion in own] == [*[""] * (len(own) - 1), "length"]
    assert pace.answers == answers


def test_what_comes_at_once_is_one_line() -> None:
    found = asyncio.run(_read([(0, "a")] * 50, 1, Pace(), lambda _: -1.0))
    assert [portion.text for _, portion in found] == ["a" * 50]


def test_the_more_answers_the_longer_a_line() -> None:
    pauses = [Pace(answers).pause for answers in range(300)]
    assert pauses == sorted(pauses) and pauses[0] < pauses[-1]
    assert Pace(1).pause == Pace(5).pause  # a few do not feel each other


def test_a_client_that_left_before_the_first_line_ends_its_text() -> None:
    left: list[bool] = []

    async def lines() -> Any:
        yield b"never asked for"

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        await asyncio.sleep(30)

    async def answer() -> None:
        response = streamed(lines(), "text/plain", 20, lambda: left.append(True))
        await response({"type": "http", "asgi": {"spec_version": "2.3"}, "method": "POST"}, receive, send)

    asyncio.run(answer())
    assert left == [True]


def test_an_answer_that_nobody_takes_is_given_up() -> None:
    closed: list[bool] = []

    async def lines() -> Any:
        try:
            while True:
                yield b"a line"
        finally:
            closed.append(True)

    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    taken: list[object] = []

    async def send(message: object) -> None:
        taken.append(message)
        if len(taken) == 5:
            await asyncio.Event().wait()

    async def answer() -> None:
        response = streamed(lines(), "text/plain", 0.05)
        with suppress(anyio.get_cancelled_exc_class()):
            await response({"type": "http", "asgi": {"spec_version": "2.4"}, "method": "POST"}, receive, send)

    asyncio.run(asyncio.wait_for(answer(), 30))
    assert closed == [True] and len(taken) == 5
