"""What a survey says is true of the text after it is decoded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.text.survey import LineEnds, survey

ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}


def counted(text: str) -> dict[str, int]:
    found = re.findall("\r\n|\r|\n", text)
    return {name: found.count(end) for name, end in ENDS.items()}


@given(st.lists(st.text("a\r\n", max_size=4), max_size=20))
def test_line_ends_may_be_cut_between_two_pieces(pieces: list[str]) -> None:
    ends = LineEnds()
    for piece in pieces:
        ends.add(piece)
    assert {name: ends.counts[name] for name in ENDS} == counted("".join(pieces))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_line_ends_are_those_of_the_characters(encoding: str) -> None:
    text = "老人在山下的小村子里住了很久，\r\n他说：\r明天还要上山。ഊ\n" * 30  # U+0D0A is a letter
    Path("text.txt").write_bytes(text.encode(encoding))
    found = survey([Path("text.txt")]).line_ends
    assert {name: found[name] for name in ENDS} == counted(text)
