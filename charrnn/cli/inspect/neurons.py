"""`charrnn inspect neurons`."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from charrnn.cli.inspect.options import Out, TextFile
from charrnn.cli.opening import open_run, regular
from charrnn.cli.options import Checkpoint, Device, Encoding, Json, Plugin, RunFolder
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError


def neurons(
    run: RunFolder,
    text: TextFile = None,
    characters: Annotated[
        int, typer.Option(help="The number of characters to look at: half to choose by, half to measure on.")
    ] = 20_000,
    out: Out = None,
    encoding: Encoding = None,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Which units of the state follow something in the text?

    Looks for units that follow quotes, brackets, the place in the line or in the verse, rhymes, indentation, speakers:
    whatever of these the text has. A unit is reported only where it does better than the best unit of the same network
    untrained, than shifted labels, and than a predictor that sees the last eight characters. It is then overwritten
    while the network reads, and the change in bits is shown, at the characters that it should matter for and elsewhere.
    A last table says how often the gates are shut and open.
    """
    from charrnn.report import neurons_shown as shown
    from charrnn.report.neurons import neurons as look
    from charrnn.report.out import check_ending, write
    from charrnn.terminal import advance, bar, table

    if out is not None:
        check_ending(out)
    if encoding is not None and text is None:
        raise CharrnnError("--encoding is that of a file: give it with --text FILE")
    opened = open_run(run, device, checkpoint, quiet=as_json)
    with (
        nullcontext() if text is None else regular(text) as file,
        bar(desc="read", unit="char", unit_scale=True, leave=False, delay=1) as progress,
    ):
        result = look(opened, file, encoding, characters, progress=lambda count: advance(progress, count))
    if as_json:
        show_json(shown.as_dict(result))
    else:
        show("\n\n".join([shown.summary(result), *map(table, shown.tables(result))]))
    if out is not None:
        write(out, lambda: shown.as_page(result), lambda: shown.drawn(result))
