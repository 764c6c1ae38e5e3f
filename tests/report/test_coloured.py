"""Coloured text: whatever it holds is shown as text, and every letter can be read on its colour."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.report.coloured import STEPS, Shade, coloured, legend, page, steps
from charrnn.report.html import table
from charrnn.terminal import printable


class Shown(HTMLParser):
    """The text of a page, and the attributes of its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.attributes = "", set[str](), dict[str, set[str | None]]()
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value)


SHADES = st.lists(st.builds(Shade, st.characters(codec="utf-8"), st.integers(-STEPS, STEPS), st.booleans()))


@given(SHADES)
def test_a_coloured_text_is_that_text(shades: list[Shade]) -> None:
    shown = Shown(coloured(shades))
    assert shown.text.replace("\r\n", "\n") == printable("".join(one.text for one in shades))
    assert shown.tags <= {"div", "span", "u"} and set(shown.attributes) <= {"class", "lang"}


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "&lt;", '"><img src=x>', "a\u202eb", "\x1b[31m"])
def test_nothing_that_is_given_becomes_html(text: str) -> None:
    whole = page(text, [table([[text], [text]]), legend(text, text, text), coloured([Shade(text, 1, True)])])
    shown = Shown(whole)
    assert not shown.tags & {"script", "img"} and "\u202e" not in whole and "\x1b" not in whole
    assert shown.text.count(printable(text)) >= 6


def test_a_page_asks_nothing_of_anybody() -> None:
    whole = page("春", [coloured([Shade("春", 2)])])
    assert not re.search(r"https?:|src=|href=|url\(|@import", whole)
    assert whole.startswith("<!doctype html>") and 'charset="utf-8"' in whole and 'lang="zh"' in whole


def test_letters_can_be_read_on_every_colour_by_day_and_by_night() -> None:
    rules = re.findall(r"\.[np]\d\{background:rgb\((\d+),(\d+),(\d+)\);color:(#000|#fff)\}", page("", []))
    assert len(rules) == 4 * STEPS

    def luminance(rgb: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for *rgb, letters in rules:
        pair = sorted([luminance(tuple(int(c) / 255 for c in rgb)), float(letters == "#fff")])
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5  # WCAG 2, AA


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0.1, 100))
def test_shades_keep_the_order_and_the_sign(values: list[float], most: float) -> None:
    shades = steps(values, most)
    for (a, one), (b, two) in zip(
        zip(values, shades, strict=True), zip(values[1:], shades[1:], strict=False), strict=False
    ):
        assert (a <= b) <= (one <= two)
    assert all(shade * value >= 0 and abs(shade) <= STEPS for shade, value in zip(shades, values, strict=True))
