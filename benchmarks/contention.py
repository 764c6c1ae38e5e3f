"""Training and writing beside other processes: characters a second with 0, 1 and 2 busy loops on the machine.

    python benchmarks/contention.py

Each figure is that of a process of its own. `charrnn` waits as charrnn/__init__.py says; `default` is what OpenMP does
by itself (a spin of 300,000 rounds), `passive` sleeps at once (OMP_WAIT_POLICY). `PyTorch` is the same model with
PyTorch's own kernels (CHARRNN_NATIVE=0), waiting as charrnn does. The ways take turns; a figure is a median.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from machine import describe

CELLS = {"rnn": (2, 128), "lstm": (2, 128), "gru": (2, 128), "mingru": (10, 128)}
WAYS: dict[str, dict[str, str]] = {
    "charrnn": {},
    "default": {"GOMP_SPINCOUNT": "300000"},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "PyTorch": {"CHARRNN_NATIVE": "0"},
}


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3, help="measurements of each figure (3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement (4)")
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(speed(given.worker, given.seconds))
        return
    print(describe())
    print("| cell | busy | " + " | ".join(WAYS) + " |\n|---|---:|" + "---:|" * len(WAYS))
    for cell in given.cells:
        for busy in (0, 1, 2):
            found: dict[str, list[float]] = {way: [] for way in WAYS}
            with others(busy):
                for _ in range(given.turns):
                    for way, variables in WAYS.items():
                        command = [sys.executable, __file__, "--worker", cell, "--seconds", str(given.seconds)]
                        done = subprocess.run(command, env=os.environ | variables, capture_output=True, check=True)
                        found[way].append(float(done.stdout))
            print(f"| {cell} | {busy} | " + " | ".join(f"{median(f):,.0f}" for f in found.values()) + " |", flush=True)


@contextmanager
def others(count: int) -> Iterator[None]:
    """So many processes that only compute."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def speed(cell: str, seconds: float) -> float:
    """Characters a second in training, after a second that is not counted."""
    import numpy as np

    from charrnn.config import ModelConfig, TrainingConfig
    from charrnn.models import build_model
    from charrnn.text.batches import training_batches
    from charrnn.text.dataset import Part
    from charrnn.training.distributed import Workers
    from charrnn.training.step import Learner

    layers, width = CELLS[cell]
    deep = {"residual": True, "norm": "rms"} if cell == "mingru" else {}
    config = ModelConfig(cell=cell, num_layers=layers, hidden_size=width, embedding_size=width, **deep)  # type: ignore[arg-type]
    text = np.random.default_rng(0).integers(0, 64, 100_000)
    batches = training_batches(Part(text), 32, 32, 65, 0)
    settings = TrainingConfig(steps=10**6, precision="bfloat16" if cell == "mingru" else "float32")
    learner = Learner(build_model(config, 66, 0), batches, settings, time.perf_counter, Workers())
    learner.model.train()
    begun, characters = time.perf_counter(), 0
    while time.perf_counter() < begun + 1:
        learner.learn(1e-3)
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds:
        learner.learn(1e-3)
        characters += 32 * 32
    return characters / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
