"""The speed of writing: `charrnn sample` beside PyTorch's nn.LSTM, which is called once per character.

    python benchmarks/sampling.py [--repeat 5] [--seconds 0.5]

The sides, which take turns, write at temperature 0.8 with an LSTM over 67 symbols, as tiny-shakespeare has:
  charrnn        the whole of `Sampler.sample`, with random numbers, decoding and log-probabilities
  in NumPy       the same without a compiler
  nn.LSTM        nn.Embedding, nn.LSTM, nn.Linear, softmax, multinomial once per character, under no_grad

One thread writes one text; all threads write 256. The limits are measured in the same turns. For one text it is a loop
in C that reads as many bytes from the cache as the weights for a character have; for many texts it is a PyTorch matrix
product 2048 x 2048 x 2048 in float32. Multiplications with the zeros of padding are not counted.

The commands are whole processes, with the start of Python: `charrnn sample RUN --length 500 --device cpu`, and the same
text written through PyTorch. Each has been called once before. Figures are medians, with the slowest and the fastest in
brackets. For commands the processor's time is printed too, because other work on the machine changes it less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from machine import describe
from torch import nn

import charrnn
from charrnn.config import ModelConfig
from charrnn.generation.fast import native_way
from charrnn.generation.fast.native_way import NativeStepper
from charrnn.generation.fast.numpy_way import NumpyStepper
from charrnn.generation.fast.plan import make_plan
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Sampler
from charrnn.generation.stepper import Stepper
from charrnn.models import build_model
from charrnn.text.vocab import Vocabulary

VOCABULARY = Vocabulary("char", [chr(40 + i) for i in range(65)])
V = len(VOCABULARY)
THROUGH_TORCH = """
import sys
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Sampler
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.run import load
run = load(sys.argv[1], "cpu")
sampler = Sampler(TorchStepper(run.model), run.vocabulary, Filters.of(run.config.sampling), False)
print(sampler.sample([], 500, 0)[0].text)
"""


def main() -> None:
    """Measures and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="turns (5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of each measurement, about (0.5)")
    arguments = parser.parse_args()
    if native_way.library() is None:
        sys.exit("there is no C compiler here: only the NumPy side could be measured")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"{describe()}, NumPy {np.__version__}; medians of {arguments.repeat} turns\n")
    print(
        "| work | charrnn, characters/s | in NumPy | nn.LSTM | times nn.LSTM | limit | |\n"
        "|---|---|---:|---:|---:|---:|---:|"
    )
    for layers, hidden, count in ((2, 128, 1), (1, 256, 1), (2, 512, 1), (2, 128, 256)):
        threads = 1 if count == 1 else cores
        print(row(layers, hidden, count, threads, arguments.repeat, arguments.seconds), flush=True)
    print("\n| `charrnn sample RUN --length 500` | without PyTorch | through PyTorch | |\n|---|---|---|---:|")
    for layers, hidden in ((2, 128), (1, 256)):
        print(command(layers, hidden, arguments.repeat), flush=True)


