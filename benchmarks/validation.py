"""How far the loss that a training shows is from what `charrnn eval` says of the same weights.

    python benchmarks/validation.py [--minutes 1.5] [NAME ...]

Trains a small model on each text, by default on four: 红楼梦 and 水浒传 with an n-gram beside the network,
tiny-shakespeare and the poems of tang without one and with one ("tang +"). At the first evaluation, in the middle and
at the end it prints both losses in nats, the standard error that the training shows, how many of these lie between the
losses, and the share of the training's time that evaluations have taken, with the fit of the mixture. The last column
is the loss of streams of 1,000 characters without a run-up, which trainings showed before. The texts come from
CHARRNN_MIRROR, if it is set; 水浒传 is read from SHUIHU, a file.
"""

from __future__ import annotations

import argparse
import os
import time

import torch
from machine import describe

from charrnn.evaluation.likelihood import likelihood, some_characters
from charrnn.loading import load_config
from charrnn.text.corpora import resolve, settled
from charrnn.text.dataset import load_dataset
from charrnn.training.assembly import new_trainer
from charrnn.training.distributed import Workers
from charrnn.training.events import Event

SMALL = ["model.hidden_size=96", "model.embedding_size=64", "model.dropout=0"]
TEXTS = {
    "红楼梦": ["novel", "corpus.name=hongloumeng", *SMALL],
    "水浒传": ["novel", f"corpus.path={os.environ.get('SHUIHU', '水浒传.txt')}", *SMALL],
    "tiny-shakespeare": ["shakespeare", "model.hidden_size=128"],
    "tang": ["tang", "model.tie_embedding=false", *SMALL],
}
TEXTS |= {f"{name} +": [*TEXTS[name], "model.ngram={}"] for name in ("tiny-shakespeare", "tang")}
SHOWN = {1: "start", 3: "middle", 5: "end"}


def main() -> None:
    """Trains on each text and prints its rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("names", nargs="*", default=[*TEXTS])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe(), flush=True)
    print("| text | | val | `eval` | apart, in errors | characters read | time | no run-up |")
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in options.names:
        compare(name, options.minutes)


def compare(name: str, minutes: float) -> None:
    """Trains on a text and prints a row for three evaluations."""
    config, *overrides = TEXTS[name]
    whole = load_config(config, [*overrides, f"training.minutes={minutes}", "training.evaluate_every=20%"])
    files, corpus = resolve(settled(whole.corpus))
    whole, dataset = whole.model_copy(update={"corpus": corpus}), load_dataset(files, corpus, whole.vocab)
    validation, clock = dataset.part("val", corpus), Clock()
    trainer = new_trainer(whole, dataset, torch.device("cpu"), Workers(), clock=clock)
    evaluate, spent, count = trainer._evaluate, 0.0, 0

    def timed() -> Event:
        nonlocal spent
        started = time.perf_counter()
        event = evaluate()
        spent += time.perf_counter() - started
        return event

    trainer._evaluate = timed  # type: ignore[method-assign]
    for event in trainer.events():
        if event.kind != "evaluation":
            continue
        count += 1
        if count not in SHOWN:
            continue
        share = spent / clock()
        clock.stop()
        val, error = event.metrics["val_loss"], event.metrics["val_error"]
        told = likelihood(trainer.model, validation).nats_per_char
        before = likelihood(trainer.model, some_characters(validation, trainer.standing.evaluated, 1000), run_up=0)
        print(
            f"| {name} | {SHOWN[count]} | {val:.4f} ± {error:.4f} | {told:.4f} | {(val - told) / error:+.1f} "
            f"| {trainer.standing.evaluated:,} | {100 * share:.1f} % | {before.nats_per_char:.4f} |",
            flush=True,
        )
        clock.go_on()


class Clock:
    """Seconds since the start, without those between `stop` and `go_on`."""

    def __init__(self) -> None:
        self._out, self._stopped = time.perf_counter(), 0.0

    def __call__(self) -> float:
        """The seconds."""
        return time.perf_counter() - self._out

    def stop(self) -> None:
        """Time stands still."""
        self._stopped = time.perf_counter()

    def go_on(self) -> None:
        """Time goes on."""
        self._out += time.perf_counter() - self._stopped


if __name__ == "__main__":
    main()
