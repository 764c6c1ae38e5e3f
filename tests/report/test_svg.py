"""Charts: whatever is drawn lies within the picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from charrnn.report.svg import POINTS, WIDTH, Curve, chart

numbers = st.floats(allow_nan=True, allow_infinity=True, width=32) | st.integers(-3, 3).map(float)
points = st.lists(st.tuples(st.floats(0, 1e6), numbers), max_size=20)


@given(st.lists(points, max_size=3), st.booleans(), st.sampled_from(["curve", "faint", "level"]))
def test_any_numbers_make_a_picture_within_its_bounds(
    given: list[list[tuple[float, float]]], log: bool, kind: str
) -> None:
    curves = [Curve(f"{i}", own, i, kind) for i, own in enumerate(given)]  # type: ignore[arg-type]
    made = chart(curves, "x", "y", 200, log)
    seen = [[y for _, y in own if abs(y) < float("inf") and (y > 0 or not log)] for own in given]
    assert bool(made) == any(seen)
    if not made:
        return
    svg = re.search("<svg.*</svg>", made)
    assert svg is not None
    drawn = ElementTree.fromstring(svg[0])
    for line in drawn.iter("polyline"):
        for x, y in (map(float, point.split(",")) for point in line.attrib["points"].split()):
            assert -0.1 <= x <= WIDTH + 0.1 and -0.1 <= y <= 200.1
    assert made.count("<li>") == sum(map(bool, seen))


def test_a_long_training_is_thinned_and_its_mean_stays() -> None:
    many = [(float(i), float(i % 7)) for i in range(10_000)]
    made = chart([Curve("a", many)], "x", "y")
    assert len(re.findall(r"[\d.]+,[\d.]+", made)) <= POINTS
