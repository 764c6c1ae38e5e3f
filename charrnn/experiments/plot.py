"""Draws the learning curves of runs that are compared."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.experiments.compare import Group, Row, tables
from charrnn.experiments.picture import colours, figure, plain, save
from charrnn.run import Run
from charrnn.store.history import read_history

MOST = 10_000
"""The most points of a curve, the last ones."""
Floats = npt.NDArray[np.float64]


def plot(runs: Sequence[Run], rows: Sequence[Row], file: Path) -> None:
    """Draws the validation bits per character of trainings against minutes and against characters seen.

    Several seeds are one line, their mean, in a band of one standard deviation. The scale is that of the likelihoods:
    the line of a bidirectional model, which lies far below, may leave the picture. The ending of the file says what it
    is: .png, .svg, .pdf. Raises CharrnnError if matplotlib is missing or the file cannot be written.
    """
    drawn = figure(13, 5)
    from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

    shown = tables(rows)
    groups = [group for table in shown for group in table.groups]
    texts = {row.text for row in rows}
    by_name = {str(run.path): run for run in runs}
    axes = drawn.subplots(1, 2, sharey=True)
    limits: list[float] = []
    for colour, group in zip(colours(len(groups)), groups, strict=True):
        curves = [_curve(by_name[row.run]) for row in group.rows]
        causal = group.rows[0].measure == "likelihood"
        style = {"color": colour, "linestyle": "-" if causal else ":"}
        for column, axis in enumerate(axes):
            x, mean, deviation = _joined([(curve[column], curve[2]) for curve in curves])
            if len(x) == 1:  # an n-gram, which has counted at once
                axis.axhline(mean[0], label=_label(group, len(texts)), **style | {"linestyle": "--"})
            else:
                axis.plot(x, mean, marker=".", label=_label(group, len(texts)), **style)
            if len(curves) > 1:
                axis.fill_between(x, mean - deviation, mean + deviation, color=style["color"], alpha=0.2, linewidth=0)
            if causal or not any(one.rows[0].measure == "likelihood" for one in groups):
                limits += [*(mean - deviation), *(mean + deviation)]
    by_time, by_characters = axes
    by_time.set(xlabel="minutes", ylabel="validation, bits per character", xlim=(0, None))
    by_characters.set(xlabel="characters seen", xscale="log")
    by_characters.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    by_characters.xaxis.set_major_formatter(EngFormatter(sep=""))
    by_characters.xaxis.set_minor_formatter(NullFormatter())
    by_time.yaxis.set_major_locator(MaxNLocator(10))
    if limits:
        low, high = min(limits), max(limits)
        room = 0.04 * (high - low) or 0.1
        by_time.set_ylim(low - room, high + room)
    for axis in axes:
        axis.grid(alpha=0.3)
    title = min(texts) if len(texts) == 1 else f"{len(texts)} texts, whose figures must not be ranked together"
    if any(row.measure != "likelihood" for row in rows):
        title += "; dotted lines see both sides of a character"
    drawn.suptitle(plain(title), fontsize=11)
    handles, labels = by_time.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside right upper", title="best first")
    save(drawn, file)


def _curve(run: Run) -> tuple[Floats, Floats, Floats]:
    """Minutes, characters seen and validation bits per character at each evaluation of a training."""
    points = list(deque(read_history(run.metrics, "val_bits_per_char"), MOST))
    total = run.facts.characters["train"]
    columns: list[list[Any]] = [
        [point["minutes"] for point in points],
        [max(point["epochs"], 1e-3) * total for point in points],
        [point["val_bits_per_char"] for point in points],
    ]
    minutes, characters, bits = (np.array(column, np.float64) for column in columns)
    return minutes, characters, bits


def _joined(curves: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats]:
    """Curves (x, y) as one: its x, the mean and the standard deviation of y, where all curves have been measured."""
    curves = [curve for curve in curves if len(curve[0])]
    if not curves:
        nothing = np.zeros(0)
        return nothing, nothing, nothing
    x = curves[0][0]
    x = x[(x >= max(own[0] for own, _ in curves)) & (x <= max(min(own[-1] for own, _ in curves), x[0]))]
    y = np.stack([np.interp(x, *curve) for curve in curves])
    return x, y.mean(axis=0), y.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros_like(x)


def _label(group: Group, texts: int) -> str:
    seeds = f" ({len(group.rows)} seeds)" if len(group.rows) > 1 else ""
    return plain(Path(group.name).name + seeds + (f" [{group.rows[0].corpus}]" if texts > 1 else ""))
