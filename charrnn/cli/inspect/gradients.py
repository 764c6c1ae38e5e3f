"""`charrnn inspect gradients`."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.inspect.options import Picture
from charrnn.cli.options import Json, Plugin, complete_config
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.report.gradients import Gradients


def gradients(
    of: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN|CONFIG...]",
            help="Folders of runs; configs, or their names. Default: the cells that --cells compares.",
            autocompletion=complete_config,
            show_default=False,
        ),
    ] = None,
    cells: Annotated[
        bool, typer.Option("--cells", help="Compare tanh, relu, GRU, LSTM and minGRU, each in the place of the model.")
    ] = False,
    lags: Annotated[int, typer.Option(help="The longest way back, in characters.", min=2, max=1000)] = 100,
    out: Picture = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Predict characters of this file (runs). Default: of the validation part."),
    ] = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """How does a gradient fade on its way back? Of one prediction, with regard to the states 1, 2 ... 100 steps before.

    A config is measured before any training; a run at its start, which is made again from its seed, and after its
    training, with the norms of the parameters' gradient step by step. Medians over 64 places of the held-out text,
    in float64, relative to the state that the last step is given.
    """
    from charrnn.report.gradients import REFUTED, SHOWN, drawn, of_config, of_run, opened
    from charrnn.report.out import check_ending, write_picture
    from charrnn.terminal import bar, table

    if out is not None:
        check_ending(out)
    runs, configs = opened(of or [], cells)
    if text is not None and configs:
        raise CharrnnError(f"--text {text}: is for runs; a config has a corpus of its own")
    found: list[Gradients] = []
    with bar(total=len(runs) + len(configs), desc="gradients", unit="model", leave=False, delay=1) as shown:
        for run in runs:
            found += of_run(run, lags, text)
            shown.update()
        for name, config in configs.items():
            found.append(of_config(config, name, lags))
            shown.update()
    if as_json:
        show_json([asdict(one) for one in found])
    else:
        columns = [lag for lag in SHOWN if lag <= max(len(one.states.lags) for one in found)]
        rows = [["model", "", *map(str, columns)], *(_row(one, columns) for one in found)]
        show("log10 of the gradient's norm at the state k characters back, against k = 1; the median; k =")
        show(table(rows))
        for one in found:
            if one.norms:
                show(_clipping(one))
    if out is not None:
        write_picture(out, drawn(found), "How does a gradient fade on its way back?", REFUTED)


def _row(one: Gradients, columns: list[int]) -> list[str]:
    medians = dict(zip(one.states.lags, one.states.median, strict=True))
    return [
        one.name,
        one.when,
        *(f"{math.log10(medians[lag]):.1f}" if medians.get(lag) else "0" * (lag in medians) for lag in columns),
    ]


def _clipping(one: Gradients) -> str:
    """The gradient of the parameters in a training, in a line."""
    ordered = sorted(one.norms)
    middle, highest = ordered[len(ordered) // 2], ordered[-1]
    told = f"{one.name}: norm of the parameters' gradient: median {middle:.3g}, highest {highest:.3g}"
    if one.clip_norm is None:
        return f"{told}; not clipped"
    above = sum(norm > one.clip_norm for norm in one.norms)
    return f"{told}; {above:,} of {len(one.norms):,} means above clip_norm {one.clip_norm:g}"
