"""The throughput of training: charrnn's trainer beside a plain PyTorch loop with the same model and data.

    python benchmarks/throughput.py                    # every row, about five minutes
    python benchmarks/throughput.py "lstm 2 x 128"

Each side has its own process. They take turns of two seconds, several times; the table has medians. charrnn's side is
the whole trainer with its data, clipping and metrics. The plain loop has an embedding, PyTorch's module, a linear
layer, cross-entropy, clipping and fused Adam, on windows that are ready in memory. The loop over time reads one
character at a time, as the char-RNNs of tutorials do. `of the peak` counts 6 floating-point operations per character
for each weight outside the embedding. The peak is that of the product of two 2048 x 2048 matrices in float32, measured
in the same turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import string
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
import torch
from machine import describe
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.models import LanguageModel, build_model
from charrnn.text.batches import training_batches
from charrnn.text.dataset import Part
from charrnn.training.trainer import Trainer

V, B, T = 65, 50, 50
SECONDS = 2.0
Steps = Iterator[object]
"""Makes one training step each time it is asked."""

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

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        layers = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[config.cell]
        self.embedding = nn.Embedding(V, config.embedding_size)
        self.layers = layers(config.embedding_size, config.hidden_size, config.num_layers)
        self.output = nn.Linear(config.hidden_size, V)

    def forward(self, x: Tensor, state: object) -> tuple[Tensor, object]:
        """x `[T, B]` to logits and the new state."""
        y, state = self.layers(self.embedding(x), state)
        return self.output(y), state


def time_loop(model: PlainLoop, text: str, alphabet: str) -> Steps:
    """Training steps as in the char-RNNs of PyTorch's tutorials: a Python loop over time through embedding, module,
    last layer and loss, with Adam's defaults. Windows are from anywhere in the text, and encoded when they are needed.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    place = random.Random(0)
    while True:
        windows = []
        for _ in range(B):
            start = place.randrange(len(text) - T)
            windows.append(torch.tensor([alphabet.index(character) for character in text[start : start + T + 1]]))
        batch = torch.stack(windows, dim=1)
        state, loss = None, torch.zeros(())
        model.zero_grad()
        for t in range(T):
            logits, state = model(batch[t : t + 1], state)
            loss = loss + F.cross_entropy(logits[0], batch[t + 1])
        torch.autograd.backward(loss / T)
        optimizer.step()
        yield None


def plain(model: PlainLoop, ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Steps:
    """Training steps of a plain loop."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, fused=True)
    streams = torch.from_numpy(ids[: len(ids) // B * B]).view(B, -1).t().contiguous()
    state: object = None
    while True:
        for at in range(0, len(streams) - T, T):
            logits, state = model(streams[at : at + T], state)
            loss = F.cross_entropy(logits.flatten(0, 1), streams[at + 1 : at + T + 1].flatten())
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()  # type: ignore[attr-defined]
            yield None


def trainer(model: LanguageModel, ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Steps:
    """Training steps of charrnn, with all work of the trainer between them."""
    config = TrainingConfig(steps=10**9, batch_size=B, window=T, evaluate_every="100%", checkpoint_every="100%")
    batches = training_batches(Part(ids), B, T, V, 0)
    events = Trainer(model, batches, Part(ids[:0]), config, torch.device("cpu")).events()
    return (event for event in events if event.kind == "step")


def products() -> Steps:
    """Products of two large matrices."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    while True:
        yield torch.mm(a, b)


def steps_of(side: str, config: ModelConfig) -> Steps:
    """The step of a side."""
    torch.manual_seed(0)
    ids = np.random.default_rng(0).integers(0, V, 1_000_000)
    if side == "ours":
        return trainer(build_model(config, V + 1, seed=0), ids)
    if side == "plain":
        return plain(PlainLoop(config), ids)
    if side == "time":
        alphabet = string.printable[:V]
        return time_loop(PlainLoop(config), "".join(alphabet[i] for i in ids), alphabet)
    return products()


def serve(side: str, config: ModelConfig, threads: int, pipe: Connection) -> None:
    """Runs in a process of its own, and gives the steps per second, over SECONDS, each time it is asked."""
    torch.set_num_threads(threads)
    steps = steps_of(side, config)
    while pipe.recv():
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < SECONDS:
            next(steps)
            count += 1
        pipe.send(count / (time.perf_counter() - started))


def measure(config: ModelConfig, sides: list[str], rounds: int, threads: int) -> dict[str, float]:
    """The median rate of each side. The sides take turns; a side waits while another one runs."""
    spawn = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for side in sides:
        pipes[side], theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(side, config, threads, theirs), daemon=True).start()
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
    arguments = parser.parse_args()
    print(f"{describe()}, {arguments.threads} threads; {B} streams, windows of {T}\n")
    print("| model | charrnn, characters/s | of the peak | plain loop | ratio | loop over time | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in arguments.rows:
        config = MODELS[name]
        weights = build_model(config, V + 1).size - (V + 1) * config.embedding_size
        sides = ["ours", "peak"] if config.cell == "mingru" else ["ours", "peak", "plain", "time"]
        median = measure(config, sides, arguments.rounds, arguments.threads)
        ours, peak = median["ours"] * B * T, median["peak"] * 2 * 2048**3 / (6 * weights)
        cells = [f"{ours:,.0f}", f"{ours / peak:.0%}"]
        for side in ("plain", "time"):
            cells += (
                [f"{median[side] * B * T:,.0f}", f"{median['ours'] / median[side]:.2f}"] if side in median else ["", ""]
            )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
