"""`charrnn compare` and `charrnn sweep`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import Device, Json, Plugin, complete_config
from charrnn.cli.output import show, show_csv, show_json
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.experiments.compare import Group, Row, Table
    from charrnn.run import Run

Plot = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw the learning curves into this file (.png, .svg, .pdf). Default: no picture."),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print a CSV table instead of text for people.")]


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|FOLDER...", help="Folders of runs, or folders that hold them.", show_default=False),
    ],
    plot: Plot = None,
    plugin: Plugin = None,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Compare runs in a table, best first, and in a plot of their learning curves.

    The best checkpoint of each run is evaluated on its whole validation part, as `charrnn eval` does. Runs that differ
    in their seed only are one row: the mean, and the standard deviation over the seeds. Figures that must not be
    ranked together stand in tables of their own.
    """
    from charrnn.experiments.compare import runs_in

    _show(runs_in(runs), plot, as_csv, as_json)


def sweep(
    config: Annotated[str, typer.Argument(help="A config with a `sweep:` section.", autocompletion=complete_config)],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY.PATH=VALUE",
            help="Set a key for every variant. May be repeated. Default: the config's values.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the runs. Default: runs/CONFIG.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Train each variant for this many minutes. Default: the config's length.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Number of trainings of each variant, which differ in training.seed. Default: the config's."),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Number of processes that train at once, each with its share of the cores.")
    ] = 1,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace-old/--keep-old",
            help="What becomes of runs of the same names with another config, text or code: removed, or kept beside "
            "the new ones.",
        ),
    ] = False,
    plot: Plot = None,
    plugin: Plugin = None,
    device: Device = "auto",
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Train every variant of a config, and compare them.

    The same command goes on with an interrupted sweep. A run is not trained again if its config, its text and its code
    are those of now. Several processes, also on machines that share a disk, may run the same command at once: each
    takes the next variant.
    """
    from charrnn.experiments.sweep import Stopped
    from charrnn.experiments.sweep import sweep as run_sweep
    from charrnn.training.session import Interrupted

    extra = [f"training.minutes={minutes}"] if minutes is not None else []
    try:
        runs = run_sweep(
            config,
            overrides=[*(overrides or []), *extra],
            seeds=seeds,
            out=out,
            device=device,
            jobs=jobs,
            replace=replace,
        )
    except (Interrupted, Stopped) as stopped:
        typer.echo("stopped and saved; the same command goes on with it", err=True)
        raise typer.Exit(128 + stopped.number) from None
    if not runs:
        raise CharrnnError("sweep: other processes have all variants; the same command shows them when they are done")
    _show(runs, plot, as_csv, as_json)


def _show(runs: list[Run], file: Path | None, as_csv: bool, as_json: bool) -> None:
    from tqdm import tqdm

    from charrnn.experiments.compare import as_dicts, notes, tables
    from charrnn.experiments.compare import compare as rows_of
    from charrnn.terminal import say

    if as_csv and as_json:
        raise CharrnnError("--csv and --json: give one of them")
    rows = rows_of(tqdm(runs, desc="evaluate", unit="run", leave=False, delay=1, disable=None))
    for note in notes(runs, rows):
        say(note)
    if as_json:
        show_json(as_dicts(rows))
    elif as_csv:
        show_csv(as_dicts(rows))
    else:
        show("\n\n".join(_table(table) for table in tables(rows)))
        for line in _legend(rows):
            show(line)
    if file is not None:
        from charrnn.experiments.plot import plot

        plot(runs, rows, file)
        say(f"the learning curves are in {file}")


def _table(table: Table) -> str:
    from charrnn.terminal import table as aligned

    keys = table.keys
    head = ["run", "architecture", *keys, "parameters", "bits/char", "minutes", "characters seen", "chars/s"]
    above: Sequence[Group | None] = [None, *table.groups]
    rows = [_cells(group, before, keys) for group, before in zip(table.groups, above, strict=False)]
    return f"{table.title}\n{aligned([head, *rows])}"


def _cells(group: Group, above: Group | None, keys: Sequence[str]) -> list[str]:
    from charrnn.loading import dump_value

    count, first = len(group.rows), group.rows[0]

    def mean(values: Sequence[float]) -> float:
        return sum(values) / count

    return [
        group.name + (f" ({count} seeds)" if count > 1 else ""),
        first.architecture,
        *(dump_value(first.varied[key]) for key in keys),
        f"{first.parameters:,}",
        _bits(group, above),
        f"{mean([row.minutes for row in group.rows]):.1f}",
        f"{mean([row.characters_seen for row in group.rows]):,.0f}",
        f"{mean([row.characters_per_second for row in group.rows]):,.0f}"
        if all(r.seconds for r in group.rows)
        else "–",
    ]


def _bits(group: Group, above: Group | None) -> str:
    if math.isinf(group.bits_per_char):
        return "–"
    same = "≈ " if above is not None and group.is_no_better_than(above) else ""
    deviation = "" if group.deviation is None else f" ± {group.deviation:.4f}"
    estimated = "~" * any(row.estimated for row in group.rows)
    causal = group.rows[0].measure == "likelihood"
    return f"{same}{group.bits_per_char:.4f}{deviation}{estimated}{'' if causal else '*'}"


def _legend(rows: Sequence[Row]) -> list[str]:
    """The lines below the tables that explain their signs."""
    said = []
    if any(row.measure != "likelihood" for row in rows):
        said.append("* pseudo-likelihood: a bidirectional model sees what comes after; not to be compared")
    if any(math.isinf(row.bits_per_char) for row in rows):
        said.append("– nothing is held out to evaluate on, or it was not evaluated yet")
    if any(row.estimated and math.isfinite(row.bits_per_char) for row in rows):
        said.append("~ estimated by its training: the text or the checkpoint is missing, see charrnn eval RUN")
    if len({row.seed for row in rows}) > 1:
        said.append("± standard deviation over seeds; ≈ no better than the row above, within two standard errors")
    elif len(rows) > 1:
        said.append("one seed each: of small differences, only several seeds (sweep --seeds 3) tell whether they count")
    return said
