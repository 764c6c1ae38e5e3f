"""The costs of a corpus by its size: encoding, starting, a step, memory.

    python benchmarks/scale.py [TEXT] [--megabytes 1 10 100 1000] [--plot docs/scale.png]

TEXT (in UTF-8; by default a made text) is repeated until it has the size. All files are in a temporary folder, which is
removed. The figures of each size, in MB of 10^6 bytes, are:
  encoding    MB/s and peak memory of `load_dataset` with an empty cache (benchmarks/encoding.py)
  start       seconds from the start of `charrnn train` to the end of its first step, with a filled cache
  step        milliseconds of a step, the median of 100, of an LSTM of 256 units, batch 16, window 64
  memory      the largest resident set of that training, with pages of the memory-mapped corpus

They are medians of `--repeat` measurements in one thread (OMP_NUM_THREADS). Unix only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from encoding import MB, in_a_fresh_process, make, peak_memory, repeat

STEPS = 101
FIGURES = {"encoding": "MB/s", "its memory": "MB", "start": "s", "step": "ms", "memory": "MB"}


def main() -> None:
    """Measures every size, prints the table and draws the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", metavar="TEXT", nargs="?", type=Path)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--train", nargs=2, metavar=("FILE", "BEGAN"), help=argparse.SUPPRESS)
    own = parser.parse_args()
    if own.train:
        train(Path(own.train[0]), float(own.train[1]))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    needed, free = 3 * max(own.megabytes) * MB, shutil.disk_usage(tempfile.gettempdir()).free
    if free < needed:
        parser.error(f"{needed / MB:,.0f} MB of disk are needed in {tempfile.gettempdir()}, {free / MB:,.0f} are free")
    rows = []
    with tempfile.TemporaryDirectory(prefix="charrnn-scale-") as name:
        folder = Path(name)
        os.environ["CHARRNN_CACHE"] = str(folder / "cache")
        source = own.text or make(folder / "made", range(33, 123))
        for megabytes in own.megabytes:
            file = folder / f"{megabytes}.txt"
            repeat(source, file, megabytes * MB)
            time.sleep(6)  # charrnn reads a file again that has changed in the last seconds
            rows.append({"size": float(megabytes)} | measure(file, own.repeat))
            file.unlink()
            shutil.rmtree(folder / "cache", ignore_errors=True)
    from machine import describe  # imports PyTorch, so only after the processes whose memory is measured

    print(f"{describe()}; one thread, medians of {own.repeat}\n")
    print("| corpus | " + " | ".join(FIGURES) + " |\n|---:|" + "---:|" * len(FIGURES))
    for row in rows:
        cells = [f"{row[key]:,.{2 if key == 'start' else 0}f} {unit}" for key, unit in FIGURES.items()]
        print(f"| {row['size']:,.0f} MB | " + " | ".join(cells) + " |")
    if own.plot:
        draw(rows, own.plot)


def measure(file: Path, turns: int) -> dict[str, float]:
    """The figures of one corpus. The first training fills the cache and is not counted."""
    found: dict[str, list[float]] = {key: [] for key in FIGURES}
    for turn in range(turns):
        encoded = in_a_fresh_process("charrnn", file)
        found["encoding"].append(encoded["speed"])
        found["its memory"].append(encoded["peak"])
        for counts in (False, True) if turn == 0 else (True,):
            command = [sys.executable, __file__, "--train", str(file), str(time.time())]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            if counts:
                for key, value in json.loads(done.stdout.splitlines()[-1]).items():
                    found[key].append(value)
    return {key: statistics.median(values) for key, values in found.items()}


def train(file: Path, began: float) -> None:
    """The command `charrnn train` with a clock in its steps."""
    from charrnn.cli import app
    from charrnn.training.trainer import Trainer

    ends: list[float] = []
    learn: Any = Trainer.learn

    def timed(*arguments: Any) -> None:
        learn(*arguments)
        ends.append(time.time())

    Trainer.learn = timed  # type: ignore[assignment, method-assign]
    config = file.with_suffix(".yaml")
    training = {"steps": STEPS, "evaluate_every": "1000 steps", "checkpoint_every": "1000 steps"}
    split = {"split": [1.0, 0.0, 0.0]}
    training |= {"sample_every": None}
    config.write_text(json.dumps({"corpus": {"path": str(file)} | split, "training": training}))
    arguments = ["train", str(config), "--out", str(file.with_suffix(".run")), "--overwrite", "--quiet"]
    app([*arguments, "--device", "cpu"], standalone_mode=False)
    steps = [1000 * (b - a) for a, b in pairwise(ends)]
    print(json.dumps({"start": ends[0] - began, "step": statistics.median(steps), "memory": peak_memory()}))


def draw(rows: list[dict[str, float]], file: Path) -> None:
    """Plots each figure against the size on logarithmic axes; one that does not depend on the size is a level line."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    sizes = [row["size"] for row in rows]
    for key, unit in FIGURES.items():
        axes.plot(sizes, [row[key] for row in rows], marker="o", label=f"{key}, {unit}")
    axes.set(xscale="log", yscale="log", xlabel="corpus, MB", title="Cost against the size of the corpus")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
