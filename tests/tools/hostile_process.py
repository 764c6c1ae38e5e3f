"""Faults of a training's surroundings: terminals, standard streams, other workers, listeners, the clock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import kill
from hostile_cache import fresh
from provoke import STEPS, Child, NotProvoked, Place, Unexpected, expect, fault, fill, own_disk, wait_until


class Owner:
    """A pseudo-terminal and the process that owns it, as a terminal's window does: with it the terminal goes."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        self.id = os.fork()
        if self.id == 0:
            os.close(self.slave)
            while True:  # what is written to a terminal must be read
                try:
                    os.read(self._master, 2**16)
                except OSError:
                    time.sleep(0.01)
        os.close(self._master)

    def take(self) -> None:
        """Makes the terminal that of the calling process, and its standard streams."""
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        for number in range(3):
            os.dup2(self.slave, number)

    def kill(self) -> None:
        """Ends the owner."""
        os.close(self.slave)
        os.kill(self.id, signal.SIGKILL)
        os.waitpid(self.id, 0)


def in_terminal(place: Place, owner: Owner, command: list[str]) -> int:
    """Starts a program whose terminal is the owner's: its process."""
    process = os.fork()
    if process == 0:
        try:
            owner.take()
            os.chdir(place.folder)
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    return process


def ended(process: int) -> int:
    """The exit code of a process that ends within a minute."""
    code: list[int] = []

    def over() -> bool:
        found, status = os.waitpid(process, os.WNOHANG)
        code.extend([os.waitstatus_to_exitcode(status)] if found else [])
        return bool(code)

    try:
        wait_until(over, "an end")
    except Unexpected:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise
    return code[0]


def config(place: Place, name: str, **training: object) -> list[str]:
    """The arguments that begin the training of `whole`."""
    keys = kill.config("lstm", "stream", STEPS)
    keys["training"] |= training
    (place.folder / f"{name}.json").write_text(json.dumps(keys))
    place.remove(name)
    return ["train", f"{name}.json", "--out", name, "--device", "cpu"]


OWN = [sys.executable, "-m", "charrnn"]


@fault("the terminal is gone (its owner killed)")
def _(place: Place) -> str:
    kinds = {
        "alone": OWN,
        "in a shell": ["bash", "-c", '"$@"; exit $?', "bash", *OWN],
        "of two workers": OWN,
    }
    for kind, start in kinds.items():
        arguments = config(place, "terminal")
        if kind == "of two workers":
            arguments += ["--workers", "2"]
        owner = Owner()
        process = in_terminal(place, owner, [*start, *arguments])
        place.until("terminal", 20)
        lock = int((place.folder / "terminal/lock").read_text().split()[0])
        owner.kill()
        code = ended(process)
        expect(code == (-signal.SIGHUP if kind == "in a shell" else 129), f"{kind}: exit code 129, not {code}")
        wait_until(lambda lock=lock: not Path(f"/proc/{lock}").exists(), "the end of the training")  # type: ignore[misc]
        expect(20 <= place.steps("terminal") < STEPS, f"{kind}: stopped in the midst")
        expect(not (place.folder / "terminal/lock").exists(), f"{kind}: the lock is released")
        if kind != "of two workers":
            place.resume("terminal")
            place.same_end("terminal")
    owner = Owner()
    process = in_terminal(place, owner, ["nohup", *OWN, *config(place, "nohup")])
    place.until("nohup", 20)
    owner.kill()
    expect(ended(process) == 0, "under nohup exit code 0")
    return (
        "alone, in a shell, two workers: saved, exit code 129, the lock released; resumed: the same end; under "
        f"`nohup`: {place.same_end('nohup')}"
    )


