"""`charrnn compare` and `charrnn sweep`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import Device, Json, Plugin, complete_config
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.experiments.compare import Row
    from charrnn.run import Run

Plot = Annotated[
    Path | None, typer.Option(help="Draw the learning curves into this file (.png, .svg, .pdf). Default: none.")
]


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False)],
    plot: Plot = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Compare runs in a table, best first, and in a plot of their learning curves.

    The best checkpoint of each run is evaluated on its whole validation part, as `charrnn eval` does.
    """
    from charrnn.run import load

    _show([load(run, "cpu") for run in runs], plot, as_json)


def sweep(
    config: Annotated[str, typer.Argument(help="A config with a `sweep:` section.", autocompletion=complete_config)],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Set a key for every variant. Default: none."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the runs. Default: runs/CONFIG.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Train each variant for this many minutes. Default: the config's.")
    ] = None,
    plot: Plot = None,
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train every variant of a config, one after the other, and compare them.

    The same command goes on with an interrupted sweep. Finished runs are not trained again.
    """
    from charrnn.experiments.sweep import sweep as run_sweep
    from charrnn.training.session import Interrupted

    extra = [f"training.minutes={minutes}"] if minutes is not None else []
    try:
        runs = run_sweep(config, overrides=[*(overrides or []), *extra], out=out, device=device)
    except Interrupted as interrupted:
        typer.echo("stopped and saved; the same command goes on with it", err=True)
        raise typer.Exit(128 + interrupted.number) from None
    _show(runs, plot, as_json)


def _bits(row: Row) -> str:
    if math.isinf(row.bits_per_char):
        return "–"
    return f"{row.bits_per_char:.4f}" + "~" * row.estimated + "*" * (row.measure != "likelihood")


def _show(runs: list[Run], file: Path | None, as_json: bool) -> None:
    from tqdm import tqdm

    from charrnn.experiments.compare import as_dicts, plot
    from charrnn.experiments.compare import compare as rows_of
    from charrnn.terminal import say, table

    if len({run.path.resolve() for run in runs}) < len(runs):
        raise CharrnnError("compare: a run was given twice")
    rows = rows_of(tqdm(runs, desc="evaluate", unit="run", leave=False, delay=1, disable=None))
    if as_json:
        show_json(as_dicts(rows))
    else:
        head = ["run", "architecture", "parameters", "bits/char", "minutes", "characters seen", "chars/s"]
        cells = [
            [
                row.run,
                row.architecture,
                f"{row.parameters:,}",
                _bits(row),
                f"{row.minutes:.1f}",
                f"{row.characters_seen:,}",
                f"{row.characters_per_second:,.0f}",
            ]
            for row in rows
        ]
        show(table([head, *cells]))
        if any(row.measure != "likelihood" for row in rows):
            show("* pseudo-likelihood: a bidirectional model sees what comes after; not to be compared")
        if any(math.isinf(row.bits_per_char) for row in rows):
            show("– nothing is held out to evaluate on, or it was not evaluated yet")
        if any(row.estimated and math.isfinite(row.bits_per_char) for row in rows):
            show("~ estimated by its training: the text or the checkpoint is missing, see charrnn eval RUN")
    if file is not None:
        plot(runs, rows, file)
        say(f"the learning curves are in {file}")