def row(layers: int, hidden: int, count: int, threads: int, repeat: int, seconds: float) -> str:
    """A line of the first table: one model, writing `count` texts."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    config = ModelConfig(num_layers=layers, hidden_size=hidden)
    weights = {name: value.numpy() for name, value in build_model(config, V).state_dict().items()}
    planned = make_plan(config, V, weights)
    assert planned is not None
    products = [op for op in planned.ops if op.kind in ("matrix", "more")]
    read = sum(array.nbytes for op in products for array in (op.weight, op.bias) if array is not None)
    operations = 2 * count * sum(op.weight.size for op in products if op.weight is not None)
    sides: dict[str, Callable[[int], object]] = {
        "charrnn": writes(NativeStepper(planned), count),
        "NumPy": writes(NumpyStepper(planned), count),
        "nn.LSTM": lstm(layers, hidden, count),
        "limit": reads(read) if count == 1 else matrix_product(),
    }
    found = in_turns(sides, repeat, seconds)
    median = {name: statistics.median(times) for name, times in found.items()}
    ours, speeds = median["charrnn"], sorted(count / t for t in found["charrnn"])
    if count == 1:
        limit = f"{1 / median['limit']:,.0f} ({read / 1e6:.2f} MB)"
        of_it = f"{ours / median['limit']:.2f} × its time"
    else:
        peak = 2 * 2048**3 / median["limit"]
        limit = f"{count * peak / operations:,.0f} ({peak / 1e9:.0f} GFLOP/s)"
        of_it = f"{100 * operations / ours / peak:.0f} % of it"
    work = f"{count} text{'s' * (count > 1)}, {layers} × {hidden}, {threads} thread{'s' * (threads > 1)}"
    return (
        f"| {work} | {count / ours:,.0f} ({speeds[0]:,.0f}–{speeds[-1]:,.0f}) | {count / median['NumPy']:,.0f} | "
        f"{count / median['nn.LSTM']:,.0f} | {median['nn.LSTM'] / ours:.1f} | {limit} | {of_it} |"
    )


def in_turns(sides: Mapping[str, Callable[[int], object]], repeat: int, seconds: float) -> dict[str, list[float]]:
    """The seconds of each side for a unit of work, for each turn. A side is called with a number of units."""
    units = {}
    for name, side in sides.items():
        side(2)
        began = time.perf_counter()
        side(8)
        units[name] = max(8, int(8 * seconds / (time.perf_counter() - began)))
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeat):
        for name, side in sides.items():
            began = time.perf_counter()
            side(units[name])
            found[name].append((time.perf_counter() - began) / units[name])
    return found


def writes(stepper: Stepper, count: int) -> Callable[[int], object]:
    """The side `charrnn`: `Sampler.sample`, as the command calls it."""
    sampler = Sampler(stepper, VOCABULARY, Filters(0.8), documents=False)
    return lambda length: sampler.sample([0, 1], length, 0, count)


def lstm(layers: int, hidden: int, count: int) -> Callable[[int], object]:
    """The side nn.LSTM: a loop over characters as in tutorials."""
    embedding, output = nn.Embedding(V, 64), nn.Linear(hidden, V)
    network = nn.LSTM(64, hidden, layers)

    @torch.no_grad()
    def write(length: int) -> str:
        ids, state, text = torch.zeros(1, count, dtype=torch.long), None, []
        for _ in range(length):
            y, state = network(embedding(ids), state)
            p = torch.softmax(output(y[0]) / 0.8, dim=1)
            ids = torch.multinomial(p, 1).t()
            text.append(ids[0].tolist())
        return "".join(chr(40 + i) for row in text for i in row)

    return write


def reads(size: int) -> Callable[[int], object]:
    """The limit for one text: reads the bytes of the weights again and again, as fast as a core can."""
    library = native_way.library()
    assert library is not None
    count = -(-size // 4 // 128) * 128
    room = np.ones(count + 16, np.float32)
    start = room.ctypes.data + -room.ctypes.data % 64
    keep = [room]  # kept as long as the function
    return lambda times: keep and library.sampling_read(start, count, times)


def matrix_product() -> Callable[[int], object]:
    """The limit for many texts: a matrix product, by which the peak of the machine is measured."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    c = torch.empty(2048, 2048)

    def multiply(times: int) -> None:
        for _ in range(times):
            torch.mm(a, b, out=c)

    return multiply


def command(layers: int, hidden: int, repeat: int) -> str:
    """A line of the second table: the commands with one model."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text("".join(VOCABULARY.characters[i] for i in rng.integers(0, 65, 20_000)), encoding="utf-8")
        keys = {
            "corpus": {"path": str(text)},
            "model": {"num_layers": layers, "hidden_size": hidden},
            "training": {"steps": 1},
        }
        run = str(charrnn.train(charrnn.Config.model_validate(keys), out=Path(folder) / "run", quiet=True).path)
        commands = {
            "without": [sys.executable, "-m", "charrnn", "sample", run, "--length", "500", "--device", "cpu"],
            "through": [sys.executable, "-c", THROUGH_TORCH, run],
        }
        found: dict[str, list[float]] = {name: [] for name in commands}
        # The first call compiles Python's bytecode and the C; the second is measured.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        for line in commands.values():
            subprocess.run(line, capture_output=True, check=True, env=environment)
        busy: dict[str, list[float]] = {name: [] for name in commands}
        texts = set()
        for _ in range(repeat):
            for name, line in commands.items():
                began, worked = time.perf_counter(), processor_time()
                done = subprocess.run(line, capture_output=True, check=True, env=environment)
                found[name].append(time.perf_counter() - began)
                busy[name].append(processor_time() - worked)
                texts.add(done.stdout)
        assert len(texts) == 1, "the two ways wrote different texts"
    shown = [
        f"{statistics.median(t):.2f} s ({max(t):.2f}–{min(t):.2f}), processor {statistics.median(busy[name]):.2f} s"
        for name, t in found.items()
    ]
    ratio = statistics.median(found["through"]) / statistics.median(found["without"])
    return f"| {layers} × {hidden} | {shown[0]} | {shown[1]} | {ratio:.1f} × |"


def processor_time() -> float:
    """The processor's seconds of all finished child processes."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