def is_stopped(process: int) -> bool:
    """Whether a process stands still."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@fault("Ctrl-Z and `fg` (SIGTSTP, SIGCONT), 30 times while checkpoints are written")
def _(place: Place) -> str:
    draw = random.Random(0)
    stops = saving = trainings = 0
    while stops < 30:
        arguments = config(place, "stopped", checkpoint_every="1 steps")
        process, run = Child(place, tuple(arguments)), place.folder / "stopped"
        trainings += 1
        while process.over() is None:
            if not kill.is_saving(run):
                time.sleep(0.0002)
                continue
            time.sleep(draw.uniform(0, 0.004))
            if process.over() is not None:
                break
            os.kill(process.id, signal.SIGTSTP)
            wait_until(lambda p=process: is_stopped(p.id), "a process that stands still")  # type: ignore[misc]
            stops, saving = stops + 1, saving + kill.is_saving(run)
            time.sleep(0.01)
            os.kill(process.id, signal.SIGCONT)
            if stops % 10 == 0:
                process.wait()
        done = process.done()
        done.expect(done.code == 0, "exit code 0")
        place.same_end("stopped")
        expect(trainings < 20, "enough stops")
    return f"{stops} stops in {trainings} trainings, {saving} of them in the midst of a checkpoint: the same end"


@fault("standard streams closed, full, or without a reader, at `train` and `sample`")
def _(place: Place) -> str:
    here = " ".join(f'"{part}"' for part in OWN)
    train = " ".join(config(place, "streams")) + " --overwrite"
    results = 0
    for command in (train, "sample whole --length 20", "sample whole --length 20 --stream"):
        for redirection, code in (
            (">&-", 2),
            (">/dev/full", 2),
            (">&- 2>&- <&-", 2),
            (">/dev/full 2>/dev/full", 2),
            ("| true; exit ${PIPESTATUS[0]}", 0),
            ("2>&- >/dev/null", 0),
            ("2>/dev/full >/dev/null", 0),
            ("2> >(true) >/dev/null", 0),
            ("<&- >/dev/null", 0),
            ("2>&- <&- >/dev/null", 0),
        ):
            shell = f"{here} {command} {redirection}"
            done = subprocess.run(["bash", "-c", shell], capture_output=True, encoding="utf-8", cwd=place.folder)
            expect(done.returncode == code, f"{command} {redirection}: exit code {code}, not {done.returncode}")
            expect("Traceback" not in done.stderr and "Exception" not in done.stderr, f"{redirection}: no traceback")
            if command is train:
                place.same_end("streams")
                expect(not (place.folder / "streams/lock").exists(), "the lock is released")
            results += 1
    return (
        f"{results} ways: standard error or input: as if nothing were; a reader that left: exit code 0; standard "
        "output: exit code 2, the training saved to the same end"
    )


LISTENER = """
import sys
import charrnn
from charrnn.training import listeners, saver
kind, method, raised = sys.argv[1:]
owner = saver.CheckpointSaver if kind == "CheckpointSaver" else getattr(listeners, kind)
before = getattr(owner, method)
def raising(self, *event):
    if not event or event[0].progress.steps >= 95:
        raise {"error": ZeroDivisionError, "memory": MemoryError, "exit": SystemExit, "key": KeyboardInterrupt}[raised]
    before(self, *event)
setattr(owner, method, raising)
charrnn.train("listener.json", out="listener", device="cpu", quiet=kind != "Bar")
"""


@fault("a listener that raises, from Python")
def _(place: Place) -> str:
    (place.folder / "listener.py").write_text(LISTENER)
    trials = 0
    for kind in ("Log", "Samples", "Bar", "CheckpointSaver"):
        for method, raised in (
            ("hear", "error"),
            ("hear", "memory"),
            ("hear", "exit"),
            ("hear", "key"),
            ("close", "error"),
        ):
            if (raised != "error" or method == "close") and kind not in ("Log", "CheckpointSaver"):
                continue
            config(place, "listener")
            script = place.folder / "listener.py"
            done = Child(place, (kind, method, raised), script=script).done()
            name = f"{kind}.{method}, {raised}"
            own = {"error": "ZeroDivisionError", "memory": "MemoryError", "key": "KeyboardInterrupt"}.get(raised, "")
            done.expect(own in (done.lines or [""])[-1], f"{name}: raised")
            done.expect(done.code == (raised != "exit"), f"{name}: its exit code")
            expect(not (place.folder / "listener/lock").exists(), f"{name}: the lock is released")
            if method == "hear":
                expect(0 < place.steps("listener") <= 100, f"{name}: the last checkpoint is there")
                place.resume("listener")
            place.same_end("listener")
            trials += 1
    return (
        f"{trials} ways: the exception is the caller's, the lock is released, what was saved is whole; resumed: the "
        "same end"
    )


CLOCK = """
import time
real, real_ns, started = time.time, time.time_ns, time.monotonic()
def shift():
    return -86400 * 365 if time.monotonic() - started > 0.3 else 0
