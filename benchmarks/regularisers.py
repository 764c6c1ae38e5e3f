"""The effect of each regulariser: trains every variant of the sweeps and prints their losses in tables.

    python benchmarks/regularisers.py                      # half an hour on one core; goes on where it was stopped
    python benchmarks/regularisers.py regularisers-mingru --out /tmp/runs --set training.steps=500

The losses are nats per character of the validation part, with the state carried along, or fresh for every 256
characters (nanoGPT's protocol). "Best" are the weights of the best of ten evaluations, which `charrnn eval` and
`sample` take too. All variants make the same number of steps; `masks.py` measures their cost in time.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from machine import describe

from charrnn.experiments.sweep import sweep
from charrnn.loading import find_config
from charrnn.run import Run


def main() -> None:
    """Trains each sweep and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=["regularisers", "regularisers-mingru"])
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "charrnn-regularisers")
    parser.add_argument("--set", action="append", default=[], help="a key of the configs: training.minutes=1")
    arguments = parser.parse_args()
    print(describe())
    for config in arguments.configs:
        runs = sweep(config, overrides=arguments.set, out=arguments.out / find_config(config).stem)
        print(f"\n`{config}`: {runs[0].config.model.describe()}, {runs[0].config.training.steps:,} steps each\n")
        print("| | best, carried | against none | best, in blocks | against none | at the end | training | epochs |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        rows = {run.path.name: measure(run) for run in runs}
        first = rows[runs[0].path.name]
        for name, (carried, blocks, end, training, epochs) in rows.items():
            print(
                f"| {name} | {carried:.4f} | {carried - first[0]:+.4f} | {blocks:.4f} | {blocks - first[1]:+.4f} "
                f"| {end:.4f} | {training:.4f} | {epochs:.1f} |",
                flush=True,
            )


def measure(run: Run) -> tuple[float, float, float, float, float]:
    """The validation loss of the best weights (carried, in blocks) and of the last ones, the last training loss with
    dropout, and the passes over the text.
    """
    history = run.history()
    losses = [line["loss"] for line in history if "loss" in line][-10:]
    carried, blocks = run.evaluate(), run.evaluate(block=256)
    end = [line["val_loss"] for line in history if "val_loss" in line][-1]
    return carried.nats_per_char, blocks.nats_per_char, end, sum(losses) / len(losses), history[-1]["epochs"]


if __name__ == "__main__":
    main()
