"""Time per step and peak memory of the configs of published records, beside a plain loop over nn.LSTM.

    python benchmarks/records.py                                # as published: for a GPU
    python benchmarks/records.py --set training.batch_size=8    # on a CPU, in minutes

The text is tiny-shakespeare, so that no other text is needed. The plain loop has the same sizes, optimizer, clipping
and windows, but no dropout and no varying windows: it does less. Each side trains in processes of its own, in turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from machine import describe
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.config import Config
from charrnn.device import find_device, in_bfloat16
from charrnn.loading import load_config
from charrnn.models import build_model
from charrnn.text.batches import training_batches
from charrnn.text.corpora import resolve
from charrnn.text.dataset import Part, load_dataset
from charrnn.training.trainer import Trainer

DEVICE = find_device("auto")


class Plain(nn.Module):
    """The model of a tutorial: nn.Embedding, nn.LSTM and a last layer that is tied to the embedding."""

    def __init__(self, vocab_size: int, config: Config) -> None:
        super().__init__()
        model = config.model
        widths = [model.embedding_size, *[model.hidden_size] * (model.num_layers - 1), model.embedding_size]
        self.embedding = nn.Embedding(vocab_size, model.embedding_size)
        self.layers = nn.ModuleList(nn.LSTM(before, after) for before, after in pairwise(widths))
        self.output = nn.Linear(model.embedding_size, vocab_size)
        self.output.weight = self.embedding.weight
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def forward(self, ids: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """ids `[T, B]` to logits `[T, B, V]` and the new states."""
        x = self.embedding(ids)
        after = []
        for layer, state in zip(self.layers, states, strict=True):
            x, state = layer(x, state)
            after.append(tuple(tensor.detach() for tensor in state))
        return self.output(x), after


def train_plain(config: Config, part: Part, boundary: int, steps: int) -> tuple[list[float], list[float], int]:
    """The seconds and the loss of each step of the plain loop, and the number of its parameters."""
    training = config.training
    torch.manual_seed(training.seed)
    model = Plain(boundary + 1, config).to(DEVICE)
    optimizer = torch.optim.Adam(
        model.parameters(), training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    batches = training_batches(part, training.batch_size, training.window, boundary, training.seed)
    states: list[Any] = [None] * len(model.layers)
    seconds, losses = [], []
    for _ in range(steps):
        started = time.perf_counter()
        batch = batches.next()
        inputs, targets = (torch.from_numpy(ids).to(DEVICE) for ids in (batch.inputs, batch.targets))
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=in_bfloat16(training.precision, DEVICE)):
            logits, states = model(inputs, states)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), training.clip_norm or 1e9)
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - started)
    return seconds, losses, sum(p.numel() for p in model.parameters())


def train_charrnn(config: Config, part: Part, boundary: int, steps: int) -> tuple[list[float], list[float], int]:
    """The seconds and the loss of each step of charrnn's training, and the number of its parameters."""
    training = config.training.model_copy(update={"epochs": None, "steps": steps, "log_every": 1})
    deviation = training.window_deviation
    batches = training_batches(part, training.batch_size, training.window, boundary, training.seed, deviation)
    model = build_model(config.model, boundary + 1, training.seed)
    trainer = Trainer(model, batches, Part(part.ids[:0]), training, DEVICE)
    seconds, losses = [], []
    for event in trainer.events():
        if event.kind == "step" and event.metrics:  # windows differ in length: a step is one of the mean length
            seconds.append(training.batch_size * training.window / event.metrics["characters_per_second"])
            losses.append(event.metrics["loss"])
    return seconds, losses, model.size


def main() -> None:
    """Measures both sides of each config in turns, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=["ptb-awd-lstm", "enwik8-awd-lstm"])
    parser.add_argument("--steps", type=int, default=12, help="of each training, the first two not counted")
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each side")
    parser.add_argument("--set", action="append", default=[], help="a key of the configs")
    parser.add_argument("--side", choices=["charrnn", "plain"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure(arguments.configs[0], arguments.side, arguments.steps, arguments.set)))
        return
    print(f"{describe()}; {torch.get_num_threads()} threads, {DEVICE}\n")
    print("| | parameters | seconds a step | plain loop | ratio | peak memory | plain loop | loss | plain loop |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name in arguments.configs:
        sides: dict[str, list[dict[str, Any]]] = {"charrnn": [], "plain": []}
        for _ in range(arguments.rounds):
            for side, found in sides.items():
                command = [sys.executable, __file__, name, "--side", side, "--steps", str(arguments.steps)]
                command += [f"--set={override}" for override in arguments.set]
                output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                found.append(json.loads(output.splitlines()[-1]))
        (own, plain), times = sides.values(), {side: [one["seconds"] for one in found] for side, found in sides.items()}
        ratio = median(b / a for a, b in zip(times["charrnn"], times["plain"], strict=True))
        print(
            f"| {name} | {own[0]['parameters']:,} | {median(times['charrnn']):.3f} | {median(times['plain']):.3f} "
            f"| {ratio:.2f} × | {max(one['megabytes'] for one in own):,.0f} MB "
            f"| {max(one['megabytes'] for one in plain):,.0f} MB "
            f"| {own[0]['losses'][0]:.2f} to {own[0]['losses'][-1]:.2f} "
            f"| {plain[0]['losses'][0]:.2f} to {plain[0]['losses'][-1]:.2f} |",
            flush=True,
        )


def measure(name: str, side: str, steps: int, overrides: list[str]) -> dict[str, Any]:
    """The figures of one training in this process."""
    config = load_config(name, ["corpus.name=tiny-shakespeare", *overrides])
    files, corpus = resolve(config.corpus)
    dataset = load_dataset(files, corpus, config.vocab)
    part, boundary = dataset.part("train", config.corpus), dataset.vocabulary.boundary
    train = train_plain if side == "plain" else train_charrnn
    seconds, losses, parameters = train(config, part, boundary, steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if DEVICE.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    return {"seconds": median(seconds[2:]), "losses": losses, "parameters": parameters, "megabytes": peak}


if __name__ == "__main__":
    main()
