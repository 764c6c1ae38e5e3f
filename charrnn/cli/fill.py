"""`charrnn fill`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Device, Json, Plugin, RunFolder, Strict, Unknown, unescaped
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError


def fill(
    run: RunFolder,
    text: Annotated[
        str,
        typer.Argument(
            help=r'A text with blanks: "我饿了，我要去食堂＿＿。" \n is a line end, \t a tab, \\ a backslash.',
            show_default=False,
        ),
    ],
    blank: Annotated[str | None, typer.Option(help="The character that marks a blank. Default: ＿ and _.")] = None,
    samples: Annotated[int, typer.Option(help="The most different texts to list.")] = 1,
    best: Annotated[
        bool, typer.Option("--best", help="Search the likeliest filling instead of drawing (bidirectional models).")
    ] = False,
    seed: Annotated[int, typer.Option(help="A number; the same one draws the same fillings.")] = 0,
    unknown: Unknown = "error",
    strict: Strict = False,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Fill the blanks of a text from the characters before and after them. Each blank is one character.

    All other characters stay as they are.

    With several --samples, each text is printed after its log-probability (natural logarithm), likeliest first.
    """
    if blank is not None and len(blank) != 1:
        raise CharrnnError(f"--blank {blank!r}: a single character was expected")

    from charrnn.text.prompts import check_unknown

    check_unknown(unknown, strict)
    opened = open_run(run, device, checkpoint, quiet=as_json)
    how: dict[str, Any] = {"samples": samples, "best": best, "seed": seed, "unknown": unknown, "strict": strict}
    found = opened.fill(unescaped(text), "＿_" if blank is None else blank, **how)
    if as_json:
        rows = [{"text": one.text, "log_prob": one.log_prob, "step": opened.checkpoint.step} for one in found]
        show_json(rows)
    else:
        for one in found:
            show(one.text if samples == 1 else f"{one.log_prob:9.3f}  {one.text}")
