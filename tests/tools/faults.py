"""Provokes every fault that charrnn makes a promise about, in real processes, and prints what came of it.

    python tests/tools/faults.py

The table is Markdown, and each outcome in it was observed: exit codes, messages and what was kept. Exits with 1 where
one is not the promised one. "The same end" means: resumed, or left to go on, the training ended with the same weights
byte for byte as one that nothing happened to.

A full and a read-only disk are a small file system of their own where the user may mount one; else the limit of the
size of files stands for the first, and permissions for the second, which root does not mind: then it is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import kill

Fault = Callable[["Place"], str]
FAULTS: dict[str, Fault] = {}
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


@fault("`kill -9`")
def _(place: Place) -> str:
    process = place.start("killed")
    place.until("killed", 50)
    os.kill(process.id, signal.SIGKILL)
    expect(process.wait() == -signal.SIGKILL, "ended by SIGKILL", process)
    place.resume("killed")
    return f"`--resume`: {place.same_end('killed')}"


def stopped(place: Place, number: signal.Signals, code: int) -> str:
    name = number.name.lower()
    process = place.start(name)
    place.until(name, 50)
    os.kill(process.id, number)
    expect(process.wait() == code, f"exit code {code}", process)
    step = place.steps(name)
    expect(f"go on with: charrnn train --resume {name}" in process.output, "how to go on is told", process)
    expect(step % 10 != 0 or step > 50, "a checkpoint of its own", process)
    place.resume(name)
    return f"saved, exit code {code}, told how to resume; resumed: {place.same_end(name)}"


@fault("Ctrl-C (SIGINT)")
def _(place: Place) -> str:
    return stopped(place, signal.SIGINT, 130)


@fault("SIGTERM")
def _(place: Place) -> str:
    return stopped(place, signal.SIGTERM, 143)


def is_caught(process: kill.Process, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal. (Two that come before it has looked are one to it.)"""
    status = Path(f"/proc/{process.id}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)


def is_not_caught(process: kill.Process, number: signal.Signals) -> bool:
    """The contrary."""
    return not is_caught(process, number)


@fault("a second Ctrl-C or SIGTERM")
def _(place: Place) -> str:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)):
        # In the midst of a sample that never ends.
        process = place.start("slow", sample_every="1 steps", sampling={"length": 10_000_000})
        place.until("slow", 0)
        wait_until(partial(is_caught, process, signal.SIGTERM), "a training that listens")
        os.kill(process.id, number)
        wait_until(partial(is_not_caught, process, signal.SIGTERM), "the first signal to be heard")
        expect(process.over() is None, "still at work", process)
        os.kill(process.id, number)
        expect(process.wait() == code, f"exit code {code}", process)
        expect("Traceback" not in process.output, "no traceback", process)
        expect(place.charrnn("sample", "slow", "--length", "2").wait() == 0, "the last checkpoint is whole")
    return "leaves at once, by exit code 130 and by SIGTERM; the last checkpoint is whole"


@fault("SIGUSR1")
def _(place: Place) -> str:
    process = place.start("usr1", checkpoint_every="100%", evaluate_every="100%")
    place.until("usr1", 0)
    time.sleep(0.05)
    os.kill(process.id, signal.SIGUSR1)
    place.until("usr1", 1)
    step = place.steps("usr1")
    expect(process.wait() == 0, "exit code 0", process)
    expect(0 < step < STEPS, "a checkpoint in between", process)
    return f"saved in between; {place.same_end('usr1')}"


