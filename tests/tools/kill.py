"""Kills real `charrnn train` processes with SIGKILL at random moments, again and again, and compares.

    python tests/tools/kill.py --kills 50            # about a minute
    python tests/tools/kill.py --kills 2 --exec      # each in a Python of its own

For each cell, in stream and in documents mode, with dropout, forgetting, averaging, a learning-rate schedule in steps
and patience: a training that is never interrupted, and one that is killed and resumed until it has finished. Both must
end with the same checkpoints (weights, optimizer, carried state byte for byte; all facts but the time; the same best)
and the same lines of metrics. Exits with 1 where they differ.

Starting Python and PyTorch takes longer than such a training. So this process imports them once and forks: the child
runs the command line as it is from there on. The parent must not compute anything with PyTorch before.

A third of the kills come in the first milliseconds, a third while a checkpoint is being written, a third at any moment.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"  # before PyTorch is imported: threads do not survive a fork

from charrnn.cells import cells_with, recurrent_cells  # noqa: E402

TEXT = "The cat sat on the mat.\nA dog sat on the log.\n\nA bird sang in the tree, and the cat looked up.\n\n" * 80
CASES = [(cell, mode) for mode in ("stream", "documents") for cell in [*recurrent_cells(), "gru+ngram"]]
TIMED = ("characters_per_second", "minutes", "seconds")
"""What a clock says differs from run to run."""


def config(cell: str, mode: str, steps: int) -> dict[str, Any]:
    """A small training in which everything that must be carried over plays a part."""
    cell, _, beside = cell.partition("+")
    mixture = {"ngram": {"order": 4}} if beside else {}
    weights = {"weight_dropout": 0.3} if cell in cells_with("weight_dropout") else {}
    stream = {"forget": 0.2, "window_deviation": 3} if mode == "stream" else {"slowness_penalty": 0.1}
    return {
        "corpus": {"path": "text.txt", "mode": mode},
        "model": {
            "cell": cell,
            "num_layers": 2,
            "hidden_size": 16,
            "embedding_size": 8,
            "dropout": 0.2,
            **weights,
            **mixture,
        },
        "training": {
            "steps": steps,
            "batch_size": 8,
            "window": 16,
            "learning_rate": 0.02,
            "schedule": "step",
            "decay_every": "40 steps",
            "warmup": "10 steps",
            "evaluate_every": "17 steps",
            "checkpoint_every": "10 steps",
            "log_every": 5,
            "patience": 1000,
            "sample_every": None,
            "average_after": "30%",
            **stream,
        },
    }


class Process:
    """`charrnn` with these arguments, running in `folder`; forked, or in a Python of its own."""

    def __init__(self, folder: Path, command: list[str], own_python: bool = False, output: str = "output.txt") -> None:
        self._output = folder / output
        self._code: int | None = None
        self.started = time.perf_counter()
        if own_python:
            with self._output.open("wb") as file:
                python = [sys.executable, "-m", "charrnn"]
                self.id = subprocess.Popen([*python, *command], cwd=folder, stdout=file, stderr=file).pid
        else:
            self.id = os.fork()
            if self.id == 0:
                self._become(folder, command)

    def _become(self, folder: Path, command: list[str]) -> None:
        """What the child does; it never returns."""
        code = 1
        try:
            output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(folder)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script began this behind it
            sys.argv = ["charrnn", *command]
            from charrnn import cli

            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.perf_counter() - self.started

    def over(self) -> int | None:
        """Its exit code, if it has ended."""
        if self._code is None:
            ended, status = os.waitpid(self.id, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if ended else None
        return self._code

    def wait(self) -> int:
        """Its exit code."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.id, 0)[1])
        return self._code

    @property
    def output(self) -> str:
        """All that it has said."""
        return self._output.read_text(encoding="utf-8", errors="replace")


def import_all() -> None:
    """Imports all that a training needs, and computes nothing."""
    import torch._dynamo  # noqa: F401 (PyTorch imports it, slowly, when the first optimizer is made)

    import charrnn.cli
    import charrnn.training.session  # noqa: F401


def is_saving(run: Path) -> bool:
    """Whether a checkpoint is being written, or was when the process ended."""
    return any((run / "checkpoints").glob(".step-*"))


