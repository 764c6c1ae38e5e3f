"""The throughput of training: charrnn's trainer beside a plain PyTorch loop with the same model and data.

    python benchmarks/throughput.py                    # every row, about five minutes
    python benchmarks/throughput.py "lstm 2 x 128"
    python benchmarks/throughput.py --vocab 3500 "mingru 3 x 256"
    python benchmarks/throughput.py --device cuda

Each side has its own process. They take turns of two seconds, several times; the table has medians. charrnn's side is
the whole trainer with its data, clipping and metrics. The plain loop has an embedding, PyTorch's module, a linear
layer, cross-entropy, clipping and fused Adam, on windows that are ready in memory. The loop over time reads one
character at a time, as the char-RNNs of tutorials do. `of the peak` counts 6 floating-point operations per character
for each weight outside the embedding. The peak is that of the product of two 2048 x 2048 matrices in float32 (8192 x
8192 on CUDA), measured in the same turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import torch
from machine import describe
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.device import find_device
from charrnn.models import LanguageModel, build_model
from charrnn.text.batches import training_batches
from charrnn.text.dataset import Part
from charrnn.training.trainer import Trainer

SECONDS = 2.0
Steps = Iterator[object]
"""Makes one training step each time it is asked."""


@dataclass(frozen=True)
class Work:
    """What every side of a row does."""

    config: ModelConfig
    V: int
    """The alphabet."""
    B: int
    """Streams."""
    T: int
    """Characters of a window."""
    device: torch.device
    threads: int

    @property
    def peak_size(self) -> int:
        """The rows of the matrices whose product is the peak."""
        return 2048 if self.device.type == "cpu" else 8192


MODELS = {
    "lstm 2 x 128": ModelConfig(cell="lstm", num_layers=2, hidden_size=128, embedding_size=128),
    "lstm 2 x 512": ModelConfig(cell="lstm", num_layers=2, hidden_size=512, embedding_size=512),
    "gru 2 x 128": ModelConfig(cell="gru", num_layers=2, hidden_size=128, embedding_size=128),
    "gru 2 x 512": ModelConfig(cell="gru", num_layers=2, hidden_size=512, embedding_size=512),
    "rnn 2 x 128": ModelConfig(cell="rnn", num_layers=2, hidden_size=128, embedding_size=128),
    "rnn 2 x 512": ModelConfig(cell="rnn", num_layers=2, hidden_size=512, embedding_size=512),
    "mingru 3 x 256": ModelConfig(
        cell="mingru", num_layers=3, hidden_size=256, embedding_size=256, residual=True, norm="rms"
    ),
}


class PlainLoop(nn.Module):
    """The model of a tutorial: an embedding, one of PyTorch's recurrent modules, and a linear layer."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        layers = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[config.cell]
        self.embedding = nn.Embedding(vocab_size, config.embedding_size)
        self.layers = layers(config.embedding_size, config.hidden_size, config.num_layers)
        self.output = nn.Linear(config.hidden_size, vocab_size)

    def forward(self, x: Tensor, state: object) -> tuple[Tensor, object]:
        """x `[T, B]` to logits and the new state."""
        y, state = self.layers(self.embedding(x), state)
        return self.output(y), state


