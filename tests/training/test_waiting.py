"""Threads spin briefly while other processes want the cores, unless the user has set how they wait."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from charrnn.device import cores
from charrnn.training import waiting
from charrnn.training.waiting import Scheduled, considerate, scheduled

TASKS = Path("/proc/self/task")
pytestmark = pytest.mark.skipif(not TASKS.is_dir(), reason="there is no /proc here")
PERIOD = 0.001


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    if waiting._libgomp() is None:
        pytest.skip("PyTorch has another OpenMP here")


class Cores:
    """A machine on which others want the cores, or do not."""

    def __init__(self) -> None:
        self.wanted = False
        self._ran = self._waited = 0

    def look(self) -> Scheduled:
        self._ran += 100
        self._waited += 100 if self.wanted else 1
        return self._ran, self._waited


def comes_true(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not what() and time.monotonic() < end:
        time.sleep(PERIOD)
    return what()


def threads() -> int:
    return len(list(TASKS.iterdir()))


def test_a_crowd_is_there_exactly_while_others_want_the_cores() -> None:
    machine = Cores()
    with considerate(machine.look, PERIOD):
        alone = threads()
        for _ in range(3):
            machine.wanted = True
            assert comes_true(lambda: threads() >= alone + 2)
            machine.wanted = False
            assert comes_true(lambda: threads() <= alone)
        machine.wanted = True
        assert comes_true(lambda: threads() >= alone + 2)
    assert comes_true(lambda: threads() < alone)


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "passive"), ("GOMP_SPINCOUNT", "7")])
def test_what_the_user_sets_stands(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    before = threading.active_count()
    with considerate():
        assert threading.active_count() == before


def test_a_system_that_tells_nothing_is_left_alone() -> None:
    before = threading.active_count()
    with considerate(lambda: None):
        assert threading.active_count() == before


def test_a_system_that_stops_telling_is_no_error() -> None:
    told: list[Scheduled | None] = [(0, 0), None, (1, 100), None]
    with considerate(lambda: told.pop(0) if told else None, PERIOD):
        assert comes_true(lambda: not told)


def test_one_thread_is_part_of_all() -> None:
    one, every = scheduled(str(threading.get_native_id())), scheduled()
    assert one is not None and every is not None
    assert 0 < one[0] <= every[0] and one[1] <= every[1]
    assert scheduled("0") is None


@pytest.mark.skipif(cores() < 2, reason="there is one core")
def test_threads_are_drawn_together_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOMENT", 0.05)
    torch.ones(1_000_000).exp()  # so that there are threads
    free = os.sched_getaffinity(0)
    python = {thread.native_id for thread in threading.enumerate()}

    def places() -> dict[int, set[int]]:
        return {int(task.name): waiting._cores_of(int(task.name)) for task in TASKS.iterdir()}

    def some_are_held() -> bool:
        held = {thread for thread, own in places().items() if own and own != free}
        assert not held & python
        return bool(held)

    machine = Cores()
    machine.wanted = True
    with considerate(machine.look, PERIOD):
        for _ in range(2):
            assert comes_true(some_are_held)
            assert comes_true(lambda: not some_are_held())
    assert not some_are_held()


def test_a_crowd_changes_no_result() -> None:
    x = torch.arange(200_000, dtype=torch.float32)
    runtime, before = waiting._libgomp(), (x * 3).sum()
    assert runtime is not None
    with waiting._crowd(runtime, cores() + 1):
        assert (x * 3).sum() == before
    assert (x * 3).sum() == before
