"""`charrnn info`."""

from __future__ import annotations

import json
import math
from typing import Any

import typer

from charrnn.cli.options import Json, Plugin, RunFolder


def info(run: RunFolder, plugin: Plugin = None, as_json: Json = False) -> None:
    """Describe a run: architecture, parameters, corpus, vocabulary, best loss, and the history of evaluations."""
    from charrnn.run import load
    from charrnn.store.history import read_history
    from charrnn.terminal import printable, table

    opened = load(run, "cpu")
    facts, config = opened.facts, opened.config
    evaluations = list(read_history(opened.metrics, "val_loss"))
    last = opened.checkpoints.summary("last")
    if as_json:
        document: dict[str, Any] = {
            "run": str(opened.path),
            **facts.model_dump(exclude={"plugin", "cell"}),
            "model": config.model.model_dump(),
            "corpus": config.corpus.model_dump(),
            "training": config.training.model_dump(),
            "vocabulary_size": len(opened.vocabulary),
            "steps": last.step,
            "minutes": last.seconds / 60,
            "best_loss": last.best,
            "history": evaluations,
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
        return
    model, sizes = config.model, facts.characters
    best = last.best
    path = config.corpus.path or []
    corpus = config.corpus.name or ", ".join([path] if isinstance(path, str) else path)
    rows = [
        ["run", str(opened.path)],
        ["model", model.describe()],
        ["parameters", f"{facts.parameters:,}"],
        ["corpus", f"{printable(corpus)} ({facts.mode})"],
        [
            "characters",
            f"{sizes['train']:,} to train, {sizes['val']:,} to validate, {sizes['test']:,} to test",
        ],
        [
            "vocabulary",
            f"{facts.vocabulary:,} {opened.vocabulary.kind}s: {_glimpse(opened.vocabulary.characters)}",
        ],
        ["trained", f"{last.step:,} steps in {last.seconds / 60:.1f} minutes"],
        [
            "best",
            f"{best:.4f} nats = {best / math.log(2):.4f} bits per character"
            if best is not None
            else "not evaluated yet",
        ],
    ]
    typer.echo(table(rows))
    if evaluations:
        head = ["step", "minutes", "epochs", "val nats", "val bits/char"]
        shown = [
            [
                f"{e['step']:,}",
                f"{e['minutes']:.1f}",
                f"{e['epochs']:.2f}",
                f"{e['val_loss']:.4f}",
                f"{e['val_bits_per_char']:.4f}",
            ]
            for e in evaluations
        ]
        typer.echo("\n" + table([head, *shown]))


def _glimpse(characters: list[str]) -> str:
    shown = [c for c in characters if c.isprintable() and not c.isspace()]
    step = max(1, len(shown) // 30)
    return "".join(shown[::step][:30])