time.time = lambda: real() + shift()
time.time_ns = lambda: real_ns() + shift() * 10**9
"""


@fault("the clock set back by a year during a training (`time.time`, by a plugin)")
def _(place: Place) -> str:
    (place.folder / "clock.py").write_text(CLOCK)
    cache = fresh(place.folder / "clock")
    ahead = time.time() + 86400
    os.utime(place.folder / "text.txt", (ahead, ahead))  # as of a text that was written before the clock was set back
    change: dict[str, str | None] = {"CHARRNN_CACHE": str(cache)}
    done = Child(place, (*config(place, "back"), "--plugin", "clock.py"), change=change).done()
    done.expect(done.code == 0, "exit code 0")
    place.same_end("back")
    lines = [json.loads(line) for line in (place.folder / "back/metrics.jsonl").read_text().splitlines()]
    minutes = [line["minutes"] for line in lines]
    expect(minutes == sorted(minutes) and minutes[0] >= 0 and minutes[-1] < 1, "the minutes go forward")
    arguments = config(place, "timed", steps=None, minutes=0.05)
    done = Child(place, (*arguments, "--plugin", "clock.py"), change=change).done(30)
    done.expect(done.code == 0 and done.seconds < 15, "a length in minutes is kept")
    return "the same end, the minutes go forward; a length in minutes is kept"


def workers(launcher: int) -> list[int]:
    """The processes that a launcher has started, in the order of their ranks."""
    return [int(one) for one in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


@fault("TMPDIR full, missing, or not to be written to, for two workers")
def _(place: Place) -> str:
    places = {"missing": place.folder / "nowhere", "closed": fresh(place.folder / "closed", 0o555)}
    for what, folder in places.items():
        two_workers(place, f"two-{what}", folder)
    try:
        with own_disk(place.folder / "disk"):
            fill(place.folder / "disk")
            two_workers(place, "two-full", place.folder / "disk")
        full = "full, "
    except NotProvoked:
        full = ""
    return (
        f"{full}missing, read-only: another place for temporary files is taken; the same end as with one that is well"
    )


def two_workers(place: Place, name: str, temporary: Path | None = None) -> None:
    """A training with two workers, which ends as any other of two workers does."""
    change = {"TMPDIR": str(temporary)} if temporary else {}
    done = Child(place, (*config(place, name), "--workers", "2"), change=change, own_python=True).done()
    done.expect(done.code == 0, "exit code 0")
    if name != "two":
        if not (place.folder / "two").exists():
            two_workers(place, "two")
        expect(weights_of(place, name) == weights_of(place, "two"), "the same end as another training of two workers")


def weights_of(place: Place, name: str) -> bytes:
    """Those of its last checkpoint."""
    return (place.last(name) / "model.safetensors").read_bytes()


@fault("a worker of two that stands still (SIGSTOP) for 25 seconds")
def _(place: Place) -> str:
    told: list[str] = []
    two_workers(place, "two")
    for rank in (0, 1):
        process = Child(place, (*config(place, "silent"), "--workers", "2"), own_python=True)
        place.until("silent", 20)
        worker = workers(process.id)[rank]
        os.kill(worker, signal.SIGSTOP)
        try:
            time.sleep(25)
            expect(process.over() is None, "the training waits", process)
        finally:
            os.kill(worker, signal.SIGCONT)
        done = process.done()
        done.expect(done.code == 0, "exit code 0")
        expect(weights_of(place, "silent") == weights_of(place, "two"), "the same end")
        found = [line for line in done.lines if re.search(r"ha(s|ve) not answered for \d+ s", line)]
        told += found[:1]
        done.expect(bool(found) or rank == 0, "it is told")
    return f"told after 20 seconds (“{told[-1]}”), waited for; after SIGCONT: the same end"


@fault("the same with a length in minutes")
def _(place: Place) -> str:
    process = Child(place, (*config(place, "short", steps=None, minutes=0.2), "--workers", "2"), own_python=True)
    place.until("short", 0)
    worker = workers(process.id)[1]
    os.kill(worker, signal.SIGSTOP)
    try:
        wait_until(lambda: process.over() is not None or process.seconds > 55, "the end")
    finally:
        with contextlib.suppress(ProcessLookupError):  # it was ended, since the time was up
            os.kill(worker, signal.SIGCONT)
    over = process.over() is not None
    done = process.done()
    done.expect(over, "the training ends at its minutes, although a worker stands still")
    done.expect("Traceback" not in done.err, "no traceback")
    return f"ended after {done.seconds:.0f} s of 12, exit code {done.code}"
