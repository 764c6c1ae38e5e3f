"""What a notebook shows of a run. Names and texts may be a stranger's: everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from charrnn.terminal import printable

WIDTH, HEIGHT, MARGIN = 320, 90, 4
"""The size of the curve, and the room around it, in pixels."""
POINTS = 300
"""The most points of a curve."""


def as_html(line: str, curve: Sequence[tuple[float, float]], sample: str) -> str:
    """A line, the curve of minutes and bits per character if there is one, and a sample if there is one."""
    parts = [f"<p>{_safe(line)}</p>"]
    if curve:
        parts.append(f"<div>{svg(curve)}<br><small>{_legend(curve)}</small></div>")
    if sample:
        parts.append(f'<pre style="white-space: pre-wrap">{_safe(sample)}</pre>')
    return "\n".join(parts)


def svg(curve: Sequence[tuple[float, float]]) -> str:
    """A line through points (x, y), scaled to its frame. It has the colour of the text around it."""
    if len(curve) > POINTS:
        curve = [curve[i * (len(curve) - 1) // (POINTS - 1)] for i in range(POINTS)]
    columns = [_scaled([x for x, _ in curve], WIDTH), _scaled([-y for _, y in curve], HEIGHT)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(*columns, strict=True))
    mark = 'fill="none" stroke="currentColor" stroke-width="1.5"'
    last = points.rpartition(" ")[2].split(",")
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img"><polyline points="{points}" {mark}/>'
        f'<circle cx="{last[0]}" cy="{last[1]}" r="2" fill="currentColor"/></svg>'
    )


def _scaled(values: list[float], size: int) -> list[float]:
    """Values as places from one side of the frame to the other."""
    low, high = min(values), max(values)
    return [MARGIN + (value - low) / ((high - low) or 1) * (size - 2 * MARGIN) for value in values]


def _legend(curve: Sequence[tuple[float, float]]) -> str:
    bits = [y for _, y in curve]
    return f"bits per character: {bits[0]:.2f} at first, {min(bits):.2f} at best, over {curve[-1][0]:.1f} minutes"


def _safe(text: str) -> str:
    return escape(printable(text))
