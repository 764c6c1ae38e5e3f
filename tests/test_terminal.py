"""What is shown on a terminal cannot command it, and shows in the order in which it stands."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from charrnn.terminal import printable


@given(st.text(st.characters(codec="utf-8")))
def test_no_control_and_no_reordering_is_left_and_all_else_is_as_it_was(text: str) -> None:
    shown = printable(text)
    for character in shown:
        assert character in "\n\t" or unicodedata.category(character) != "Cc"
        assert unicodedata.bidirectional(character) not in (
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )
    kept = [c for c in text if c in shown]
    assert [c for c in kept if unicodedata.category(c)[0] == "L"] == [
        c for c in text if unicodedata.category(c)[0] == "L"
    ]


def test_what_is_made_visible_can_be_read() -> None:
    assert printable("a\x1b[2J\u202eb\u2066") == "a\\x1b[2J\\u202eb\\u2066"
    assert printable("秋\t月\n") == "秋\t月\n"
