"""`charrnn inspect memory`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.inspect.options import Picture
from charrnn.cli.options import Device, Json, Plugin
from charrnn.cli.output import show, show_json


def memory(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|FOLDER...", help="Folders of runs, or folders that hold them.", show_default=False),
    ],
    out: Picture = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Predict characters of this file. Default: of the validation part of the corpus."
        ),
    ] = None,
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """How far back does it look? Bits per character when only the last 1, 2, 4 ... 256 characters are known.

    The same 1,024 held-out characters are predicted by every run, each from nothing but the last k characters. The span
    is the smallest k from which on nothing is more than 0.01 bits above everything, which is all that stands before.
    """
    from charrnn.report.memory import KNOWN, REFUTED, TARGETS, drawn, part_of, targets_of
    from charrnn.report.memory import memory as measure
    from charrnn.report.opening import causal_runs
    from charrnn.report.out import check_ending, write_picture
    from charrnn.terminal import advance, bar, table

    if out is not None:
        check_ending(out)
    opened = causal_runs(runs, device)
    parts = part_of(opened, text)
    with bar(
        total=TARGETS * (1 + len(KNOWN)) * len(opened), desc="predict", unit="char", leave=False, delay=1
    ) as shown:
        found = [
            measure(run, targets_of(part), progress=lambda count: advance(shown, count))
            for run, part in zip(opened, parts, strict=True)
        ]
    if as_json:
        show_json([asdict(one) | {"span": one.span} for one in found])
    else:
        rows = [["run", *map(str, KNOWN), "everything", "span"]]
        for one in found:
            bits = [f"{value:.3f}" for value in (*one.bits, one.everything)]
            rows.append([one.run, *bits, str(one.span or f"> {KNOWN[-1]}")])
        show("held-out bits per character when the last k characters are known, k =\n" + table(rows))
    if out is not None:
        write_picture(out, drawn(found), "How far back does it look?", REFUTED)
