"""Kills real `charrnn train` processes with SIGKILL at random moments, again and again, and compares.

    python tests/kill.py --kills 50

For each cell, in stream and in documents mode, with dropout, forgetting, averaging and a learning-rate schedule in
steps: a training that is never interrupted, and one that is killed and resumed until it has finished. Both must end
with the same weights, bit for bit, and the same lines of metrics. Exits with 1 where they differ.
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

TEXT = "The cat sat on the mat.\nA dog sat on the log.\n\nA bird sang in the tree, and the cat looked up.\n\n" * 80
CASES = [(cell, mode) for mode in ("stream", "documents") for cell in ("rnn", "lstm", "gru", "mingru", "minlstm")]
TIMED = ("characters_per_second", "minutes")
"""What is measured in seconds differs from run to run."""


def config(cell: str, mode: str, steps: int) -> dict[str, Any]:
    """A small training in which everything that must be carried over plays a part."""
    weights = {"weight_dropout": 0.3} if cell in ("rnn", "lstm", "gru") else {}
    stream = {"forget": 0.2, "window_deviation": 3} if mode == "stream" else {"slowness_penalty": 0.1}
    return {
        "corpus": {"path": "text.txt", "mode": mode},
        "model": {"cell": cell, "num_layers": 2, "hidden_size": 16, "embedding_size": 8, "dropout": 0.2, **weights},
        "training": {
            "steps": steps,
            "batch_size": 8,
            "window": 16,
            "schedule": "step",
            "decay_every": "40 steps",
            "warmup": "10 steps",
            "evaluate_every": "37 steps",
            "checkpoint_every": "10 steps",
            "log_every": 5,
            "patience": 1000,
            "sample_every": None,
            "average_after": "30%",
            **stream,
        },
    }


def command(*arguments: str) -> list[str]:
    """The real command."""
    return [sys.executable, "-m", "charrnn", "train", *arguments, "--quiet", "--device", "cpu"]


def result(run: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """The last weights, byte for byte, and the lines of metrics without what a clock says."""
    last = max((run / "checkpoints").glob("step-*"))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return (last / "model.safetensors").read_bytes(), [
        {key: value for key, value in line.items() if key not in TIMED} for line in lines
    ]


def run_to_the_end(folder: Path, name: str, kills: Iterator[float]) -> int:
    """Trains NAME.json into NAME, killed after each of `kills` seconds of training; how often it was."""
    count = 0
    for pause in kills:
        begun = (folder / name / "run.json").exists()
        arguments = ["--resume", name] if begun else [f"{name}.json", "--out", name, "--overwrite"]
        process = subprocess.Popen(command(*arguments), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, errors = process.communicate(timeout=pause)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            count += 1
            continue
        if process.returncode == 0 or b"has finished" in errors:
            return count
        if b"no checkpoint" in errors:  # killed before its first one: from the start, as the message says
            (folder / name / "run.json").unlink()
            continue
        raise SystemExit(f"{name}: exit code {process.returncode}: {errors.decode()}")
    return count


def main() -> None:
    """Goes through the cases until enough processes were killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="how many processes to kill")
    parser.add_argument("--steps", type=int, default=400, help="steps of each training")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    os.environ["OMP_NUM_THREADS"] = "1"
    kills = trainings = different = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["CHARRNN_CACHE"] = str(folder / "cache")
        (folder / "text.txt").write_text(TEXT, encoding="utf-8")
        started = time.perf_counter()
        (folder / "start.json").write_text(json.dumps(config("rnn", "stream", 1)))
        subprocess.run(command("start.json", "--out", "start"), cwd=folder, check=True, capture_output=True)
        startup = time.perf_counter() - started
        for cell, mode in cycle(CASES):
            if kills >= arguments.kills:
                break
            reference, name = f"{cell}-{mode}", f"{cell}-{mode}-{trainings}"
            for file in (reference, name):
                (folder / f"{file}.json").write_text(json.dumps(config(cell, mode, arguments.steps)))
            if not (folder / reference).exists():
                subprocess.run(
                    command(f"{reference}.json", "--out", reference), cwd=folder, check=True, capture_output=True
                )
            # Between the start of Python and a little after the first steps, so that many kills fit into one training.
            most = min(5, arguments.kills - kills)
            pauses = [moments.uniform(0.4, 1.2) * startup for _ in range(most)]
            kills += run_to_the_end(folder, name, iter([*pauses, *([600.0] * 50)]))
            trainings += 1
            if result(folder / name) != result(folder / reference):
                different += 1
                print(f"{name}: differs from the training that was never interrupted")
        minutes = (time.perf_counter() - started) / 60
    print(f"{kills} kills in {trainings} trainings, {different} with another result, {minutes:.1f} minutes")
    sys.exit(1 if different or kills < arguments.kills else 0)


if __name__ == "__main__":
    main()
