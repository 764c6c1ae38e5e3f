"""Processes against threads: `charrnn train` with two workers of one thread, and with one process of two threads.

    python benchmarks/workers.py [--steps 150] [--repeat 3]

Both sides have the same model and the same batches of random text, and take turns. The figure of a training is the
median of the characters per second that it logs, without its first quarter. The table has the medians of all turns, and
their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from encoding import make
from machine import describe

MODELS = {"lstm 1 × 256": (1, 256), "lstm 2 × 128": (2, 128), "lstm 2 × 512": (2, 512)}
SIDES = {"2 workers × 1 thread": (2, 1), "1 process × 2 threads": (1, 2)}


def main() -> None:
    """Measures both sides on every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    own = parser.parse_args()
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="charrnn-workers-") as name:
        folder = Path(name)
        make(folder / "text.txt", range(33, 98), 1_000_000)
        for turn in range(own.repeat):
            for model in own.models:
                for side, (workers, threads) in SIDES.items():
                    print(f"turn {turn + 1}/{own.repeat}: {model}, {side}   ", end="\r", file=sys.stderr)
                    rate = measure(folder, *MODELS[model], workers, threads, own.steps)
                    found.setdefault((model, side), []).append(rate)
    print(describe() + f"; batch 50, window 50, medians of {own.repeat}, characters/s\n")
    print("| | " + " | ".join(SIDES) + " | ratio |\n|---|---:|---:|---:|")
    for model in own.models:
        one, two = (statistics.median(found[model, side]) for side in SIDES)
        print(f"| {model} | {one:,.0f} | {two:,.0f} | {one / two:.2f} |")


def measure(folder: Path, layers: int, units: int, workers: int, threads: int, steps: int) -> float:
    """The characters per second of one training."""
    config = {
        "corpus": {"path": str(folder / "text.txt"), "split": [1.0, 0.0, 0.0]},
        "model": {"num_layers": layers, "hidden_size": units},
        "training": {"steps": steps, "batch_size": 50, "window": 50, "sample_every": None, "log_every": 5},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    out = folder / "run"
    arguments = ["train", str(folder / "config.yaml"), "--out", str(out), "--overwrite", "--quiet", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "CHARRNN_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "charrnn", *arguments, "--workers", str(workers)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    rates = [line["characters_per_second"] for line in lines if "characters_per_second" in line]
    return statistics.median(rates[len(rates) // 4 :])


if __name__ == "__main__":
    main()