class Killer:
    """Chooses the moments, and counts."""

    def __init__(self, seed: int, own_python: bool) -> None:
        self._random, self._own_python = random.Random(seed), own_python
        self.kills = self.saving = self.early = 0

    def kill(self, folder: Path, name: str, life: float) -> int | None:
        """Starts the training, or goes on with it, and kills it. Its exit code if it came to its end before that.

        `life` is how long an uninterrupted one takes, in seconds.
        """
        process = start(folder, name, self._own_python)
        way = self._random.choice(["early", "saving", "any"])
        at = self._random.uniform(0, 0.03 if way == "early" and not self._own_python else life)
        while (code := process.over()) is None:
            if process.seconds > at and (way != "saving" or is_saving(folder / name)):
                break
            time.sleep(0.0002)
        else:
            return finished(process, code)
        if way == "saving":
            time.sleep(self._random.uniform(0, 0.01))
        os.kill(process.id, signal.SIGKILL)
        code = process.wait()
        if code != -signal.SIGKILL:  # it was quicker
            return finished(process, code)
        self.kills += 1
        self.saving += is_saving(folder / name)
        self.early += not any((folder / name / "checkpoints").glob("step-*"))
        return None


def start(folder: Path, name: str, own_python: bool) -> Process:
    """As a user would: go on with what is a run, else begin."""
    begun = (folder / name / "run.json").exists()
    arguments = ["--resume", name] if begun else [f"{name}.json", "--out", name]
    return Process(folder, ["train", *arguments, "--quiet", "--device", "cpu"], own_python)


def finished(process: Process, code: int) -> int:
    """0 for a training that is at its end. Raises SystemExit for one that failed."""
    if code and "has finished" not in process.output:
        raise SystemExit(f"exit code {code}: {process.output}")
    return 0


def result(run: Path) -> dict[str, Any]:
    """Every file of every checkpoint, and the lines of metrics, without what a clock says."""
    found: dict[str, Any] = {}
    for file in sorted((run / "checkpoints").rglob("*")):
        if file.name == "state.json":
            facts = json.loads(file.read_text())
            found[str(file.relative_to(run))] = {key: value for key, value in facts.items() if key not in TIMED}
        elif file.suffix == ".safetensors":
            found[str(file.relative_to(run))] = file.read_bytes()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found["metrics.jsonl"] = [{key: value for key, value in line.items() if key not in TIMED} for line in lines]
    return found


def differing(key: str, one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    """Names what is not the same under a key of two results; in a file of tensors each of them, and how far apart."""
    from safetensors.numpy import load

    a, b = one.get(key), other.get(key)
    if a == b:
        return
    if not isinstance(a, bytes) or not isinstance(b, bytes):
        yield key
        return
    left, right = load(a), load(b)
    if all(name in right and x.tobytes() == right[name].tobytes() for name, x in left.items()):
        yield f"{key}: other names or another header"
    for name in sorted(left.keys() | right.keys()):
        x, y = left.get(name), right.get(name)
        if x is None or y is None or x.shape != y.shape:
            yield f"{key}: {name} is not in both"
        elif x.tobytes() != y.tobytes():
            apart = abs(x.astype(float) - y.astype(float)).max()
            yield f"{key}: {name} by {apart:g} in {(x != y).sum()} of {x.size} places"


def main() -> None:
    """Goes through the cases until enough processes were killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="how many processes to kill")
    parser.add_argument("--steps", type=int, default=200, help="steps of each training")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--exec", dest="own_python", action="store_true", help="start Python anew for each process")
    arguments = parser.parse_args()
    if not arguments.own_python:
        import_all()
    killer = Killer(arguments.seed, arguments.own_python)
    trainings, different, started = 0, [], time.perf_counter()
    references: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["CHARRNN_CACHE"] = str(folder / "cache")
        (folder / "text.txt").write_text(TEXT, encoding="utf-8")
        for cell, mode in cycle(CASES):
            if killer.kills >= arguments.kills:
                break
            reference, name = f"{cell}-{mode}", f"{cell}-{mode}-{trainings}"
            for file in (reference, name):
                (folder / f"{file}.json").write_text(json.dumps(config(cell, mode, arguments.steps)))
            if reference not in references:
                process = start(folder, reference, arguments.own_python)
                finished(process, process.wait())
                references[reference] = process.seconds
            most, code = min(killer.kills + 5, arguments.kills), None
            while killer.kills < most and code is None:
                code = killer.kill(folder, name, references[reference])
            if code is None:
                process = start(folder, name, arguments.own_python)
                finished(process, process.wait())
            trainings += 1
            one, other = result(folder / name), result(folder / reference)
            # A kill after the last checkpoint may leave one more, whole, that was about to be removed.
            one = {key: value for key, value in one.items() if key in other}
            if one != other:
                places = [place for key in sorted(one.keys() | other.keys()) for place in differing(key, one, other)]
                different.append(f"{name}: differs from the training that was never interrupted: {', '.join(places)}")
    for line in different:
        print(line)
    print(
        f"{killer.kills} kills in {trainings} trainings, {len(different)} with another result; "
        f"{killer.saving} kills while a checkpoint was being written, {killer.early} before the first one; "
        f"{(time.perf_counter() - started) / 60:.1f} minutes"
    )
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