def fill(folder: Path) -> Path:
    """Leaves no room."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    return ballast


@fault("disk full, later with room again")
def _(place: Place) -> str:
    try:
        with own_disk(place.folder / "disk"):
            process = place.start("full", "disk/full")
            place.until("disk/full", 20)
            with paused(process):
                before = place.steps("disk/full")
                ballast = fill(place.folder / "disk")
            said(process, "cannot be saved: ")
            with paused(process):
                expect(place.steps("disk/full") >= before, "what was there is kept", process)
                ballast.unlink()
            expect(process.wait() == 0, "exit code 0", process)
            lines = (place.folder / "disk/full/metrics.jsonl").read_text().count("\n")
            expect(
                lines == (place.folder / "whole/metrics.jsonl").read_text().count("\n"), "no line of metrics missing"
            )
            return f"told, what was there is kept, tried again at the next save; {place.same_end('disk/full')}"
    except NotProvoked:
        process = place.start("full")
        place.until("full", 20)
        resource.prlimit(process.id, resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        wait_until(lambda: process.over() is not None or (place.folder / "output.txt").stat().st_size > 0, "a message")
        resource.prlimit(process.id, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        expect(process.wait() == 0, "exit code 0", process)
        return f"(by RLIMIT_FSIZE) told, tried again at the next save; {place.same_end('full')}"


@fault("disk full to the end")
def _(place: Place) -> str:
    with own_disk(place.folder / "disk"):
        process = place.start("full", "disk/full")
        place.until("disk/full", 20)
        with paused(process):
            before, ballast = place.steps("disk/full"), fill(place.folder / "disk")
        expect(process.wait() == 2, "exit code 2", process)
        expect(f"step {STEPS} could not be saved" in process.output, "it is told", process)
        expect("Traceback" not in process.output, "no traceback", process)
        expect(place.steps("disk/full") >= before, "what was there is kept", process)
        ballast.unlink()
        place.resume("disk/full")
        return f"told, exit code 2, what was there is kept; with room, `--resume`: {place.same_end('disk/full')}"


@fault("run folder becomes read-only")
def _(place: Place) -> str:
    try:
        with own_disk(place.folder / "disk"):
            return read_only(place, "disk/fixed", lambda mode: remount(place.folder / "disk", mode))
    except NotProvoked:
        if os.geteuid() == 0:
            raise
        run = place.folder / "fixed"

        def permit(mode: str) -> None:
            for folder in (run, run / "checkpoints"):
                folder.chmod(0o755 if mode == "rw" else 0o555)

        return read_only(place, "fixed", permit)


def remount(disk: Path, mode: str) -> None:
    # Refused while a file is open for writing, so again until it is not.
    command = ["mount", "-o", f"remount,{mode}", str(disk)]
    wait_until(lambda: subprocess.run(command, capture_output=True).returncode == 0, f"a disk that is {mode}")


def read_only(place: Place, out: str, change: Callable[[str], None]) -> str:
    process = place.start("fixed", out, steps=STEPS)
    place.until(out, 20)
    change("ro")
    try:
        before = place.steps(out)
        said(process, "cannot be saved: ")
        expect(place.steps(out) >= before, "what was there is kept", process)
    finally:
        change("rw")
    expect(process.wait() == 0, "exit code 0", process)
    return f"told, what was there is kept, tried again at the next save; {place.same_end(out)}"


@fault("run folder deleted under its training")
def _(place: Place) -> str:
    process = place.start("deleted")
    place.until("deleted", 20)
    with paused(process):
        shutil.rmtree(place.folder / "deleted")
    expect(process.wait() == 0, "exit code 0", process)
    expect("was deleted under the training; it is made again" in process.output, "it is told", process)
    expect(place.charrnn("sample", "deleted", "--length", "5").wait() == 0, "the run can be used")
    return f"told; made again at the next save, without the metrics before; {place.same_end('deleted')}"


@fault("another run put in its place")
def _(place: Place) -> str:
    process = place.start("replaced")
    place.until("replaced", 20)
    with paused(process):
        shutil.rmtree(place.folder / "replaced")
        shutil.copytree(place.folder / "whole", place.folder / "replaced")
    expect(process.wait() == 2, "exit code 2", process)
    expect("holds another run now" in process.output, "it is told", process)
    for file in (place.folder / "whole").rglob("*"):
        copy = place.folder / "replaced" / file.relative_to(place.folder / "whole")
        expect(file.is_dir() or file.read_bytes() == copy.read_bytes(), f"{file} is as it was")
    return "told, exit code 2; the other run is left alone"


@fault("checkpoint file flipped, truncated or missing (each of four)")
def _(place: Place) -> str:
    def flip(file: Path) -> None:
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 3] ^= 0xFF
        file.write_bytes(raw)

    for damage in (flip, lambda file: os.truncate(file, file.stat().st_size // 2), Path.unlink):
        for file in (WEIGHTS, "training.safetensors", "state.json", "manifest.json"):
            place.copy("damaged")
            last = place.last("damaged")
            damage(last / file)
            process = place.charrnn("info", "damaged")
            expect(process.wait() == 0, "exit code 0", process)
            expect(f"{last.name}: " in process.output, "the damaged one is named", process)
            expect("taking another checkpoint instead" in process.output, "the one before is taken", process)
    process = place.resume("damaged")
    return f"named, the one before it taken; resumed: {place.same_end('damaged')}"


@fault("checkpoint swapped with another run's")
def _(place: Place) -> str:
    place.finish("other", seed=1)
    last = place.last(place.copy("swapped"))
    shutil.rmtree(last)
    shutil.copytree(place.last("other"), last)
    process = place.resume("swapped")
    expect("belongs to another run" in process.output, "it is told", process)
    return f"named, the one before it taken; resumed: {place.same_end('swapped')}"


@fault("every checkpoint damaged")
def _(place: Place) -> str:
    for file in (place.folder / place.copy("broken")).rglob(WEIGHTS):
        file.write_bytes(b"")
    process = place.charrnn("sample", "broken")
    expect(process.wait() == 2, "exit code 2", process)
    expect("no whole checkpoint is left" in process.output, "it is told", process)
    return "told what is wrong with each, exit code 2"


@fault("second training in the same run")
def _(place: Place) -> str:
    process = place.start("twice")
    place.until("twice", 10)
    for command in (["--resume", "twice"], ["twice.json", "--out", "twice", "--overwrite"]):
        with paused(process):
            second = place.charrnn("train", *command, output="second.txt")
            expect(second.wait() == 2, "exit code 2", second)
        expect(f"process {process.id} is training in it" in second.output, "the process is named", second)
    expect(process.wait() == 0, "the first one goes on", process)
    return f"refused with the number of the process, exit code 2; the first one goes on: {place.same_end('twice')}"


@fault("lock of a process that is gone, or of a later one of its number")
def _(place: Place) -> str:
    for content in ("999999999 1", f"{os.getpid()} 1"):
        (place.folder / place.copy("stale") / "lock").write_text(content)
        place.resume("stale")
        place.same_end("stale")
    return "recognised as stale; `--resume`: the same end"


EXPLOSIVE: dict[str, Any] = {
    "model": {"cell": "rnn", "activation": "relu", "dropout": 0.0, "weight_dropout": 0.0},
    "optimizer": "sgd",
    "beta1": 0.0,
    "warmup": None,
    "schedule": "constant",
    "clip_norm": None,
}


@fault("the loss explodes (relu, no clipping, absurd learning rate)")
def _(place: Place) -> str:
    process = place.finish("explosive", **EXPLOSIVE, learning_rate=60.0, explosions=30)
    times = process.output.count("back to the last checkpoint")
    expect(times > 0, "it goes back", process)
    expect(place.charrnn("sample", "explosive", "--length", "5").wait() == 0, "the run can be used")
    return f"told; went back to the last checkpoint with half the learning rate {times} times, then reached its end"


@fault("the same, given no more tries")
def _(place: Place) -> str:
    process = place.start("hopeless", **EXPLOSIVE, learning_rate=1000.0, explosions=1)
    expect(process.wait() == 2, "exit code 2", process)
    expect("training.clip_norm: 1.0" in process.output, "what to try is told", process)
    expect(place.charrnn("sample", "hopeless", "--length", "5").wait() == 0, "the run can be used")
    return "exit code 2, told what to try (`clip_norm`, a lower rate); the last checkpoint is whole"


@fault("the same with clipping")
def _(place: Place) -> str:
    process = place.finish("clipped", **(EXPLOSIVE | {"clip_norm": 0.005}), learning_rate=60.0)
    expect("back to the last checkpoint" not in process.output, "no explosion", process)
    return "never explodes"


@fault("a malicious pickle under every file name of a run")
def _(place: Place) -> str:
    owned = place.folder / "owned"
    code = f"cos\nsystem\n(S'touch {owned}'\ntR.".encode()
    subprocess.run([sys.executable, "-c", "import pickle, sys; pickle.load(sys.stdin.buffer)"], input=code, check=True)
    expect(owned.exists(), "the file does what it says when it is unpickled")
    owned.unlink()
    run = place.folder / place.copy("evil")
    names = [file.relative_to(run) for file in run.rglob("*") if file.is_file()]
    for name in names:
        for command in (["sample", "evil", "--length", "2"], ["train", "--resume", "evil", "--quiet"]):
            place.copy("evil")
            (run / name).write_bytes(code)
            process = place.charrnn(*command)
            expect(process.wait() in (0, 2), "exit code 0 or 2", process)
            expect("Traceback" not in process.output, "no traceback", process)
    expect(not owned.exists(), "nothing is run")
    return f"{len(names)} names, `sample` and `train --resume`: nothing is run; passed over, or exit code 2"


@fault("a run whose config names other files, or YAML that makes objects")
def _(place: Place) -> str:
    run = place.folder / place.copy("curious")
    secret, facts = place.folder / "secret.txt", json.loads((run / "run.json").read_text())
    secret.write_text("the secret " * 2000)
    config = (run / "config.yaml").read_text().replace(str(place.folder / "text.txt"), str(secret))
    expect(str(secret) in config, "the config names the file")
    (run / "config.yaml").write_text(config)
    (run / "run.json").write_text(json.dumps(facts | {"fingerprint": "0" * 64}))
    for command in (["eval", "curious"], ["train", "--resume", "curious"]):
        process = place.charrnn(*command)
        expect(process.wait() == 2, "exit code 2", process)
        expect("a run may not say which files are read" in process.output, "it is told", process)
    (run / "config.yaml").write_text(f"corpus: !!python/object/apply:os.system ['touch {place.folder}/owned']\n")
    process = place.charrnn("eval", "curious")
    expect(process.wait() == 2, "exit code 2", process)
    expect(not (place.folder / "owned").exists(), "nothing is run")
    return "not read, not run, exit code 2"


class Answer(BaseHTTPRequestHandler):
    """What a server of bad intent sends."""

    def do_GET(self) -> None:
        """By the first part of the path."""
        way = self.path.split("/")[1]
        self.send_response(302 if way == "redirect" else 200)
        if way == "redirect":
            self.send_header("Location", "file:///etc/passwd")
        self.end_headers()
        if way == "large":
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 2**16)
        elif way == "other":
            self.wfile.write(b"not the text")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@fault("`corpus get`: wrong bytes, bytes without end, a redirect to `file:`")
def _(place: Place) -> str:
    server = HTTPServer(("127.0.0.1", 0), Answer)
    child = os.fork()
    if child == 0:
        server.serve_forever()
    server.server_close()
    cache = place.folder / "empty-cache"
    before = dict(os.environ)
    promised = {"other": "SHA-256 differs", "large": "more than the 1,115,394 bytes", "redirect": "are not followed"}
    try:
        for way, message in promised.items():
            mirror = f"http://127.0.0.1:{server.server_port}/{way}"
            os.environ.update(CHARRNN_MIRROR=mirror, CHARRNN_CACHE=str(cache), NO_PROXY="127.0.0.1")
            process = kill.Process(place.folder, ["corpus", "get", "tiny-shakespeare"])
            expect(process.wait() == 2, "exit code 2", process)
            expect(message in process.output, f"the message {message!r}", process)
            expect(not [file for file in cache.rglob("*") if file.is_file()], "nothing is kept", process)
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return "told which, nothing kept, exit code 2"


def main() -> None:
    """Provokes one after the other and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="only the faults with this in their name")
    only = parser.parse_args().only or ""
    kill.import_all()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CHARRNN_CACHE": str(Path(folder) / "cache"), "CUDA_VISIBLE_DEVICES": ""}
        place = Place(Path(folder).resolve())
        print("| fault | outcome |\n|---|---|")
        for name, provoke in FAULTS.items():
            if only not in name:
                continue
            try:
                outcome = provoke(place)
            except NotProvoked as reason:
                outcome = f"not provoked: {reason}"
            except Unexpected as error:
                outcome, wrong = f"**WRONG**: {error}", wrong + 1
            finally:
                place.clear()
            print(f"| {name} | {outcome} |", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
