"""`charrnn report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Json, Plugin
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="The folders of one run or several.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("report.html"),
    overwrite: Annotated[bool, typer.Option(help="Replace a file of that name.")] = False,
    quotes: Annotated[bool, typer.Option("--quotes/--no-quotes", help="Show held-out text of the corpus.")] = True,
    precision: Annotated[
        str,
        typer.Option(
            help="The numbers of the weights in the page: float32, which write the same text as `charrnn sample`; "
            "float16, half as large; or auto, which is float32 where the page stays under 2.5 MB."
        ),
    ] = "auto",
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Make a page of a run that shows how it learnt, what it finds hard, and the model itself, which runs in the page.

    The page is one file that asks nobody for anything: it opens from a disk, on a phone, in English and in Chinese.
    Several runs are shown together, and their models side by side.
    """
    import os

    from charrnn.files import new_file
    from charrnn.report.document import report as make
    from charrnn.report.page.packing import Precision
    from charrnn.terminal import advance, bar, say

    if precision not in ("auto", "float32", "float16"):
        raise CharrnnError(f"‹precision={precision}›: auto, float32 or float16 was expected")
    if os.path.lexists(out) and not overwrite:
        raise CharrnnError(f"{out}: exists already; give --out another file, or --overwrite")
    wanted = None if precision == "auto" else cast("Precision", precision)
    with new_file(out, like=out.parent, replace=overwrite) as stream:
        opened = [open_run(run, "cpu", checkpoint) for run in runs]
        with bar(desc="report", unit="char", unit_scale=True, leave=False, delay=1) as progress:
            made = make(opened, quotes, wanted, lambda count: advance(progress, count))
        size = stream.write(made.html.encode())
    for why in made.left_out:
        say(f"left out: {why}")
    holds = "" if made.precision is None else f"the model ({made.precision}) and its alphabet, and "
    say(f"{out}: {size / 1e6:.2f} MB; holds {holds}samples that the model wrote")
    for run, count in made.quoted.items():
        say(f"{out}: quotes {count:,} characters of the held-out text of {run}; --no-quotes leaves them out")
    if as_json:
        show_json(
            {
                "report": str(out),
                "bytes": size,
                "precision": made.precision,
                "quoted_characters": made.quoted,
                "left_out": made.left_out,
            }
        )
    else:
        show(str(out))
