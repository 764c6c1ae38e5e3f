"""Training and writing beside other processes: characters a second with 0, 1 and 2 busy loops on the machine.

    python benchmarks/contention.py [--turns 15] [--cells lstm mingru] [--spins 300 3000]

`charrnn` waits as charrnn/training/waiting.py says; `default` is what OpenMP does by itself (a spin of 300,000 rounds);
`passive` sleeps at once (OMP_WAIT_POLICY); `PyTorch` is the same model with PyTorch's own kernels (CHARRNN_NATIVE=0),
waiting as charrnn does. Each way is a process of its own, which trains (or writes) for a second when its turn comes and
sleeps otherwise, so that what else the machine does falls on all ways alike. The busy loops begin anew for each turn:
which core the system gives them decides half of the outcome. A figure is the median of the turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import TYPE_CHECKING

from machine import describe

if TYPE_CHECKING:
    from charrnn.config import ModelConfig

CELLS = {"rnn": (2, 128), "lstm": (2, 128), "gru": (2, 128), "mingru": (10, 128)}
SYMBOLS = 66
TASKS = "training", "writing"
WAYS: dict[str, dict[str, str]] = {
    "charrnn": {},
    "default": {"GOMP_SPINCOUNT": "300000"},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "PyTorch": {"CHARRNN_NATIVE": "0"},
}
TURN = 1.0
"""Seconds of a turn."""
NOTICING = 1.5
"""Seconds at its beginning that are not counted, in which it notices that others want the cores."""


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=9, help="measurements of each figure (9)")
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=list(CELLS), help="the models (all)")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS, help="what is measured (both)")
    parser.add_argument("--busy", nargs="*", type=int, default=[0, 1, 2], help="numbers of busy loops (0 1 2)")
    parser.add_argument("--spins", nargs="*", default=[], help="more ways: rounds of a spin (none)")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(*given.worker)
        return
    ways = WAYS | {f"{spin} rounds": {"GOMP_SPINCOUNT": spin} for spin in given.spins}
    print(describe())
    print("| task | cell | busy | " + " | ".join(ways) + " |\n|---|---|---:|" + "---:|" * len(ways))
    for task in given.tasks:
        for cell in given.cells:
            with ExitStack() as stack:
                workers = {way: stack.enter_context(worker(task, cell, ways[way])) for way in ways}
                for busy in given.busy:
                    found: dict[str, list[float]] = {way: [] for way in ways}
                    for _ in range(given.turns):
                        for way in ways:
                            with others(busy):
                                found[way].append(turn(workers[way]))
                    print(
                        f"| {task} | {cell} | {busy} | "
                        + " | ".join(f"{median(f):,.0f}" for f in found.values())
                        + " |",
                        flush=True,
                    )


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


@contextmanager
def worker(task: str, cell: str, variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that works when `turn` says so."""
    command = [sys.executable, __file__, "--worker", task, cell]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=os.environ | variables, text=True, bufsize=1, **pipes) as process:  # type: ignore[call-overload]
        try:
            turn(process)  # not counted: it builds the model
            yield process
        finally:
            process.kill()


def turn(process: subprocess.Popen[str]) -> float:
    """Lets a worker work for a turn: its characters a second."""
    assert process.stdin and process.stdout
    process.stdin.write("go\n")
    return float(process.stdout.readline())


def work(task: str, cell: str) -> None:
    """Works for a turn at each line of standard input, and prints the characters a second."""
    from charrnn.training.waiting import considerate

    step = (training if task == "training" else writing)(cell)
    for _ in sys.stdin:
        with considerate():
            begun = time.perf_counter()
            while time.perf_counter() < begun + NOTICING:
                step()
            begun, characters = time.perf_counter(), 0
            while time.perf_counter() < begun + TURN:
                characters += step()
            print(characters / (time.perf_counter() - begun), flush=True)


def settings(cell: str) -> ModelConfig:
    """The model of a cell."""
    from charrnn.config import ModelConfig

    layers, width = CELLS[cell]
    deep = {"residual": True, "norm": "rms"} if cell == "mingru" else {}
    return ModelConfig(cell=cell, num_layers=layers, hidden_size=width, embedding_size=width, **deep)  # type: ignore[arg-type]


def training(cell: str) -> Callable[[], int]:
    """A step of training, which gives the characters that it read."""
    import numpy as np

    from charrnn.config import TrainingConfig
    from charrnn.models import build_model
    from charrnn.text.batches import training_batches
    from charrnn.text.dataset import Part
    from charrnn.training.distributed import Workers
    from charrnn.training.step import Learner

    text = np.random.default_rng(0).integers(0, 64, 100_000)
    batches = training_batches(Part(text), 32, 32, SYMBOLS - 1, 0)
    how = TrainingConfig(steps=10**6, precision="bfloat16" if cell == "mingru" else "float32")
    learner = Learner(build_model(settings(cell), SYMBOLS, 0), batches, how, time.perf_counter, Workers())
    learner.model.train()

    def step() -> int:
        learner.learn(1e-3)
        return 32 * 32

    return step


def writing(cell: str) -> Callable[[], int]:
    """Writing 64 texts of 100 characters, as `charrnn sample` does."""
    from charrnn.generation.fast.native_way import NativeStepper
    from charrnn.generation.fast.numpy_way import NumpyStepper
    from charrnn.generation.fast.plan import make_plan
    from charrnn.generation.filters import Filters
    from charrnn.generation.sampler import Sampler
    from charrnn.models import build_model
    from charrnn.text.vocab import Vocabulary

    network = build_model(settings(cell), SYMBOLS, 0)
    plan = make_plan(settings(cell), SYMBOLS, {name: value.numpy() for name, value in network.state_dict().items()})
    assert plan is not None
    stepper = NumpyStepper(plan) if os.environ.get("CHARRNN_NATIVE") == "0" else NativeStepper(plan)
    vocabulary = Vocabulary("char", [chr(40 + i) for i in range(SYMBOLS - 2)])
    sampler = Sampler(stepper, vocabulary, Filters(0.8), documents=False)

    def step() -> int:
        sampler.sample([0, 1], 100, 0, 64)
        return 64 * 100

    return step


if __name__ == "__main__":
    main()
