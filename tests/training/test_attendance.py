"""Silent workers are named, told of, and not waited for beyond the time of the training."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from threading import Thread

import pytest
import torch.distributed as dist
from torch.distributed import HashStore  # type: ignore[attr-defined]

from charrnn.training.attendance import Attendance, WorkerLost


class Pending(dist.Work):
    """A collective that others have not joined; it fails once a process has ended."""

    def __init__(self, process: subprocess.Popen[bytes] | None = None, after: float = 0.0) -> None:
        super().__init__()
        self.process, self.over = process, time.monotonic() + after

    def is_completed(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def wait(self, timeout: timedelta = timedelta(0)) -> bool:
        if self.process is None and time.monotonic() >= self.over:
            return True
        time.sleep(0.01)
        raise RuntimeError("not yet")


def three(silence: float, one_machine: bool = True) -> list[Attendance]:
    store = HashStore()
    return [Attendance(store, rank, 3, one_machine, silence) for rank in range(3)]


def until(said: list[str], times: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Waits for lines on standard error."""
    end, lines = time.monotonic() + 20, ""
    while sum(lines.count(text) for text in said) < times and time.monotonic() < end:
        time.sleep(0.01)
        lines += capsys.readouterr().err
    return lines


def test_a_silence_is_told_with_a_name_and_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    workers = three(0.2)
    for worker in workers:
        Thread(target=worker.watch, daemon=True).start()
    time.sleep(0.3)
    assert capsys.readouterr().err == ""  # nobody waits
    workers[0].begin()
    workers[2].begin()
    lines = until(["worker 1 has not answered for"], 2, capsys)
    assert lines.count("worker 1 has not answered for") >= 2
    assert "worker 2" not in lines
    workers[1].begin()  # and still nothing comes
    assert "the workers do not hear each other" in until(["the workers do not hear"], 1, capsys)
    for worker in workers:
        worker.end()


def test_nobody_is_named_who_waits_too() -> None:
    workers = three(0.1)
    workers[0].begin()
    assert workers[0].silent() == [1, 2]
    Thread(target=workers[2].watch, daemon=True).start()
    workers[2].begin()
    end = time.monotonic() + 20
    while workers[0].silent() != [1] and time.monotonic() < end:
        time.sleep(0.01)
    assert workers[0].silent() == [1]
    workers[0].end()
    workers[0].begin()  # the next meeting, for which nobody waits yet
    assert workers[0].silent() == [1, 2]
    workers[2].end()


def test_who_is_silent_when_the_time_is_up_is_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        store = HashStore()
        first = Attendance(store, 0, 2, one_machine=True, silence=0.1)
        store.set("process/1", str(process.pid))
        first.begin()
        with pytest.raises(WorkerLost, match="worker 1 has not answered for 0 s, and the time is up"):
            first.await_until(Pending(process), lambda: True)
        assert process.wait() == -9
    finally:
        process.kill()
        process.wait()


def test_who_only_comes_late_is_waited_for() -> None:
    for one_machine, is_up, silence in ((True, True, 60.0), (True, False, 0.01), (False, True, 0.01)):
        first, *_ = three(silence, one_machine)
        first.begin()
        first.await_until(Pending(after=0.2), lambda is_up=is_up: is_up)  # type: ignore[misc]


def test_a_worker_that_is_gone_is_an_error_at_once() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    first, *_ = three(60.0)
    first.begin()
    with pytest.raises(RuntimeError, match="not yet"):
        first.await_until(Pending(process), lambda: False)
