"""`charrnn eval`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from charrnn.cli.options import Device, Json, RunFolder
from charrnn.errors import CharrnnError


def evaluate(
    run: RunFolder,
    text: Annotated[Path | None, typer.Option(help="Evaluate on this file instead of a part of the corpus.")] = None,
    split: Annotated[str, typer.Option(help="The part of the run's corpus: val, test or train.")] = "val",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure how well a model predicts a text: bits per character, on every character, the state carried.

    Characters outside the vocabulary count as <unk>; in documents mode the end of each counts as a character.
    """
    if split not in ("val", "test", "train"):
        raise CharrnnError(f"--split {split}: val, test or train was expected")

    from charrnn.run import load

    result = load(run, device).evaluate(text, cast(Literal["train", "val", "test"], split))
    if as_json:
        keys = ("bits_per_char", "nats_per_char", "perplexity", "characters")
        typer.echo(json.dumps({key: getattr(result, key) for key in keys}))
    else:
        typer.echo(
            f"{result.bits_per_char:.4f} bits per character  ({result.nats_per_char:.4f} nats, "
            f"perplexity {result.perplexity:.3f}, {result.characters:,} characters)"
        )
