"""`charrnn write` in a real pseudo-terminal, by its keys and its screen."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wcwidth import wcswidth

Start = Callable[..., Any]
POEMS = "床前一盞燈，窗外雨無聲。 山高水又長，月下獨還鄉。 春風吹綠草，小鳥叫得早。"
TAB, ENTER, ESCAPE, BACKSPACE = "\t", "\r", "\x1b", "\x7f"
ONE, LINE, VERSE, REDRAW, UNDO, REDO = (chr(ord(key) - 64) for key in "NEPRZY")
TEMPERATURE, FORM, ACROSTIC, SAVE, SAVE_AS, OPEN, LEAVE = (chr(ord(key) - 64) for key in "TFASWOX")


def text(terminal: Any) -> str:
    """What stands between the title and the line below the text."""
    lines = terminal.lines
    rule = next((i for i, line in enumerate(lines) if line.startswith("───")), len(lines))
    return "\n".join(lines[1:rule]).rstrip()


def press(terminal: Any, keys: str, shows: str) -> str:
    """Presses keys, and waits until something stands on the screen."""
    terminal.send(keys)
    terminal.until(shows)
    settle(terminal)
    return text(terminal)


def settle(terminal: Any) -> None:
    """Waits until the screen stays as it is."""
    while terminal.read(0.3):
        pass


def test_write_take_undo_all_and_redo_all(at_desk: Start) -> None:
    desk = at_desk()
    settle(desk)
    assert "0 characters" in desk.lines[0] and desk.screen.cursor.y == 1
    press(desk, "春", "1 character ")
    chosen = next(line for line in desk.lines if line.startswith("1 "))
    after = press(desk, TAB, "2 characters")
    assert after == "春" + chosen.split()[1]
    third = press(desk, ESCAPE + "1", "3 characters")
    desk.send(LINE)
    settle(desk)
    press(desk, "☃", "is shown, but not read")
    whole = text(desk)
    assert whole.startswith(third) and whole.endswith("☃")
    press(desk, UNDO * 9, "nothing to undo")
    assert text(desk) == ""
    press(desk, REDO * 9, "nothing to redo")
    assert text(desk) == whole
    press(desk, BACKSPACE, "characters")
    assert text(desk) == whole[:-1]


def test_what_is_whose_is_told_apart_without_colour(at_desk: Start) -> None:
    for environment in ({}, {"NO_COLOR": "1"}):
        desk = at_desk("--new", environment=environment)
        press(desk, "春", "1 character ")
        press(desk, TAB, "2 characters")
        yours, models = desk.screen.buffer[1][0], desk.screen.buffer[1][2]
        assert yours.underscore and not models.underscore
        coloured = {cell.fg for row in desk.screen.buffer.values() for cell in row.values()} - {"default"}
        assert not (environment and coloured)
        press(desk, LEAVE, "Not saved")
        desk.send("d")
        assert desk.wait() == 0


def test_what_is_copied_is_marked_and_what_would_be(at_desk: Start) -> None:
    pytest.importorskip("pydivsufsort", reason="pip install 'charrnn[novelty]'")
    for environment in ({}, {"NO_COLOR": "1"}):
        desk = at_desk("--new", "--copied", "4", environment=environment)
        press(desk, "月床前一", "copied 0%/3")
        assert not any(desk.screen.buffer[1][x].bold for x in range(0, 8, 2))
        rule = next(i for i, line in enumerate(desk.lines) if line.startswith("───"))
        at = desk.screen.display[rule + 1].index("盞") - 2
        assert desk.lines[rule + 2][at:].split()[0] == "="  # 床前一盞 stands in the corpus
        press(desk, "盞", "copied 80%/4")
        bold, fg = zip(
            *[(desk.screen.buffer[1][x].bold, desk.screen.buffer[1][x].fg) for x in range(0, 10, 2)], strict=True
        )
        assert bold == (False, True, True, True, True)
        assert (set(fg) == {"default"}) == bool(environment)
        press(desk, UNDO, "copied 0%/3")
        desk.send(LEAVE)
        desk.until("Not saved")
        desk.send("d")
        assert desk.wait() == 0


def test_what_the_model_writes_is_not_copied_where_that_is_asked_for(at_desk: Start) -> None:
    pytest.importorskip("pydivsufsort", reason="pip install 'charrnn[novelty]'")
    desk = at_desk("--original", "4")
    press(desk, "床前一", "original 4")
    assert "盞" not in next(line for line in desk.lines if line.startswith("1 "))
    press(desk, LINE, "characters")
    written = text(desk)
    assert not any(written[i : i + 4] in POEMS for i in range(len(written) - 3))
    desk.kill()
    again = at_desk(wait="Go on with")
    press(again, "y", "original 4")
    assert text(again) == written


def test_a_session_that_was_killed_comes_back(at_desk: Start, tmp_path: Path) -> None:
    desk = at_desk()
    press(desk, "春天", "2 characters")
    press(desk, TAB, "3 characters")
    press(desk, "x" + UNDO, "3 characters")
    before = text(desk)
    desk.kill()
    (file,) = (tmp_path / "state" / "charrnn" / "write").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with file.open("ab") as stream:
        stream.write(b'{"do": "ty')  # what a kill may leave
    again = at_desk(wait="Go on with")
    assert press(again, "y", "3 characters") == before
    press(again, REDO, "4 characters")
    press(again, UNDO * 5, "nothing to undo")
    press(again, REDO * 5, "nothing to redo")
    assert text(again) == before + "x"
    again.kill()  # and again
    third = at_desk(wait="Go on with")
    assert press(third, "y", "4 characters") == before + "x"
    press(third, LEAVE, "Not saved")
    third.send("l")
    assert third.wait() == 0 and "offers it again" in "\n".join(third.lines)
    fourth = at_desk(wait="Go on with")
    press(fourth, "n", "0 characters")
    fourth.send(LEAVE)
    assert fourth.wait() == 0
    fifth = at_desk(wait="Go on with")
    press(fifth, "d", "0 characters")
    fifth.send(LEAVE)
    assert fifth.wait() == 0 and not [*(tmp_path / "state" / "charrnn" / "write").iterdir()]


def test_a_session_in_use_is_not_offered(at_desk: Start) -> None:
    first = at_desk()
    press(first, "春", "1 character ")
    second = at_desk()
    assert "Go on with" not in "\n".join(second.lines)


def test_save_overwrites_nothing_unasked(at_desk: Start, tmp_path: Path) -> None:
    mine, other = tmp_path / "my poem.txt", tmp_path / "other.txt"
    other.write_text("kept", encoding="utf-8")
    desk = at_desk()
    press(desk, "春風", "2 characters")
    press(desk, SAVE, "Save as:")
    press(desk, f"{other}{ENTER}", "Replace other.txt")
    press(desk, "n", "2 characters")
    assert other.read_text(encoding="utf-8") == "kept"
    press(desk, SAVE, "Save as:")
    press(desk, f"{mine}{ENTER}", "saved:")
    press(desk, "花", "my poem.txt *")
    press(desk, SAVE, "saved:")
    assert mine.read_text(encoding="utf-8") == "春風花\n"
    press(desk, SAVE_AS, "Save as:")
    press(desk, ESCAPE, "Tab take")
    press(desk, OPEN, "Open:")
    press(desk, f"{other}{ENTER}", "kept")
    press(desk, UNDO, "春風花")
    press(desk, "月", "other.txt *")
    press(desk, LEAVE, "Not saved")
    press(desk, ESCAPE, "other.txt *")
    press(desk, LEAVE, "Not saved")
    desk.send("s")
    assert desk.wait() == 0 and other.read_text(encoding="utf-8") == "春風花月\n"  # the file that it opened
    again = at_desk(str(mine))
    assert text(again) == "春風花"
    fresh = at_desk(str(tmp_path / "new.txt"))
    press(fresh, "雪" + SAVE, "saved:")
    assert (tmp_path / "new.txt").read_text(encoding="utf-8") == "雪\n"


def test_form_acrostic_temperature_and_draws(at_desk: Start) -> None:
    desk = at_desk()
    press(desk, ACROSTIC, "needs a form")
    press(desk, FORM, "Form (")
    press(desk, "\x15" + "5x4 acrostic=床山" + ENTER, "line 1")
    press(desk, LINE, "line 2")
    first = text(desk)
    assert first.startswith("床")
    press(desk, VERSE, "the form is whole")
    lines = [line for line in text(desk).replace("，", "。").replace("\n", "").split("。") if line]
    assert [len(line) for line in lines] == [5] * 4 and lines[1][0] == "山"
    press(desk, ACROSTIC, "Acrostic")
    press(desk, "\x15春風吹綠草小" + ENTER, "acrostic=春風吹綠草小: 6 characters, and 4 lines")
    press(desk, TEMPERATURE, "Temperature (")
    press(desk, "\x15-1" + ENTER, "expected")
    press(desk, TEMPERATURE, "Temperature (")
    press(desk, "\x15" + "0.5" + ENTER, "T 0.5")
    press(desk, FORM, "Form (")
    press(desk, "\x15nonsense" + ENTER, "no such form")
    press(desk, FORM, "Form (")
    press(desk, "\x15" + ENTER, "T 0.5")
    assert desk.lines[0].startswith("T 0.5")
    press(desk, REDRAW, "characters")


def test_a_form_begins_on_a_line_of_its_own_and_after_it_all_is_free(at_desk: Start) -> None:
    desk = at_desk()
    press(desk, "小鳥，山", "4 characters")
    press(desk, FORM, "Form (")
    assert any(line.endswith("none): wujue tones rhyme") for line in desk.lines)  # which is shown, and not filled in
    press(desk, "5x4" + ENTER, "line 1 · 5x4")
    assert "5 characters" in desk.lines[0] and "the form begins here" in "\n".join(desk.lines)
    assert text(desk) == "小鳥，山" and desk.screen.cursor.y == 2
    press(desk, VERSE, "the form is whole")
    press(desk, ENTER + "山", "characters")
    assert "has left the form" not in "\n".join(desk.lines)
    press(desk, UNDO * 3, "5 characters")
    press(desk, "山山山山山山", "has left the form")


def test_the_first_line_keeps_what_matters_where_little_fits(at_desk: Start, tmp_path: Path) -> None:
    desk = at_desk("--form", "5x4 acrostic=床山", str(tmp_path / "new.txt"))
    settle(desk)
    assert desk.lines[0].startswith("new.txt · line 1 · 5x4 acrostic=床山 · T ")
    press(desk, "床", "new.txt * · line 1")
    desk.resize(24, 40)
    settle(desk)
    assert desk.lines[0].startswith("new.txt * · line 1 · 5x4 acrostic=床山")
    press(desk, ACROSTIC, "Acrostic")
    press(desk, ESCAPE, "Tab take")


def test_escape_and_any_key_leave_the_help_and_messages_are_folded(at_desk: Start) -> None:
    desk = at_desk()
    for key in (ESCAPE, f"{ESCAPE}OP"):
        press(desk, f"{ESCAPE}OP", "takes the marked proposal")
        desk.send(key)
        while "takes the marked proposal" in "\n".join(desk.lines):
            desk.read(0.3)
    press(desk, ACROSTIC, "words=…,…")  # the end of a message of more than a line
    assert all(wcswidth(line) <= 80 for line in desk.lines)


def test_another_draw_and_the_one_before(at_desk: Start) -> None:
    desk = at_desk("--temperature", "3")
    press(desk, REDRAW, "nothing to draw again")
    press(desk, "春" + ONE * 5, "6 characters")
    before = text(desk)
    draws = {press(desk, REDRAW, "6 characters") for _ in range(8)}
    assert len(draws) > 1
    press(desk, UNDO * 8, "6 characters")
    assert text(desk) == before


def test_small_and_large_terminals_show_the_end_of_the_text(at_desk: Start) -> None:
    desk = at_desk()
    sent = "床前一盞燈，" * 40
    press(desk, f"{ESCAPE}[200~{sent}{ESCAPE}[201~", "240 characters")
    for rows, columns in ((24, 80), (8, 20), (40, 33), (5, 200), (24, 80)):
        desk.resize(rows, columns)
        settle(desk)
        shown = "".join(desk.lines).replace(" ", "")
        assert "床前一盞燈，" in shown
        assert all(wcswidth(line) <= columns for line in desk.lines)
    assert press(desk, "月", "241 characters").replace("\n", "") == (sent + "月")[-len(text(desk).replace("\n", "")) :]
    assert text(desk).replace("\n", "") == sent + "月"
    press(desk, f"{ESCAPE}OP", "takes the marked proposal")
    press(desk, "a", "242 characters")


def test_the_same_keys_give_the_same_text(at_desk: Start) -> None:
    keys = f"春{ONE}{TAB}{ESCAPE}2{ONE}{ONE}{UNDO}{ONE}"
    shown = []
    for _ in range(2):
        desk = at_desk("--new")
        for key in (keys[0], keys[1], keys[2], keys[3:5], *keys[5:]):
            desk.send(key)
            settle(desk)
        shown.append(text(desk))
    assert shown[0] == shown[1] != ""


def test_without_a_terminal_or_with_a_wrong_option_there_is_one_message(small_run: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "charrnn", "write", str(small_run)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("charrnn: write: needs a terminal") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "-1"], "--temperature"),
        (["--original", "1"], "--original 1: a number of characters from 2"),
        (["--copied", "1"], "--copied 1: 0, or a number of characters from 2"),
        (["--form", "nonsense"], "no such form"),
        (["--form", "5x4 loud"], "loud"),
    ],
)
def test_what_is_wrong_is_told_before_the_screen_is_taken(at_desk: Start, arguments: list[str], message: str) -> None:
    desk = at_desk(*arguments, wait=message)
    assert desk.wait() == 2 and b"\x1b[?1049h" not in desk.written


def test_a_session_that_is_ended_from_outside_leaves_the_terminal_as_it_was_and_comes_back(at_desk: Start) -> None:
    desk = at_desk()
    press(desk, "春", "1 character ")
    desk.end()
    assert desk.wait() == 0 and desk.written.rstrip().rfind(b"\x1b[?1049l") > 0
    again = at_desk(wait="Go on with")
    press(again, "y", "1 character ")


def test_where_the_journal_cannot_be_kept_there_is_one_message(at_desk: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    desk = at_desk(environment={"XDG_STATE_HOME": str(tmp_path / "file")}, wait="charrnn: ")
    assert desk.wait() == 2 and str(tmp_path / "file") in desk.written.decode()
