"""A signal is heeded once, while a training runs, and afterwards belongs to whom it belonged before."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from charrnn.training.events import Training
from charrnn.training.signals import HANG_UP, SAVE, STOP, heeded

HEEDED = [*STOP, *SAVE]


class Asked:
    """A training that counts what it is asked for."""

    def __init__(self) -> None:
        self.stops = self.saves = 0

    def stop(self) -> None:
        self.stops += 1

    def save_soon(self) -> None:
        self.saves += 1

    @property
    def training(self) -> Training:
        return cast(Training, self)


@pytest.fixture
def former() -> Iterator[list[int]]:
    """What whoever had the signals before has received."""
    received: list[int] = []

    def handler(number: int, _: object) -> None:
        received.append(number)

    handlers = {number: signal.signal(number, handler) for number in HEEDED}
    yield received
    for number, own in handlers.items():
        signal.signal(number, own)


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in HEEDED]


@pytest.mark.parametrize("number", STOP)
def test_the_first_one_asks_the_training_to_stop_and_no_one_else_hears_of_it(
    number: signal.Signals, former: list[int]
) -> None:
    asked = Asked()
    with heeded(asked.training) as received:
        assert received.number is None
        signal.raise_signal(number)
        assert received.number is number
    assert (asked.stops, asked.saves, former) == (1, 0, [])
    assert received.number is number


@pytest.mark.parametrize("first", STOP)
@pytest.mark.parametrize("second", STOP)
def test_the_second_one_goes_to_whom_it_belonged_before(
    first: signal.Signals, second: signal.Signals, former: list[int]
) -> None:
    asked = Asked()
    with heeded(asked.training) as received:
        signal.raise_signal(first)
        signal.raise_signal(second)
    assert (asked.stops, former) == (1, [second])
    assert received.number is first


@pytest.mark.usefixtures("former")
def test_a_second_ctrl_c_leaves_at_once() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked, reached = Asked(), []
    with pytest.raises(KeyboardInterrupt), heeded(asked.training):
        signal.raise_signal(signal.SIGINT)
        reached.append("after the first")
        signal.raise_signal(signal.SIGINT)
        reached.append("after the second")
    assert reached == ["after the first"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(not SAVE, reason="the system has no SIGUSR1")
def test_to_save_is_not_to_stop(former: list[int]) -> None:
    asked = Asked()
    with heeded(asked.training) as received:
        for _ in range(3):
            signal.raise_signal(SAVE[0])
        assert (asked.saves, asked.stops, received.number) == (3, 0, None)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(SAVE[0])
        assert (asked.saves, asked.stops) == (4, 1)
    assert former == []


@pytest.mark.usefixtures("former")
@pytest.mark.parametrize("sent", [[], STOP[:1], STOP, SAVE])
@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL, signal.default_int_handler, lambda *_: None])
def test_every_handler_is_put_back_whatever_happened_inside(sent: list[signal.Signals], before: Any) -> None:
    expected = []
    for number in HEEDED:  # those that are sent stay harmless
        signal.signal(number, (lambda *_: None) if number in sent else before)
        expected.append(signal.getsignal(number))
    with heeded(Asked().training):
        assert all(now is not then for now, then in zip(handlers(), expected, strict=True))
        for number in sent:
            signal.raise_signal(number)
    assert handlers() == expected
    with pytest.raises(ZeroDivisionError), heeded(Asked().training):
        for number in sent:
            signal.raise_signal(number)
        raise ZeroDivisionError
    assert handlers() == expected


def test_one_training_inside_another_is_asked_first_and_alone(former: list[int]) -> None:
    outer, inner = Asked(), Asked()
    with heeded(outer.training) as received:
        with heeded(inner.training):
            signal.raise_signal(signal.SIGTERM)
        assert (inner.stops, outer.stops, received.number) == (1, 0, None)
        signal.raise_signal(signal.SIGTERM)
        assert (inner.stops, outer.stops) == (1, 1)
    assert former == []


def test_in_another_thread_nothing_is_touched(former: list[int]) -> None:
    """Python lets only the main thread have signals."""
    before, seen = handlers(), []

    def train() -> None:
        with heeded(Asked().training) as received:
            seen.append((handlers(), received.number))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [(before, None)]
    assert handlers() == before
    assert former == []


@pytest.mark.skipif(not HANG_UP, reason="this system knows no SIGHUP")
def test_a_terminal_that_goes_stops_the_training_once_however_often_it_says_so(former: list[int]) -> None:
    outside = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    try:
        asked = Asked()
        with heeded(asked.training) as received:
            for _ in range(3):
                signal.raise_signal(signal.SIGHUP)
            assert received.number is signal.SIGHUP
        assert (asked.stops, asked.saves, former) == (1, 0, [])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, outside)


@pytest.mark.skipif(not HANG_UP, reason="this system knows no SIGHUP")
def test_a_process_that_was_told_to_outlive_its_terminal_does(former: list[int]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asked = Asked()
        with heeded(asked.training) as received:
            signal.raise_signal(signal.SIGHUP)
        assert received.number is None and asked.stops == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