def time_loop(model: PlainLoop, work: Work, text: str, alphabet: str) -> Steps:
    """Training steps as in the char-RNNs of PyTorch's tutorials: a Python loop over time through embedding, module,
    last layer and loss, with Adam's defaults. Windows are from anywhere in the text, and encoded when they are needed.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    place = random.Random(0)
    while True:
        windows = []
        for _ in range(work.B):
            start = place.randrange(len(text) - work.T)
            windows.append(torch.tensor([alphabet.index(character) for character in text[start : start + work.T + 1]]))
        batch = torch.stack(windows, dim=1).to(work.device)
        state, loss = None, torch.zeros((), device=work.device)
        model.zero_grad()
        for t in range(work.T):
            logits, state = model(batch[t : t + 1], state)
            loss = loss + F.cross_entropy(logits[0], batch[t + 1])
        torch.autograd.backward(loss / work.T)
        optimizer.step()
        yield None


def plain(model: PlainLoop, work: Work, ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Steps:
    """Training steps of a plain loop."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, fused=True)
    streams = torch.from_numpy(ids[: len(ids) // work.B * work.B]).view(work.B, -1).t().contiguous().to(work.device)
    state: object = None
    while True:
        for at in range(0, len(streams) - work.T, work.T):
            logits, state = model(streams[at : at + work.T], state)
            loss = F.cross_entropy(logits.flatten(0, 1), streams[at + 1 : at + work.T + 1].flatten())
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()  # type: ignore[attr-defined]
            yield None


def trainer(model: LanguageModel, work: Work, ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Steps:
    """Training steps of charrnn, with all work of the trainer between them."""
    config = TrainingConfig(
        steps=10**9, batch_size=work.B, window=work.T, evaluate_every="100%", checkpoint_every="100%"
    )
    batches = training_batches(Part(ids), work.B, work.T, work.V, 0)
    events = Trainer(model, batches, Part(ids[:0]), config, work.device).events()
    return (event for event in events if event.kind == "step")


def products(work: Work) -> Steps:
    """Products of two large matrices."""
    n = work.peak_size
    a, b = torch.randn(n, n, device=work.device), torch.randn(n, n, device=work.device)
    while True:
        yield torch.mm(a, b)


def steps_of(side: str, work: Work) -> Steps:
    """The step of a side."""
    torch.manual_seed(0)
    ids = np.random.default_rng(0).integers(0, work.V, 1_000_000)
    if side == "ours":
        return trainer(build_model(work.config, work.V + 1, seed=0), work, ids)
    if side == "plain":
        return plain(PlainLoop(work.config, work.V).to(work.device), work, ids)
    if side == "time":
        alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + work.V)))
        text = "".join(alphabet[i] for i in ids)
        return time_loop(PlainLoop(work.config, work.V).to(work.device), work, text, alphabet)
    return products(work)


def serve(side: str, work: Work, pipe: Connection) -> None:
    """Runs in a process of its own, and gives the steps per second, over SECONDS, each time it is asked."""
    torch.set_num_threads(work.threads)
    steps = steps_of(side, work)
    while pipe.recv():
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < SECONDS:
            next(steps)
            count += 1
            if count % 16 == 0:
                wait(work.device)  # so that no side queues up work without end
        wait(work.device)
        pipe.send(count / (time.perf_counter() - started))


def wait(device: torch.device) -> None:
    """Returns when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(work: Work, sides: list[str], rounds: int) -> dict[str, float]:
    """The median rate of each side. The sides take turns; a side waits while another one runs."""
    spawn = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for side in sides:
        pipes[side], theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(side, work, theirs), daemon=True).start()
    for round_number in range(rounds + 1):
        for side, pipe in pipes.items():
            pipe.send(True)
            rate = pipe.recv()
            if round_number:  # the first turn warms up
                rates[side].append(rate)
    for pipe in pipes.values():
        pipe.send(False)
    return {side: statistics.median(values) for side, values in rates.items()}


def main() -> None:
    """Measures every row and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=list(MODELS), help=f"some of: {', '.join(MODELS)}")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (default 7)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--vocab", type=int, default=65, help="characters of the alphabet (default 65)")
    parser.add_argument("--batch", type=int, default=50, help="streams (default 50)")
    parser.add_argument("--window", type=int, default=50, help="characters of a window (default 50)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    given = parser.parse_args()
    device = find_device(given.device)
    on = f"{given.threads} threads" if device.type == "cpu" else torch.cuda.get_device_name(device)
    print(f"{describe()}, {on}; {given.batch} streams, windows of {given.window}, an alphabet of {given.vocab:,}\n")
    print("| model | charrnn, characters/s | of the peak | plain loop | ratio | loop over time | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in given.rows:
        work = Work(MODELS[name], given.vocab, given.batch, given.window, device, given.threads)
        weights = build_model(work.config, work.V + 1).size - (work.V + 1) * work.config.embedding_size
        sides = ["ours", "peak"] if work.config.cell == "mingru" else ["ours", "peak", "plain", "time"]
        median = measure(work, sides, given.rounds)
        per_step = work.B * work.T
        ours, peak = median["ours"] * per_step, median["peak"] * 2 * work.peak_size**3 / (6 * weights)
        cells = [f"{ours:,.0f}", f"{ours / peak:.0%}"]
        for side in ("plain", "time"):
            cells += (
                [f"{median[side] * per_step:,.0f}", f"{median['ours'] / median[side]:.2f}"]
                if side in median
                else ["", ""]
            )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
