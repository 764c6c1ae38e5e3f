"""The quality of the ready-made configs: trains each from the start and prints its validation loss, time and a sample.

    python benchmarks/quality.py                       # shakespeare, hongloumeng, tang: about 12 minutes
    python benchmarks/quality.py demo --minutes 0.5

The README's figures and samples are this script's output. Runs are made in a temporary folder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from machine import describe

import charrnn


def main() -> None:
    """Trains each config, evaluates it on the whole validation part, and prints its figures and a sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=["shakespeare", "hongloumeng", "tang"])
    parser.add_argument("--minutes", type=float, help="instead of the length that the config gives")
    parser.add_argument("--seed", type=int, default=1, help="of the samples")
    arguments = parser.parse_args()
    print(describe())
    for name in arguments.configs:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            run = charrnn.train(name, out=Path(folder) / name, minutes=arguments.minutes, quiet=True)
            seconds = time.perf_counter() - started
            result = run.evaluate()
            print(
                f"\n{name}: {run.config.model.describe()}, {run.facts.parameters:,} parameters\n"
                f"  {seconds:.0f} s from reading the text to the last checkpoint; validation: "
                f"{result.nats_per_char:.4f} nats = {result.bits_per_char:.4f} bits per character "
                f"over {result.characters:,} characters\n"
            )
            print(run.sample(seed=arguments.seed)[0].text, flush=True)


if __name__ == "__main__":
    main()
