"""Coloured text as HTML, light and dark, for colour-blind eyes too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from charrnn.report import html
from charrnn.report.html import plain
from charrnn.text.forms import is_ideograph

STEPS = 5
"""The number of shades on each side of nothing."""
ORANGE = ((255, 255, 255), (204, 85, 0))
BLUE = ((255, 255, 255), (0, 90, 181))
NIGHT = (24, 24, 27)
"""What shades begin from in the dark, in the place of white."""

STYLE = """\
.text{white-space:pre-wrap;line-height:1.75;font-family:ui-monospace,"Noto Sans Mono CJK SC",monospace}
.text[lang=zh]{font-family:"Noto Serif CJK SC","Source Han Serif SC","Songti SC",SimSun,serif;font-size:1.1em}
.legend span{padding:.1em .6em}
"""


class Shade(NamedTuple):
    """A character in its colour."""

    text: str
    step: int
    """From -STEPS (blue) over 0 (no colour) to STEPS (orange)."""
    marked: bool = False
    """Whether it is underlined."""


def steps(values: Sequence[float], most: float) -> list[int]:
    """The shade of each value: that of `most`, and of all above it, is the strongest; that of -most the other one."""
    scaled = np.asarray(values, np.float64) / (most or 1.0)
    return np.rint(np.clip(np.nan_to_num(scaled), -1, 1) * STEPS).astype(int).tolist()


def coloured(shades: Iterable[Shade]) -> str:
    """A coloured text. Whatever stands in it is text: nothing of it is read as HTML or turns the line around."""
    shades = list(shades)
    runs = groupby(shades, key=lambda one: (one.step, one.marked))
    parts = (_span("".join(one.text for one in group), step, marked) for (step, marked), group in runs)
    return f'<div class="text"{_language(shades)}>{"".join(parts)}</div>'


def legend(low: str, high: str, mark: str = "") -> str:
    """What the colours mean: words for blue, none where nothing is blue, for orange, and for what is underlined."""
    first = -STEPS if low else 0
    shown = [f"{plain(low)} ", *(_span("\u2003", step, False) for step in range(first, STEPS + 1)), f" {plain(high)}"]
    if mark:
        shown.append(f"; <u>underlined</u>: {plain(mark)}")
    return f'<p class="legend">{"".join(shown)}</p>'


def page(title: str, body: Iterable[str]) -> str:
    """A whole file in which text is coloured."""
    return html.page(title, body, STYLE + _shades())


def _span(text: str, step: int, marked: bool) -> str:
    text = plain(text)
    if marked:
        text = f"<u>{text}</u>"
    return f'<span class="{"n" if step < 0 else "p"}{abs(step)}">{text}</span>' if step else text


def _language(shades: Sequence[Shade]) -> str:
    """Which glyphs are meant: browsers draw the same code points otherwise in Chinese than in Japanese."""
    text = "".join(one.text for one in shades[:2000])
    return ' lang="zh"' if 3 * sum(map(is_ideograph, text)) > len(text) else ""


def _shades() -> str:
    """The rules of all shades, for the light and for the dark."""
    light = "".join(_rule(f"{name}{i}", ends, i) for name, ends in (("n", BLUE), ("p", ORANGE)) for i in _strengths())
    dark = "".join(
        _rule(f"{name}{i}", (NIGHT, ends[1]), i) for name, ends in (("n", BLUE), ("p", ORANGE)) for i in _strengths()
    )
    return f"{light}\n@media(prefers-color-scheme:dark){{{dark}}}"


def _strengths() -> range:
    return range(1, STEPS + 1)


def _rule(name: str, ends: tuple[tuple[int, int, int], tuple[int, int, int]], step: int) -> str:
    """The background of a shade, and black or white letters on it, whichever can be read better."""
    share = step / STEPS
    colour = [round(a + share * (b - a)) for a, b in zip(*ends, strict=True)]
    letters = "#000" if _luminance(colour) > 0.18 else "#fff"  # where both contrast alike (WCAG 2)
    return f".{name}{{background:rgb({','.join(map(str, colour))});color:{letters}}}"


def _luminance(colour: Sequence[int]) -> float:
    """The relative luminance of a colour, 0 to 1, as WCAG 2 defines it."""
    linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
