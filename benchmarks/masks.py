"""Compares ways to draw a dropout mask, and shows why `Dropout` compares integers of 16 bits.

python benchmarks/masks.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from machine import describe
from torch import Tensor

from charrnn.models.layers import Dropout

P, TIMES = 0.3, 25


def bernoulli(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """The way of PyTorch's own dropout: bernoulli_."""
    return torch.empty(shape).bernoulli_(1 - P, generator=generator).div_(1 - P)


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A random float32 for each number."""
    return (torch.empty(shape).uniform_(generator=generator) >= P).float().mul_(1 / (1 - P))


def charrnn(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A quarter of a random int64 for each number, as in `Dropout`; the product with x is timed too."""
    dropout = Dropout(P)
    dropout.generator = generator
    return dropout(torch.ones(shape))


def main() -> None:
    """Prints medians in milliseconds for the activations of a window, for locked masks, and for recurrent weights."""
    ways: list[Callable[[tuple[int, ...], torch.Generator], Tensor]] = [bernoulli, uniform, charrnn]
    shapes = {"64 × 16 × 256 units": (64, 16, 256), "locked": (16, 256), "weights of LSTM 1000": (4000, 1000)}
    print(f"{describe()}; {torch.get_num_threads()} threads\n")
    print("| | " + " | ".join(f"{way.__name__}, ms" for way in ways) + " | ratio |")
    print("|---|" + "---:|" * (len(ways) + 1))
    for name, shape in shapes.items():
        generator = torch.Generator().manual_seed(0)
        seconds: dict[str, list[float]] = {way.__name__: [] for way in ways}
        for _ in range(TIMES):
            for way in ways:
                started = time.perf_counter()
                way(shape, generator)
                seconds[way.__name__].append(time.perf_counter() - started)
        medians = [1000 * median(own) for own in seconds.values()]
        ratio = median(a / b for a, b in zip(seconds["bernoulli"], seconds["charrnn"], strict=True))
        print(f"| {name} | " + " | ".join(f"{one:.3f}" for one in medians) + f" | {ratio:.1f} × |")


if __name__ == "__main__":
    main()
