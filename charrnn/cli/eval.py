"""`charrnn eval`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from charrnn.cli.opening import open_run, regular
from charrnn.cli.options import Checkpoint, Device, Encoding, Json, Plugin, RunFolder
from charrnn.cli.output import show, show_csv, show_json
from charrnn.errors import CharrnnError


def evaluate(
    run: RunFolder,
    text: Annotated[
        Path | None,
        typer.Option(help="Evaluate on this file; - is standard input. Default: a part of the corpus, --split."),
    ] = None,
    split: Annotated[str, typer.Option(help="The part of the run's corpus: val, test or train.")] = "val",
    protocol: Annotated[
        str,
        typer.Option(help="carried: the state is carried along; blocks: it is fresh every --block characters."),
    ] = "carried",
    block: Annotated[int, typer.Option(help="Number of characters of a block, with --protocol blocks.")] = 256,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Go on learning from the text, from each character after it is scored.")
    ] = False,
    dynamic_rate: Annotated[float, typer.Option(help="Learning rate of --dynamic: the size of a step.")] = 1e-4,
    encoding: Encoding = None,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a CSV table instead of text for people.")] = False,
    as_json: Json = False,
) -> None:
    """Measure how well a model predicts a text, in bits per character, over every character.

    Characters outside the vocabulary count as <unk>; those of a file are counted on standard error. In documents mode
    the end of each document counts as a character.
    A bidirectional model gives a pseudo-likelihood: it sees what comes after, so do not compare it with other models.
    """
    if split not in ("val", "test", "train"):
        raise CharrnnError(f"--split {split}: val, test or train was expected")
    if protocol not in ("carried", "blocks"):
        raise CharrnnError(f"--protocol {protocol}: carried or blocks was expected")

    from tqdm import tqdm

    from charrnn.terminal import advance

    opened = open_run(run, device, checkpoint, quiet=as_json or as_csv)
    part = cast(Literal["train", "val", "test"], split)
    if dynamic and protocol == "blocks":
        raise CharrnnError("--dynamic reads on from block to block: give it without --protocol blocks")
    if encoding is not None and text is None:
        raise CharrnnError("--encoding is that of a file: give it with --text FILE")
    with (
        nullcontext() if text is None else regular(text) as file,
        tqdm(desc="read", unit="char", unit_scale=True, leave=False, delay=1, disable=None if dynamic else True) as bar,
    ):
        result = opened.evaluate(
            file,
            part,
            block=block if protocol == "blocks" else None,
            dynamic=dynamic_rate if dynamic else None,
            progress=lambda count: advance(bar, count),
            encoding=encoding,
        )
    measure = "likelihood" if opened.model.causal else "pseudo-likelihood"
    floor = opened.floor(part) if text is None and opened.model.causal else None
    if as_json or as_csv:
        keys = ("bits_per_char", "nats_per_char", "standard_error", "standard_error_bits", "perplexity", "characters")
        document = {key: getattr(result, key) for key in keys} | {
            "protocol": "dynamic" if dynamic else protocol,
            "measure": measure,
            "step": opened.checkpoint.step,
        }
        if floor is not None:
            document["floor_bits"] = floor
        if as_csv:
            own = {"run": str(run), "text": str(text or part), "seed": opened.config.training.seed}
            show_csv([own | {"parameters": opened.facts.parameters} | document])
        else:
            show_json(document, indent=None)
    else:
        notes = [] if floor is None else [f"floor {floor:.4f} bits"]
        notes += [f"blocks of {block} from a fresh state"] if protocol == "blocks" else []
        if dynamic:
            notes.append(f"learning on at {dynamic_rate:g}")
        if not opened.model.causal:
            notes.append("pseudo-likelihood: the text after each character was seen")
        error = "" if result.standard_error is None else f" ± {result.standard_error:.4f}"
        show(
            f"{result.bits_per_char:.4f} bits per character  ({result.nats_per_char:.4f}{error} nats, "
            f"perplexity {result.perplexity:.3f}, {result.characters:,} characters{''.join('; ' + n for n in notes)})"
        )
