"""The units that were found, for people: tables, a page with coloured texts, and a picture."""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.report.coloured import Shade, coloured, legend, page, steps
from charrnn.report.controls import LAST
from charrnn.report.followers import CHARACTERS, LEAST, MARGIN, Clamped, Follower
from charrnn.report.gates import MOSTLY, Gate
from charrnn.report.html import heading, paragraph, table
from charrnn.report.neurons import Neurons
from charrnn.report.passages import of
from charrnn.report.texts import END, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXCERPTS, LONG = 3, 400
"""The most passages that are shown of a unit, and the most characters of each."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Colours that colour-blind people can tell apart (Okabe & Ito)."""


def summary(result: Neurons) -> str:
    """What was looked at, and how much was found, in a few lines."""
    count = len(result.found)
    said = (
        f"{result.architecture}: {result.units:,} units of its state, {result.characters:,} characters, half to choose "
        f"a unit by and half to measure it on. "
    )
    if count:
        used = sum(one.is_confirmed for one in result.found)
        return said + (
            f"{count} of {len(result.followers)} features {'is' if count == 1 else 'are'} followed beyond all three "
            f"controls; {used} of these units {'is' if used == 1 else 'are'} confirmed by overwriting."
        )
    what = (
        "nothing that a unit could follow occurs often enough"
        if not result.followers
        else (
            "no unit follows any of " + ", ".join(one.feature.name for one in result.followers) + " beyond the controls"
        )
    )
    return said + f"Nothing was found: {what}."


def found_rows(result: Neurons) -> list[list[str]]:
    """The units that were found, with their controls, as a table with its head."""
    head = ["follows", "unit", "AUC", "untrained", "shifted", f"last {LAST}", "others"]
    return [head] + [[*_measured(one), str(one.others)] for one in result.found]


def clamped_rows(result: Neurons) -> list[list[str]]:
    """What it changes to overwrite them, in bits per character, as a table with its head."""
    head = ["unit", "concerns", "at its mean", "elsewhere", "opposite", "elsewhere", "confirmed"]
    return [head] + [
        [
            str(one.unit),
            one.feature.concerns,
            *_changes(one.mean),
            *_changes(one.opposite),
            one.verdict,
        ]
        for one in result.found
    ]


def other_rows(result: Neurons) -> list[list[str]]:
    """The features that no unit follows beyond the controls, as a table with its head."""
    head = ["not found", "best unit", "AUC", "untrained", "shifted", f"last {LAST}", "why"]
    rows = [[*_measured(one), one.why_not] for one in result.followers if not one.is_found]
    return [head, *rows, *([name, *["–"] * 5, "holds too seldom, or nearly everywhere"] for name in result.rare)]


def gate_rows(result: Neurons) -> list[list[str]]:
    """How often the gates of each layer are shut and open, as a table with its head."""
    head = ["gates", "below 0.1", "above 0.9", "units mostly shut", "mostly open"]
    return [head] + [
        [
            f"layer {gate.layer + 1}, {gate.name}",
            f"{100 * np.mean(gate.shut):.0f} %",
            f"{100 * np.mean(gate.open):.0f} %",
            *(f"{sum(share > MOSTLY for share in shares)} of {len(shares)}" for shares in (gate.shut, gate.open)),
        ]
        for gate in result.gates
    ]


def tables(result: Neurons) -> list[list[list[str]]]:
    """All tables that have rows."""
    all_ = [found_rows(result), clamped_rows(result), other_rows(result), gate_rows(result)]
    return [rows for rows in all_ if len(rows) > 1]


def as_dict(result: Neurons) -> dict[str, Any]:
    """All of it for JSON."""
    return {
        "run": result.run,
        "units": result.units,
        "characters": result.characters,
        "shuffles": result.shuffles,
        "found": [_facts(one) for one in result.found],
        "not_found": [_facts(one) | {"why": one.why_not} for one in result.followers if not one.is_found],
        "too_rare": result.rare,
        "gates": [
            {"layer": gate.layer + 1, "gate": gate.name, "below_0.1": gate.shut, "above_0.9": gate.open}
            for gate in result.gates
        ],
    }


def _facts(one: Follower) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "feature": one.feature.name,
        "layer": one.unit.layer + 1,
        "state": one.unit.name,
        "index": one.unit.index,
        "high": one.high,
        "auc": one.auc,
        "untrained": one.untrained,
        "shifted": one.shifted,
        "last_eight": one.last_eight,
    }
    if one.mean is not None and one.opposite is not None:
        facts |= {
            "others": one.others,
            "concerns": one.feature.concerns,
            "clamped_to_mean": vars(one.mean),
            "clamped_to_opposite": vars(one.opposite),
            "confirmed": one.is_confirmed,
        }
    return facts


def _measured(one: Follower) -> list[str]:
    values = (one.auc, one.untrained, one.shifted, one.last_eight)
    return [one.feature.name, str(one.unit), *(f"{value:.3f}" for value in values)]


