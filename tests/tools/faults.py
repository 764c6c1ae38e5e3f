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
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import kill
from provoke import (
    FAULTS,
    STEPS,
    WEIGHTS,
    NotProvoked,
    Place,
    expect,
    fault,
    fill,
    outcome,
    own_disk,
    paused,
    said,
    wait_until,
)


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
        for name in FAULTS:
            if only not in name:
                continue
            result, is_wrong = outcome(name, place)
            wrong += is_wrong
            print(f"| {name} | {result} |", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
