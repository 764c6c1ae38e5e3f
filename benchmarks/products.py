"""The products of a layer's U in float32, in C and by PyTorch, in turns.

    python benchmarks/products.py [--places 2500] [--rounds 40]

The layer has H units and four gates. The products are U x, from `[places, H]` to `[places, 4 H]`, and the gradients of
x and of U. The figures are medians in ms, and GFLOP/s of the C.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from machine import describe

from charrnn.models.fast import kernels

Side = Callable[[], object]


def products(places: int, units: int) -> dict[str, tuple[Side, Side]]:
    """Each product in C and by PyTorch."""
    generator = torch.Generator().manual_seed(0)
    shapes = (places, units), (places, 4 * units), (4 * units, units)
    x, dy, weights = (torch.randn(shape, generator=generator) for shape in shapes)
    return {
        "U x": (lambda: kernels.product(x, weights), lambda: torch.mm(x, weights.t())),
        "gradient of x": (lambda: kernels.input_gradient(dy, weights), lambda: torch.mm(dy, weights)),
        "gradient of U": (lambda: kernels.weight_gradient(dy, x), lambda: torch.mm(dy.t(), x)),
    }


def seconds(sides: tuple[Side, Side], rounds: int) -> tuple[float, float]:
    """The median times of both sides, which take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for side, own in zip(sides, times, strict=True):
            began = time.perf_counter()
            side()
            own.append(time.perf_counter() - began)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])  # the first turn warms up


def main() -> None:
    """Measures all products and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=2500, help="rows of x (default 2500: 50 streams x 50)")
    parser.add_argument("--rounds", type=int, default=40, help="turns of each side (default 40)")
    own = parser.parse_args()
    print(f"{describe()}, {torch.get_num_threads()} threads; {own.places} places\n")
    print("| H | product | in C | PyTorch | ratio | GFLOP/s in C |\n|---|---|---:|---:|---:|---:|")
    for units in (128, 256, 512):
        for name, sides in products(own.places, units).items():
            ours, theirs = seconds(sides, own.rounds)
            rate = 2 * own.places * 4 * units * units / ours / 1e9
            print(f"| {units} | {name} | {1e3 * ours:.2f} | {1e3 * theirs:.2f} | {theirs / ours:.2f} | {rate:.0f} |")


if __name__ == "__main__":
    main()
