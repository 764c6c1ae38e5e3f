"""`charrnn inspect predictions`."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import typer

from charrnn.cli.inspect.options import Out
from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Device, Json, Plugin, RunFolder, Strict, Unknown
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError


def predictions(
    run: RunFolder,
    text: Annotated[
        str,
        typer.Option(
            "--text", metavar="TEXT", help="The text itself, not the name of a file. Default: none, it must be given."
        ),
    ],
    top: Annotated[int, typer.Option(help="The number of characters to show at each place, the likeliest ones.")] = 5,
    out: Out = None,
    unknown: Unknown = "error",
    strict: Strict = False,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """What does it expect at each place of a text?

    The likeliest characters at each place, and what came, with its rank (1: nothing was likelier) and its bits. The
    last line is what the model expects after the text.
    """
    from charrnn.report import predictions as report
    from charrnn.report.out import check_ending, write
    from charrnn.terminal import table

    if out is not None:
        check_ending(out)
    if unknown not in ("error", "replace", "skip"):
        raise CharrnnError(f"--unknown {unknown}: error, replace or skip was expected")
    opened = open_run(run, device, checkpoint, quiet=as_json)
    places = report.predictions(opened, text, top, cast(Literal["error", "replace", "skip"], unknown), strict)
    if as_json:
        show_json(report.as_dicts(places))
    else:
        show(table(report.rows(places)))
    if out is not None:
        write(out, lambda: report.as_page(opened, places), lambda: report.drawn(places))
