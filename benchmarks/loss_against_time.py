"""Loss against time on tiny-shakespeare: the time of the whole command `charrnn train`, and its validation loss.

    python benchmarks/loss_against_time.py                             # every row below, one after the other
    python benchmarks/loss_against_time.py shakespeare-fast "shakespeare-60s model.ngram={}"

Each row is a config and the keys that are set in it. The seconds are those of the whole command, with the import of
PyTorch, reading the text, evaluations and checkpoints. The loss is that of the best checkpoint on the last tenth of the
text, once in blocks of 256 characters from a fresh state (nanoGPT's protocol), and once with the state carried along.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe

import charrnn

LSTM = "shakespeare training.precision=bfloat16 training.evaluate_every=100% training.sample_every=null"
GRU = LSTM + " model.forget_bias=1 model.cell=gru model.hidden_size=298"
LONG = (
    " training.minutes=9.9 model.hidden_size=512 model.dropout=0.3 model.locked_dropout=true model.input_dropout=0"
    " model.weight_dropout=0.2 model.embedding_dropout=0.05 training.forget=0.1"
)
ROWS = [
    "shakespeare-60s",
    LSTM + " training.minutes=0.93",
    GRU + " training.minutes=0.93",
    "shakespeare-fast",
    "shakespeare-600s",
    LSTM + LONG,
    GRU + LONG,
]


def main() -> None:
    """Trains, evaluates and prints each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=ROWS)
    arguments = parser.parse_args()
    print(describe() + "\n")
    print(
        "| config | model | parameters | seconds | passes | blocks of 256, nats | carried, nats | bits per character |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for row in arguments.rows:
        config, *overrides = row.split()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            settings = [part for override in overrides for part in ("--set", override)]
            command = [sys.executable, "-m", "charrnn", "train", config, "--out", str(path), "--quiet", *settings]
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - started
            run = charrnn.load(path)
            blocks, carried = run.evaluate(block=256), run.evaluate()
            passes = run.history()[-1].get("epochs", float("nan"))
            print(
                f"| {row} | {run.config.model.describe()} | {run.facts.parameters:,} | {seconds:.0f} | {passes:.1f} "
                f"| **{blocks.nats_per_char:.4f}** | {carried.nats_per_char:.4f} | {carried.bits_per_char:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
