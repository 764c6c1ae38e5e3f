"""What the tools that provoke faults share: the table of faults, a place to provoke them in, and real processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import kill

Fault = Callable[["Place"], str]
FAULTS: dict[str, Fault] = {}
"""The table of the tool that imports this, in its order."""
STEPS = 200
WEIGHTS = "model.safetensors"


class Unexpected(Exception):
    """An outcome that is not the promised one."""


class NotProvoked(Exception):
    """A fault that cannot be brought about here, and why."""


def fault(name: str) -> Callable[[Fault], Fault]:
    """Adds a fault to the table."""

    def add(function: Fault) -> Fault:
        FAULTS[name] = function
        return function

    return add


def expect(is_so: bool, promised: str, process: kill.Process | None = None) -> None:
    """Raises Unexpected where a promise was not kept."""
    if not is_so:
        raise Unexpected(f"not so: {promised}" + (f"; it said: {process.output.strip()}" if process else ""))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Looks again and again, for a minute."""
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise Unexpected(f"waited in vain for {what}")
        time.sleep(0.001)


class Place:
    """A folder with a text, and the training that nothing happens to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[kill.Process] = []
        self.slow = False  # whether what takes more than a minute is provoked
        (folder / "text.txt").write_text(kill.TEXT, encoding="utf-8")
        self.finish("whole")
        self.weights = self.last("whole").joinpath(WEIGHTS).read_bytes()

    def start(self, name: str, out: str | None = None, **training: Any) -> kill.Process:
        """Begins a training, whose run is `out` or `name`."""
        out = out or name
        config = kill.config("lstm", "stream", STEPS)
        config["model"] |= training.pop("model", {})
        config |= {"sampling": training.pop("sampling", {})}
        config["training"] |= training
        (self.folder / f"{name}.json").write_text(json.dumps(config))
        self.remove(out)
        return self.charrnn("train", f"{name}.json", "--out", out)

    def charrnn(self, *command: str, output: str = "output.txt") -> kill.Process:
        """Runs a command."""
        self.processes.append(kill.Process(self.folder, list(command), output=output))
        return self.processes[-1]

    def clear(self) -> None:
        """Ends what a fault with another outcome left behind."""
        for process in self.processes:
            if process.over() is None:
                os.kill(process.id, signal.SIGKILL)
                process.wait()
        self.processes.clear()

    def finish(self, name: str, **training: Any) -> kill.Process:
        """A training from its start to its end."""
        process = self.start(name, **training)
        expect(process.wait() == 0, "exit code 0", process)
        return process

    def resume(self, name: str) -> kill.Process:
        """Goes on with a run, to its end."""
        process = self.charrnn("train", "--resume", name)
        expect(process.wait() == 0, "--resume ends with exit code 0", process)
        return process

    def same_end(self, name: str) -> str:
        """Says that a run ended as if nothing had happened."""
        expect(self.last(name).joinpath(WEIGHTS).read_bytes() == self.weights, "the same weights at the end")
        return "the same end"

    def last(self, name: str) -> Path:
        """Its last checkpoint."""
        return max((self.folder / name / "checkpoints").glob("step-*"))

    def steps(self, name: str) -> int:
        """The step of its last checkpoint, -1 for none."""
        found = [int(file.name[5:]) for file in (self.folder / name / "checkpoints").glob("step-*")]
        return max(found, default=-1)

    def until(self, name: str, step: int) -> None:
        """Waits for a checkpoint."""
        wait_until(lambda: self.steps(name) >= step, f"step {step} of {name}")

    def remove(self, name: str) -> None:
        """Makes room for a run."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def copy(self, name: str) -> str:
        """A run that stopped in the middle, to be damaged: its name."""
        if not (self.folder / "half").exists():
            process = self.start("half")
            self.until("half", 100)
            os.kill(process.id, signal.SIGTERM)
            process.wait()
        self.remove(name)
        shutil.copytree(self.folder / "half", self.folder / name)
        return name


@contextlib.contextmanager
def paused(process: kill.Process) -> Iterator[None]:
    """The process stands still inside."""
    os.kill(process.id, signal.SIGSTOP)
    try:
        # A thread that is in the middle of something on the disk ends it first.
        for _ in range(1000):
            threads = Path(f"/proc/{process.id}/task").glob("*/stat")
            if all(one.read_text().rsplit(")", 1)[1].split()[0] == "T" for one in threads):
                break
            time.sleep(0.01)
        yield
    finally:
        os.kill(process.id, signal.SIGCONT)


@contextlib.contextmanager
def own_disk(folder: Path) -> Iterator[None]:
    """`folder` is a file system of 2 MB of its own. Raises NotProvoked where that may not be."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "charrnn-faults", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        folder.rmdir()
        raise NotProvoked("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def said(process: kill.Process, what: str) -> None:
    """Waits for a message."""
    wait_until(lambda: what in process.output or process.over() is not None, f"the message {what!r}")
    expect(what in process.output, f"the message {what!r}", process)


def fill(folder: Path) -> Path:
    """Leaves no room."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    return ballast


