"""One process holds a run, as long as it lives; what a dead one left holds nothing. Files that are no locks neither."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.store import lock
from charrnn.store.lock import held, holder_of, locked

TAKES = """
import sys
from pathlib import Path
from charrnn.errors import CharrnnError
from charrnn.store.lock import take
print("ready", flush=True)
sys.stdin.readline()
try:
    take(Path("run"))
    print("mine", flush=True)
except CharrnnError as error:
    print(error, flush=True)
sys.stdin.readline()
"""
"""Takes the run when it is told to, and lives until it is told that it may end."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@contextmanager
def another(program: str) -> Iterator[subprocess.Popen[str]]:
    """A process beside this one, at its end a dead one."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def files(run: Path) -> list[str]:
    return sorted(file.name for file in run.iterdir())


@pytest.mark.parametrize("fails", [False, True])
def test_it_is_held_inside_and_free_afterwards(run: Path, fails: bool) -> None:
    assert holder_of(run) is None and not held(run)
    try:
        with locked(run):
            assert holder_of(run) == (os.getpid(), "") and held(run)
            assert files(run) == ["lock"]
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert holder_of(run) is None and files(run) == []
    with locked(run):
        assert held(run)


def test_whoever_holds_it_cannot_take_it_again(run: Path) -> None:
    with locked(run):
        before = (run / "lock").read_text()
        for _ in range(2):
            with pytest.raises(CharrnnError, match=f"process {os.getpid()} "), locked(run):
                raise AssertionError
        assert held(run) and (run / "lock").read_text() == before
        assert files(run) == ["lock"]


def test_a_living_process_holds_what_it_took_and_a_dead_one_does_not(run: Path) -> None:
    with another("input()") as process:
        (run / "lock").write_text(f"{process.pid}")
        assert holder_of(run) == (process.pid, "") and not held(run)
        with pytest.raises(CharrnnError, match=f"process {process.pid} "), locked(run):
            raise AssertionError
        assert (run / "lock").read_text() == f"{process.pid}"
        assert files(run) == ["lock"]
    assert holder_of(run) is None
    with locked(run):
        assert held(run)


def test_of_several_processes_one_gets_it_and_all_others_are_told_which(run: Path) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(another(TAKES)) for _ in range(4)]
        assert [answer(process) for process in processes] == ["ready"] * 4
        for process in processes:
            tell(process)
        answers = {process.pid: answer(process) for process in processes}
        (holder,) = [number for number, words in answers.items() if words == "mine"]
        assert holder_of(run) == (holder, "")
        assert all(f"process {holder} " in words for number, words in answers.items() if number != holder)
        assert files(run) == ["lock"]
    assert holder_of(run) is None


def test_what_another_has_taken_meanwhile_is_left_to_it(run: Path) -> None:
    """The run was deleted under its training, and another one begun in its place."""
    with another("input()") as process:
        with locked(run):
            (run / "lock").write_text(f"{process.pid}")
            assert not held(run)
        assert holder_of(run) == (process.pid, "")


def test_a_lock_of_another_machine_counts_as_long_as_it_is_touched(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a shared disk nobody can ask whether its process lives."""
    (run / "lock").write_text("7 123 elsewhere")
    assert holder_of(run) == (7, "elsewhere") and not held(run)
    with pytest.raises(CharrnnError, match="process 7 of the machine elsewhere"), locked(run):
        raise AssertionError
    assert files(run) == ["lock"]
    now = (run / "lock").stat().st_mtime
    os.utime(run / "lock", (now - 301, now - 301))
    assert holder_of(run) is None
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with locked(run):
        assert held(run)
        os.utime(run / "lock", (now - 301, now - 301))
        while (run / "lock").stat().st_mtime < now - 1:
            time.sleep(0.01)
    assert files(run) == []


def test_a_run_may_be_deleted_under_its_holder(run: Path) -> None:
    with locked(run):
        (run / "lock").unlink()
        run.rmdir()
        assert holder_of(run) is None
    assert not run.exists()


def test_where_there_is_no_folder_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(CharrnnError, match="cannot be written"), locked(tmp_path / "nowhere"):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


@given(
    st.binary(max_size=40)
    | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace"))
    | st.integers(-(2**70), 0).map(lambda number: str(number).encode())
    | st.integers(2**22 + 1, 2**70).map(lambda number: str(number).encode())  # above all numbers of processes on Linux
)
def test_no_content_of_the_file_is_a_holder_that_is_not_alive(content: bytes) -> None:
    run = Path("any")
    run.mkdir(exist_ok=True)
    (run / "lock").write_bytes(content)
    holder = holder_of(run)
    if holder is not None:
        assert holder.process > 0 and int(content.split(b" ")[0]) == holder.process
        if not holder.machine:
            os.kill(holder.process, 0)
        return
    with locked(run):
        assert held(run)
    assert files(run) == []


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "dangling link"])
def test_what_is_no_file_holds_nothing_and_gives_way(kind: str, run: Path) -> None:
    mine = run.parent / "mine.txt"
    mine.write_text("mine")
    own = run / f".lock-{os.getpid()}"  # a stranger's run may hold a link of this name too
    own.symlink_to(mine)
    if kind == "folder":
        (run / "lock" / "inner").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(run / "lock")
    else:
        (run / "lock").symlink_to(mine if kind == "link" else "nowhere")
    assert holder_of(run) is None
    with locked(run):
        assert held(run)
    assert list(run.iterdir()) == []
    assert mine.read_text() == "mine"
