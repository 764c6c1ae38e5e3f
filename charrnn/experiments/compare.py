"""Compares runs in a table and a plot."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from charrnn.errors import CharrnnError
from charrnn.run import Run
from charrnn.store.history import read_history
from charrnn.terminal import printable

MOST = 10_000
"""The most points of a curve, the last ones."""


@dataclass(frozen=True)
class Row:
    """The row of a run in a comparison."""

    run: str
    architecture: str
    parameters: int
    bits_per_char: float
    """The bits per character of the best checkpoint, on the whole validation part."""
    measure: str
    """`likelihood`, or for a bidirectional model `pseudo-likelihood`; the two must not be compared."""
    estimated: bool
    """Whether `bits_per_char` is the best value of the training itself, because it could not be measured now."""
    minutes: float
    characters_seen: int
    characters_per_second: float


def compare(runs: Iterable[Run]) -> list[Row]:
    """A row for each run, best first. Bidirectional runs come last, because they see the text after a character.

    Each run is evaluated again, because trainings evaluate on different numbers of characters. A run without any
    evaluation gets infinitely many bits.
    """
    rows = [_row(run) for run in runs]
    return sorted(rows, key=lambda row: (row.measure != "likelihood", row.bits_per_char))


def as_dicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for JSON, which has no infinity."""
    return [asdict(row) | ({} if math.isfinite(row.bits_per_char) else {"bits_per_char": None}) for row in rows]


def plot(runs: Sequence[Run], rows: Sequence[Row], file: Path) -> None:
    """Draws the validation bits per character of each training against minutes and against characters seen.

    The curves are in the order of `rows`. Raises CharrnnError if matplotlib is missing or the file cannot be written.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise CharrnnError("‹plot›: needs matplotlib: pip install 'charrnn[plot]'") from None
    mpl.rcdefaults()  # a matplotlibrc in the current folder may be anybody's
    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, (by_time, by_characters) = plt.subplots(1, 2, figsize=(13, 5), sharey=True, layout="constrained")
    by_name = {str(run.path): run for run in runs}
    colours = plt.get_cmap("tab20" if len(runs) > 10 else "tab10")
    for i, row in enumerate(rows):
        run = by_name[row.run]
        curve = list(deque(read_history(run.metrics, "val_bits_per_char"), MOST))
        bits = [point["val_bits_per_char"] for point in curve]
        line = "-" if row.measure == "likelihood" else ":"
        name = printable(run.path.name).replace("$", r"\$")  # which would begin a formula
        style = {"marker": ".", "linestyle": line, "label": name, "color": colours(i % colours.N)}
        by_time.plot([point["minutes"] for point in curve], bits, **style)
        total = run.facts.characters["train"]
        by_characters.plot([max(point["epochs"], 1e-3) * total for point in curve], bits, **style)
    by_time.set(xlabel="minutes", ylabel="validation, bits per character", xlim=(0, None))
    by_characters.set(xlabel="characters seen", xscale="log")
    by_characters.xaxis.set_minor_formatter(NullFormatter())
    handles, labels = by_time.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", title="best first")
    for axes in (by_time, by_characters):
        axes.grid(alpha=0.3)
    try:
        figure.savefig(file, dpi=110)
    except (OSError, ValueError) as error:
        raise CharrnnError(f"‹plot={file}›: cannot be written: {error}") from None
    finally:
        plt.close(figure)


def _row(run: Run) -> Row:
    last, best = {"step": 0, "minutes": 0.0, "epochs": 0.0}, math.inf
    for line in read_history(run.metrics):
        last = max(last, line, key=lambda one: one["step"])
        best = min(best, line.get("val_bits_per_char", math.inf))
    try:
        bits, estimated = run.evaluate().bits_per_char, False
    except CharrnnError:
        bits, estimated = best, True
    seen = round(last["epochs"] * run.facts.characters["train"])
    return Row(
        run=str(run.path),
        architecture=run.config.model.describe(),
        parameters=run.facts.parameters,
        bits_per_char=bits,
        measure="pseudo-likelihood" if run.config.model.bidirectional else "likelihood",
        estimated=estimated,
        minutes=last["minutes"],
        characters_seen=seen,
        characters_per_second=seen / max(last["minutes"] * 60, 1e-9),
    )