def outcome(name: str, place: Place) -> tuple[str, bool]:
    """What came of a fault, and whether it is not the promised outcome."""
    try:
        return FAULTS[name](place), False
    except NotProvoked as reason:
        return f"not provoked: {reason}", False
    except Unexpected as error:
        return "**WRONG**: " + " ⏎ ".join(str(error).splitlines()), True
    finally:
        place.clear()


@cache
def python_for_all() -> str:
    """This version of Python where everybody may run it. Raises NotProvoked where there is none."""
    version = f"python3.{sys.version_info.minor}"
    for found in (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin:/bin")):
        if found:
            real = Path(found).resolve()
            parts = (real, *real.parents, *Path(found).absolute().parents, *Path(__file__).resolve().parents)
            if all(part.stat().st_mode & 0o001 for part in parts):
                return found
    raise NotProvoked(f"there is no {version} that another user may run, or this folder is not for him to read")


def python_path() -> str:
    """The folders in which this process finds its modules."""
    return os.pathsep.join(filter(None, sys.path))


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    code: int
    out: str
    err: str
    seconds: float
    megabytes: float
    """The peak of its memory, beyond what it had when it began (PyTorch among it)."""

    @property
    def lines(self) -> list[str]:
        """Those on standard error."""
        return self.err.splitlines()

    def expect(self, is_so: bool, promised: str) -> None:
        """Raises Unexpected where a promise was not kept."""
        if not is_so:
            raise Unexpected(f"not so: {promised}; exit code {self.code}, it said: {self.err[-300:].strip()}")


class Child(kill.Process):
    """`charrnn` in a forked process, as another user if wanted, whose memory is watched."""

    def __init__(
        self,
        place: Place,
        command: tuple[str, ...],
        *,
        folder: Path | None = None,
        change: Mapping[str, str | None] | None = None,
        user: int | None = None,
        own_python: bool = False,
        script: Path | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """`change` are variables of the environment, None for those to be removed. `before` is called in the child.

        `script` is a Python program that is run instead of `charrnn`.

        Raises NotProvoked where there is no Python for another user.
        """
        self._files = [tempfile.TemporaryFile(dir=place.folder) for _ in range(2)]  # noqa: SIM115 (closed at the end)
        self._code, self.started, self.peak, self._first = None, time.perf_counter(), 0.0, 0.0
        self._before, self._script = before, script
        self._python = python_for_all() if user is not None else sys.executable if own_python else None
        self._folder, self._command, self._change, self._user = folder or place.folder, command, change or {}, user
        place.processes.append(self)
        sys.stdout.flush()
        self.id = os.fork()
        if self.id == 0:
            self._run()
        self._first = self._memory()

    def _run(self) -> None:
        try:
            os.setpgid(0, 0)  # so that it may be stopped as a job of a shell
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for number, file in enumerate(self._files, 1):
                os.dup2(file.fileno(), number)
            for name, value in self._change.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            os.chdir(self._folder)
            self._before()
            if self._user is not None:
                os.setgroups([])
                os.setgid(self._user)
                os.setuid(self._user)
            if self._python:  # the modules that this process has not imported yet may be root's alone
                os.environ["PYTHONPATH"] = python_path()
                os.execv(self._python, [self._python, "-m", "charrnn", *self._command])
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.argv = [str(self._script or "charrnn"), *self._command]
            if self._script:
                import runpy

                runpy.run_path(str(self._script), run_name="__main__")
                os._exit(0)
            from charrnn import cli

            cli.main()
            os._exit(0)
        except SystemExit as end:
            os._exit(int(end.code or 0))
        except BaseException:
            import traceback

            os.write(2, traceback.format_exc().encode())
            os._exit(1)

    def _memory(self) -> float:
        """The peak of its memory in megabytes; 0 where it cannot be seen any more."""
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{self.id}/status").read_text()
            return int(status.partition("VmHWM:")[2].split()[0]) / 1024
        return 0.0

    def done(self, limit: float = 60) -> Done:
        """Waits for its end. Raises Unexpected where it takes more than `limit` seconds."""
        while (code := self.over()) is None:
            self.peak = max(self.peak, self._memory())
            if self.seconds > limit:
                os.kill(self.id, signal.SIGKILL)
                self.wait()
                said, took = self.output[-300:].strip(), self.peak - self._first
                raise Unexpected(
                    f"not so: `{' '.join(self._command)}` ends in {limit:g} s; it took {took:,.0f} MB, and said: {said}"
                )
            time.sleep(0.003)
        seconds = self.seconds
        out, err = (self._read(file) for file in self._files)
        for file in self._files:
            file.close()
        return Done(code, out, err, seconds, max(0.0, self.peak - self._first))

    @property
    def output(self) -> str:
        """What it has said on standard error."""
        return self._read(self._files[1])

    def _read(self, file: Any) -> str:
        raw: bytes = os.pread(file.fileno(), 2**28, 0)
        return raw.decode("utf-8", "replace")
