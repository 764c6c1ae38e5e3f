"""What is shown on a terminal cannot command it, and shows in the order in which it stands."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cli.output import show, show_json
from charrnn.terminal import LOG, printable, printable_json, say, say_on_standard_error, table, warn

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


@contextmanager
def bare() -> Iterator[None]:
    """Logging as it is in a process that has set up none."""
    root, handlers = logging.getLogger(), [*logging.getLogger().handlers]
    for handler in handlers:
        root.removeHandler(handler)
    for handler in [*LOG.handlers]:
        LOG.removeHandler(handler)
    LOG.setLevel(logging.NOTSET)
    LOG.propagate = True
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for handler in [*root.handlers]:
            root.removeHandler(handler)
        for handler in handlers:
            root.addHandler(handler)
        root.setLevel(logging.WARNING)


def both() -> None:
    say("said")
    warn("warned")


@bare()
def test_without_any_logging_all_that_is_said_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    both()
    assert capsys.readouterr().err == "said\nwarned\n"
    assert LOG.handlers == [] and LOG.level == logging.NOTSET  # nothing was set up behind anybody's back


@pytest.mark.parametrize(
    ("level", "shown"), [(logging.DEBUG, "said\nwarned\n"), (logging.WARNING, "warned\n"), (logging.ERROR, "")]
)
@bare()
def test_the_level_of_the_logger_holds(level: int, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    LOG.setLevel(level)
    both()
    assert capsys.readouterr().err == shown


@bare()
def test_it_can_be_silenced_in_each_way_of_logging(capsys: pytest.CaptureFixture[str]) -> None:
    LOG.addHandler(quiet := logging.NullHandler())
    both()
    LOG.removeHandler(quiet)
    logging.disable(logging.WARNING)
    both()
    logging.disable(logging.NOTSET)
    LOG.disabled = True
    both()
    LOG.disabled = False
    LOG.addFilter(nothing := lambda record: False)
    both()
    LOG.removeFilter(nothing)
    assert capsys.readouterr().err == ""
    both()
    assert capsys.readouterr().err == "said\nwarned\n"


@bare()
def test_a_handler_of_the_user_takes_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    own = io.StringIO()
    LOG.addHandler(logging.StreamHandler(own))
    both()
    assert own.getvalue() == "warned\n"  # the level is the root's, as logging has it
    LOG.setLevel(logging.INFO)
    say("100 %s said")
    assert own.getvalue() == "warned\n100 %s said\n"
    assert capsys.readouterr().err == ""


@bare()
def test_it_propagates_to_the_root_unless_it_may_not(capsys: pytest.CaptureFixture[str]) -> None:
    root, own = io.StringIO(), io.StringIO()
    logging.basicConfig(stream=root, level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    both()
    assert root.getvalue() == "charrnn INFO said\ncharrnn WARNING warned\n"
    LOG.addHandler(logging.StreamHandler(own))
    say("twice")
    LOG.propagate = False
    say("once")
    assert root.getvalue().endswith("charrnn INFO twice\n")
    assert own.getvalue() == "twice\nonce\n"
    assert capsys.readouterr().err == ""


@bare()
def test_the_command_prints_it_whatever_logging_does(capsys: pytest.CaptureFixture[str]) -> None:
    root = io.StringIO()
    logging.basicConfig(stream=root, level=logging.ERROR)
    say_on_standard_error()
    say_on_standard_error()
    both()
    assert capsys.readouterr().err == "said\nwarned\n"
    assert root.getvalue() == ""


def test_a_closed_standard_error_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    both()


def test_what_is_said_does_not_wait_for_tqdm() -> None:
    code = "import sys, charrnn.terminal; print([m for m in ('tqdm', 'wcwidth', 'asyncio') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
