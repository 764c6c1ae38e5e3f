"""Charts as inline SVG, whose colours are those of the page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal

POINTS = 300
"""The most points of a curve that are drawn."""
COLOURS = 8
"""The number of colours, `--c0` and on, in style.css."""
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 640, 60, 16, 12, 30


@dataclass(frozen=True)
class Curve:
    """Some points (x, y) that a line joins."""

    name: str
    """In HTML."""
    points: Sequence[tuple[float, float]]
    colour: int = 0
    kind: Literal["curve", "faint", "level"] = "curve"
    """`faint` is thin; `level` is dashed: one point of it is a line across the whole chart."""


def chart(
    curves: Sequence[Curve],
    x_label: str,
    y_label: str,
    height: int = 250,
    log: bool = False,
    marks: Sequence[float] = (),
    ticks: Mapping[float, str] | None = None,
) -> str:
    """A chart of curves with its key below, as HTML; nothing where there are no points. Labels are HTML.

    With `log` the vertical axis is logarithmic, and points that are not above 0 are left out. `marks` are places on the
    horizontal axis where a vertical line stands; `ticks` are what is written below it, in the place of round numbers.
    """
    drawn = [(curve, _thin(_drawable(curve.points, log))) for curve in curves]
    drawn = [(curve, points) for curve, points in drawn if points]
    if not drawn:
        return ""
    xs = [x for curve, points in drawn for x, _ in points if curve.kind != "level" or len(points) > 1] or [0.0, 1.0]
    ys = [y for _, points in drawn for _, y in points]
    across = _Axis(min(0.0, *xs), max(xs), LEFT, WIDTH - RIGHT, False)
    room = 0.06 * (max(ys) - min(ys)) or 0.06 * abs(max(ys)) or 1.0
    low, high = (min(ys) / 1.2, max(ys) * 1.2) if log else (min(ys) - room, max(ys) + room)
    up = _Axis(low, high, height - BOTTOM, TOP, log)
    lines = [_grid(across, up, height, ticks)]
    for curve, points in drawn:
        if curve.kind == "level" and len(points) == 1:
            points = [(across.low, points[0][1]), (across.high, points[0][1])]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        colour = f'style="stroke:var(--c{curve.colour % COLOURS})"'
        if len(points) == 1:
            at, above = path.split(",")
            lines.append(f'<circle cx="{at}" cy="{above}" r="3" style="fill:var(--c{curve.colour % COLOURS})"/>')
        else:
            lines.append(f'<polyline class="curve {curve.kind}" {colour} points="{path}"/>')
    bottom = height - BOTTOM
    lines += [f'<line class="mark" x1="{across(x):.1f}" x2="{across(x):.1f}" y1="{TOP}" y2="{bottom}"/>' for x in marks]
    svg = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-hidden="true">{"".join(lines)}</svg>'
    keys = "".join(_key(curve) for curve, _ in drawn)
    caption = f"<figcaption>{y_label} · {x_label}</figcaption>"
    return f'<figure>{caption}{svg}<ul class="key">{keys}</ul></figure>'


class _Axis:
    """From numbers to places."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool) -> None:
        self.low, self.high, self.start, self.end, self.log = low, high if high > low else low + 1, start, end, log

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """Round numbers on it, about `count` of them."""
        if self.log and math.log10(self.high / self.low) > 1.5:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**power for power in powers][:: max(1, len(powers) // count)]
        rough = (self.high - self.low) / count
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
        first = math.ceil(self.low / step)
        ticks = [step * i for i in range(first, math.floor(self.high / step) + 1)]
        return [tick for tick in ticks if tick > 0] if self.log else ticks


def _grid(across: _Axis, up: _Axis, height: int, ticks: Mapping[float, str] | None) -> str:
    lines = []
    for y in up.ticks(5):
        at = f"{up(y):.1f}"
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{up(y):.1f}" dy=".35em" text-anchor="end">{_number(y)}</text>')
    below = height - BOTTOM + 20
    told = {x: _number(x) for x in across.ticks(7)} if ticks is None else ticks
    lines += [f'<text x="{across(x):.1f}" y="{below}" text-anchor="middle">{name}</text>' for x, name in told.items()]
    return "".join(lines)


def _key(curve: Curve) -> str:
    dashed = " class=dashed" if curve.kind == "level" else ""
    return f'<li><i{dashed} style="border-color:var(--c{curve.colour % COLOURS})"></i>{curve.name}</li>'


def _drawable(points: Sequence[tuple[float, float]], log: bool) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y) and (y > 0 or not log)]


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most POINTS points: of each run of neighbours their mean."""
    if len(points) <= POINTS:
        return points
    edges = [i * len(points) // POINTS for i in range(POINTS + 1)]
    groups = [points[start:end] for start, end in pairwise(edges)]
    return [(sum(x for x, _ in own) / len(own), sum(y for _, y in own) / len(own)) for own in groups]


def _number(value: float) -> str:
    return escape(f"{value:.6g}" if abs(value) < 1e5 else f"{value:.3g}")
