"""`charrnn inspect against`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.inspect.options import Out, TextFile
from charrnn.cli.opening import open_run, regular
from charrnn.cli.options import Checkpoint, Device, Encoding, Json, Plugin, RunFolder
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError


def against(
    run: RunFolder,
    other: Annotated[
        Path, typer.Argument(metavar="OTHER", help="The run to compare it with, such as an n-gram.", show_default=False)
    ],
    text: TextFile = None,
    out: Out = None,
    encoding: Encoding = None,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Where does it predict better than another run, and where worse?

    Bits won and lost at each held-out character, summed by kind of place. The sum over all characters is the difference
    of what `charrnn eval` gives for both. `-o FILE.html` also shows the text, coloured by bits won and lost.
    """
    from charrnn.report.against import against as compare
    from charrnn.report.against import as_dict, as_page, drawn, rows
    from charrnn.report.out import check_ending, write
    from charrnn.terminal import advance, bar, table

    if out is not None:
        check_ending(out)
    if encoding is not None and text is None:
        raise CharrnnError("--encoding is that of a file: give it with --text FILE")
    one, two = (open_run(path, device, checkpoint, quiet=as_json) for path in (run, other))
    with (
        nullcontext() if text is None else regular(text) as file,
        bar(desc="read", unit="char", unit_scale=True, leave=False, delay=1) as shown,
    ):
        result = compare(one, two, file, encoding, lambda count: advance(shown, count))
    if as_json:
        show_json(as_dict(result))
    else:
        show(table(rows(result)))
    if out is not None:
        write(out, lambda: as_page(result), lambda: drawn(result))
