"""One message, told in Python's words and in the command's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError, Diverged
from charrnn.store.weights import Misfit
from charrnn.training.attendance import WorkerLost

KINDS = [CharrnnError, Diverged, Misfit, WorkerLost]

plain = st.text(st.characters(exclude_characters="‹›"), max_size=20)
broken = st.text(st.sampled_from("‹›=a_ \n秋0-."), max_size=30) | st.text(max_size=20)
"""Text with such brackets, as a path or an override of the user may have it."""
parameters = st.from_regex(r"[a-z]+(_[a-z]+){0,2}", fullmatch=True).filter(lambda name: name != "overrides")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("message", "python", "command"),
    [
        ("‹length=0›: expected 1", "length=0: expected 1", "--length 0: expected 1"),
        ("replace it (‹overwrite=True›)", "replace it (overwrite=True)", "replace it (--overwrite)"),
        ("‹overrides=a.b=c›", "overrides=a.b=c", "--set a.b=c"),
        ("leave ‹workers› away", "leave workers away", "leave --workers away"),
        ("‹top_p=2›, ‹top_k=0›", "top_p=2, top_k=0", "--top-p 2, --top-k 0"),
        ("‹resume=a b/c_d›", "resume=a b/c_d", "--resume a b/c_d"),
        ("‹text=one\ntwo›", "text=one\ntwo", "--text one\ntwo"),
        ("no parameter", "no parameter", "no parameter"),
        ("", "", ""),
    ],
)
def test_a_parameter_is_told_as_each_side_writes_it(
    kind: type[CharrnnError], message: str, python: str, command: str
) -> None:
    error = kind(message)
    assert (str(error), error.for_command, error.message) == (python, command, message)


@given(before=plain, name=parameters, value=st.none() | plain.filter(lambda value: value != "True"), after=plain)
def test_around_a_parameter_nothing_changes(before: str, name: str, value: str | None, after: str) -> None:
    inside = name if value is None else f"{name}={value}"
    error = CharrnnError(f"{before}‹{inside}›{after}")
    assert str(error) == before + inside + after
    option = "--" + name.replace("_", "-")
    assert error.for_command == before + (option if value is None else f"{option} {value}") + after


@given(broken)
def test_any_text_is_told_with_all_its_letters(message: str) -> None:
    """Also where it looks like a parameter, or half of one."""
    error = CharrnnError(message)
    assert re.sub(r"[‹›=\-_ ]", "", error.for_command) == re.sub(r"[‹›=\-_ ]", "", message)
    assert re.sub("[‹›]", "", str(error)) == re.sub("[‹›]", "", message)
    assert error.message == message
    if not re.search(r"‹\w", message):
        assert str(error) == error.for_command == message


@given(outer=plain, inner=parameters)
def test_a_message_in_another_one_is_told_the_same_way(outer: str, inner: str) -> None:
    error = CharrnnError(f"{outer}: {CharrnnError(f'‹{inner}=0›').message}")
    assert error.for_command == f"{outer}: --{inner.replace('_', '-')} 0"
    assert str(error) == f"{outer}: {inner}=0"


@pytest.mark.parametrize("kind", KINDS)
def test_every_mistake_of_a_user_is_caught_as_one(kind: type[CharrnnError]) -> None:
    with pytest.raises(CharrnnError, match=r"^told$"):
        raise kind("told")
