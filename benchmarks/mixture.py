"""What a network and an n-gram give together: a config trained with and without `model.ngram`, beside n-grams alone.

    python benchmarks/mixture.py shakespeare-60s
    python benchmarks/mixture.py novel --set corpus.path=FILE --minutes 4 --seeds 3

For each seed the two sides train in turns, in processes of their own, for the same time; the n-grams count once. Every
side is evaluated on the whole validation part: with the state carried, and for streams in blocks of 256 characters from
a fresh state. `seconds` are those of the whole command, with the start of Python. A median is that of the seeds.
`characters/s` is the speed of writing one text of 5,000 characters.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from machine import describe

import charrnn
from charrnn.config import ModelConfig

SIDES = {"network": [], "network and n-gram": ["--set", "model.ngram={}"]}


def main() -> None:
    """Trains, counts and evaluates, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--minutes", type=float, help="instead of the length that the config gives")
    parser.add_argument("--seeds", type=int, default=1, help="number of trainings of each side (1)")
    parser.add_argument("--orders", type=int, nargs="*", default=[4, 5, 6, 8], help="of the n-grams alone (4 5 6 8)")
    given = parser.parse_args()
    minutes = [] if given.minutes is None else ["--minutes", str(given.minutes)]
    sets = [part for override in given.overrides for part in ("--set", override)]
    print(describe())
    print(
        "| | bits per character | ± | nats in blocks of 256 | seconds | characters/s |\n|---|---:|---:|---:|---:|---:|"
    )
    with tempfile.TemporaryDirectory() as place:
        rows: dict[str, list[list[float]]] = {}
        for seed in range(given.seeds):
            for side, own in SIDES.items():
                out = Path(place) / f"{side} {seed}"
                command = ["train", given.config, *sets, "--set", f"training.seed={seed}", *own, *minutes]
                rows.setdefault(side, []).append(measure([*command, "--out", str(out)], out))
        for order in given.orders:
            out = Path(place) / f"{order}"
            config = charrnn.load_config(given.config, given.overrides)
            config = config.model_copy(update={"model": ModelConfig(cell="ngram", order=order)})
            started = time.perf_counter()
            charrnn.train(config, out=out, quiet=True)
            rows[f"n-gram of order {order}"] = [[*figures(out), time.perf_counter() - started, speed(out)]]
        for side, measured in rows.items():
            bits, error, blocks, seconds, written = (median(column) for column in zip(*measured, strict=True))
            print(f"| {side} | {bits:.4f} | {error:.4f} | {blocks:.4f} | {seconds:.0f} | {written:,.0f} |", flush=True)


def measure(command: list[str], out: Path) -> list[float]:
    """The figures of a run, and the seconds of the command that makes it."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "charrnn", *command, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    return [*figures(out), seconds, speed(out)]


def figures(out: Path) -> list[float]:
    """Bits per character, their standard error, and for a stream the nats in blocks, of the last checkpoint."""
    run = charrnn.load(out, checkpoint="last")
    carried = run.evaluate()
    blocks = float("nan") if run.is_documents else run.evaluate(block=256).nats_per_char
    return [carried.bits_per_char, (carried.standard_error or float("nan")) / 0.6931, blocks]


def speed(out: Path) -> float:
    """Characters a second of one text."""
    run = charrnn.load(out)
    run.sample(length=10)
    started = time.perf_counter()
    text = run.sample(length=5_000)[0].text
    return len(text) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