def _changes(one: Clamped | None) -> list[str]:
    return ["–", "–"] if one is None else [f"{one.concerned:+.3f}", f"{one.elsewhere:+.3f}"]


REFUTED = (
    "A unit is reported where its AUC (the chance that its value tells a place where the feature holds from one "
    f"where it does not; 0.5 is guessing) is at least {LEAST:g}, and at least {MARGIN:g} above that of each "
    f"control (more, with fewer than {CHARACTERS:,} characters): the best unit of the same network untrained, the best "
    f"unit for labels that are shifted, a predictor that sees the last {LAST} characters. Another text on which a "
    "control does as well would refute it. That the network uses the unit would be refuted by a clamp that changes "
    "nothing: the table has the bits per character more, at the characters concerned and elsewhere, when the unit is "
    "held at its mean, or where it would be if the opposite held."
)


def as_page(result: Neurons) -> str:
    """One file of HTML: the tables, and texts coloured by each unit that was found."""
    body = [paragraph(summary(result)), *map(table, tables(result)), paragraph(REFUTED)]
    for place, one in enumerate(result.followers):
        if one.is_found:
            body += [heading(f"{one.unit}: {one.feature.name}"), legend("low", "high", one.feature.name)]
            body += [coloured(shades) + "<p></p>" for shades in excerpts(result, place)]
    return page(f"What units of {result.run} follow", body)


def excerpts(result: Neurons, place: int, most: int = EXCERPTS, long: int = LONG) -> list[list[Shade]]:
    """Passages coloured by the unit of a follower, in the order of the text: those where its feature changes most.

    The colours go from the lowest value in these passages (blue) to the highest (orange).
    """
    one = result.followers[place]
    values = result.values[:, place]
    labels = of(result.passages, one.feature.labels)
    begins = np.cumsum([0, *(passage.stop - passage.start for passage in result.passages)])
    changes = [int((labels[a + 1 : b] != labels[a : b - 1]).sum()) for a, b in pairwise(begins.tolist())]
    chosen = sorted(np.argsort(-np.array(changes), kind="stable")[:most].tolist())
    slices = [slice(begins[i], min(begins[i + 1], begins[i] + long)) for i in chosen]
    all_shown = np.concatenate([values[own] for own in slices])
    low, high = all_shown.min(), all_shown.max()
    found = []
    for i, own in zip(chosen, slices, strict=True):
        passage = result.passages[i]
        stop = passage.start + own.stop - own.start
        points = result.texts[passage.text].points[passage.start : stop].tolist()
        characters = ["■" if point == END else shown(point) for point in points]
        colours = steps((values[own] - (low + high) / 2).tolist(), (high - low) / 2)
        found.append([Shade(*row) for row in zip(characters, colours, labels[own].tolist(), strict=True)])
    return found


def drawn(result: Neurons) -> Figure:
    """The AUC of each feature's unit beside its controls, and how often each unit's gates are shut and open."""
    from charrnn.experiments.picture import figure

    followers = result.followers[::-1]
    sides = 1 + bool(result.gates)
    picture = figure(6.5 * sides, 2 + 0.45 * max(6, len(followers)), "out")
    axes = picture.subplots(1, sides, squeeze=False)[0]
    measures = [
        *(("untrained network", "#999999", "s"), ("shifted labels", "#56b4e9", "v")),
        (f"last {LAST} characters", "#0072b2", "D"),
    ]
    for name, colour, marker in measures:
        values = [{"u": one.untrained, "s": one.shifted, "l": one.last_eight}[name[0]] for one in followers]
        axes[0].scatter(values, range(len(values)), c=colour, marker=marker, label=name, zorder=2)
    axes[0].scatter(
        *([one.auc for one in followers], range(len(followers))),
        c=["#cc5500" if one.is_found else "none" for one in followers],
        edgecolors="#cc5500",
        s=90,
        label="best unit (filled: beyond all controls)",
        zorder=3,
    )
    axes[0].set_yticks(range(len(followers)), [f"{one.feature.name}\n{one.unit}" for one in followers])
    axes[0].set(xlabel="AUC", xlim=(0.4, 1.02))
    axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=8)
    axes[0].grid(axis="x", alpha=0.3)
    if result.gates:
        _gates(axes[1], result.gates)
    return picture


def _gates(axis: Any, gates: list[Gate]) -> None:
    for gate, colour in zip(gates, cycle(COLOURS), strict=False):
        axis.scatter(gate.shut, gate.open, s=8, alpha=0.6, color=colour, label=f"layer {gate.layer + 1}, {gate.name}")
    axis.plot([0, 1], [1, 0], color="black", linewidth=0.6)
    axis.set(xlabel="share of places where the gate is below 0.1", ylabel="above 0.9", xlim=(0, 1), ylim=(0, 1))
    axis.legend(fontsize=8, ncols=1 + len(gates) // 12)
