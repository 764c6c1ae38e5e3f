"""The time that a training spends outside its model: data, bookkeeping, logging, evaluation, samples, checkpoints.

    python benchmarks/overhead.py [--seconds 60]

It is measured in one `charrnn.train` of an LSTM of 2 × 128 units, batch 50, window 50, on made text, in one thread and
with the defaults for everything else. Clocks around forward and backward, clipping and the optimizer measure the time
of the model.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from encoding import make
from machine import describe

from charrnn.config import Config
from charrnn.text.batches import StreamBatches
from charrnn.training import listeners, saver, session, step, trainer
from charrnn.training.optimizer import FlatWeights

SPENT: defaultdict[str, float] = defaultdict(float)


def clocked(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a clock, which adds its seconds to SPENT."""

    def timed(*arguments: Any, **keys: Any) -> Any:
        began = time.perf_counter()
        try:
            return work(*arguments, **keys)
        finally:
            SPENT[name] += time.perf_counter() - began

    return timed


def main() -> None:
    """Trains, and prints the share of each part of the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    own = parser.parse_args()
    torch.set_num_threads(1)
    watched: list[tuple[str, Any, str]] = [
        ("forward and backward", step, "backward"),
        ("clipping", step, "clip"),
        ("optimizer", step, "apply_step"),
        ("gradients to 0", FlatWeights, "clear"),
        ("data", StreamBatches, "next"),
        ("evaluation", trainer.Trainer, "_evaluate"),
        ("log", listeners.Log, "hear"),
        ("bar", listeners.Bar, "hear"),
        ("samples", listeners.Samples, "hear"),
        ("checkpoints", saver.CheckpointSaver, "hear"),
    ]
    for name, where, function in watched:
        setattr(where, function, clocked(name, getattr(where, function)))
    trainer.Trainer._events = whole(trainer.Trainer._events)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(prefix="charrnn-overhead-") as name:
        text = make(Path(name) / "text.txt", range(33, 98), 1_000_000)
        training = {"minutes": own.seconds / 60, "batch_size": 50, "window": 50}
        model = {"num_layers": 2, "hidden_size": 128}
        config = Config.model_validate({"corpus": {"path": str(text)}, "model": model, "training": training})
        session.train(config, out=Path(name) / "run", device="cpu")
    total = SPENT.pop("whole")
    SPENT["the loop itself"] = total - sum(SPENT.values())
    print(f"{describe()}; one thread, {total:.0f} s\n\n| | share |\n|---|---:|")
    for part, seconds in sorted(SPENT.items(), key=lambda item: -item[1]):
        print(f"| {part} | {seconds / total:.2%} |")
    model_s = sum(SPENT[name] for name in ("forward and backward", "clipping", "optimizer", "gradients to 0"))
    print(f"| **all but the model** | **{1 - model_s / total:.2%}** |")


def whole(events: Callable[..., Any]) -> Callable[..., Any]:
    """The events of the training, with a clock that also counts the time of the listeners."""

    def timed(own: Any) -> Any:
        began = time.perf_counter()
        yield from events(own)
        SPENT["whole"] += time.perf_counter() - began

    return timed


if __name__ == "__main__":
    main()
