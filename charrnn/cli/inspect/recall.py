"""`charrnn inspect recall`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.inspect.options import Picture
from charrnn.cli.options import Device, Json, Plugin
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError


def recall(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|FOLDER...", help="Folders of runs, or folders that hold them.", show_default=False),
    ],
    out: Picture = None,
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """From how far back does it recall? Accuracy by distance, for runs on one synthetic corpus such as recall-4-128.

    At each place where what stands before decides what comes (the key again, a closing bracket, the sum), the model is
    right if it holds that character the likeliest of those that might come there. At most 1,000 held-out documents are
    read.
    """
    from charrnn.report.opening import causal_runs
    from charrnn.report.out import check_ending, write_picture
    from charrnn.report.recall import DOCUMENTS, REFUTED, drawn
    from charrnn.report.recall import recall as measure
    from charrnn.terminal import advance, bar, table

    if out is not None:
        check_ending(out)
    opened = causal_runs(runs, device)
    if len(names := {run.config.corpus.name or str(run.path) for run in opened}) > 1:
        raise CharrnnError(f"{len(names)} corpora: {', '.join(sorted(names))}; give runs on one of them")
    with bar(total=DOCUMENTS * len(opened), desc="recall", unit="document", leave=False, delay=1) as shown:
        found = [measure(run, progress=lambda count: advance(shown, count)) for run in opened]
    if as_json:
        show_json([asdict(one) for one in found])
    else:
        first = found[0]
        rows = [["run", *map(str, first.distances)]]
        rows += [[one.run, *(f"{100 * share:.1f}" for share in one.accuracy)] for one in found]
        show(f"% right, by the distance in characters of what decides it; by chance {100 * first.chance:.1f}")
        show(table(rows))
    if out is not None:
        write_picture(out, drawn(found), "From how far back does it recall?", REFUTED)
