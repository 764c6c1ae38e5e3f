"""What is shown on a terminal cannot command it, and shows in the order in which it stands."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cli.output import show, show_json
from charrnn.terminal import printable, printable_json, say, table

HOSTILE = "a\x1b[2J\x7f\x9b\u202eb\u061c\u200e\u200f\udcff"
SHOWN = r"a\x1b[2J\x7f\x9b\u202eb\u061c\u200e\u200f\udcff"


@given(st.text())
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
        assert not "\ud800" <= character <= "\udfff"
    kept = [c for c in text if c in shown]
    assert [c for c in kept if unicodedata.category(c)[0] == "L"] == [
        c for c in text if unicodedata.category(c)[0] == "L"
    ]


@given(st.text())
def test_json_is_the_same_json_and_printable(text: str) -> None:
    document = json.dumps([text], ensure_ascii=False)
    escaped = printable_json(document)
    assert json.loads(escaped) == [text]
    assert printable(escaped) == escaped


def test_lines_for_people_are_printable_wherever_they_go(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    assert capsys.readouterr().err == SHOWN + "\n"
    assert table([[HOSTILE, "x"], ["b", "y"]]).splitlines() == [f"{SHOWN}  x", "b" + " " * (len(SHOWN) + 1) + "y"]


@pytest.mark.parametrize("terminal", [True, False])
def test_results_are_printable_on_a_terminal_and_as_they_are_in_a_pipe(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    text = HOSTILE[:-1]
    show(text)
    show_json([text])
    result, document = capsys.readouterr().out.split("\n", 1)
    assert result == (printable(text) if terminal else text)
    assert json.loads(document) == [text] and printable(document) == document


def test_what_is_made_visible_can_be_read() -> None:
    assert printable("a\x1b[2J\u202eb\u2066") == "a\\x1b[2J\\u202eb\\u2066"
    assert printable("秋\t月\n") == "秋\t月\n"
