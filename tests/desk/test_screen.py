"""What is shown of a text fits into its columns, and loses nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from charrnn.desk.screen import View, fitted, percent, render, shown, wrapped
from charrnn.desk.wishes import read_wishes, show_wishes
from charrnn.generation.choices import Proposal
from charrnn.generation.history import Character
from charrnn.generation.writer import Writer
from charrnn.text.spelling import clusters

TEXTS = st.text(st.sampled_from("ab 春天，。\n\t☃e\u0301\x1b\u202e👩"), max_size=80)


def typed(text: str) -> list[Character]:
    return [Character(one, (), "person" if i % 3 else "model") for i, one in enumerate(clusters(text))]


@given(text=TEXTS, width=st.integers(8, 30), count=st.integers(1, 10))
def test_rows_are_no_wider_than_they_may_be_and_are_the_end_of_the_text(text: str, width: int, count: int) -> None:
    own = typed(text)
    everything = ["".join(piece for _, piece in row) for row in wrapped(own, width, 1000)]
    assert all(wcswidth(row) <= width for row in everything)
    assert "".join(everything) == "".join(shown(one.text)[0] for one in own if one.text[0] != "\n")
    assert len(everything) >= text.count("\n") + 1
    assert ["".join(piece for _, piece in row) for row in wrapped(own, width, count)] == everything[-count:]


@given(text=TEXTS, width=st.integers(0, 30))
def test_fitted_is_exactly_as_wide(text: str, width: int) -> None:
    text = "".join(shown(one)[0] for one in clusters(text) if one != "\n")
    assert wcswidth(fitted(text, width)) == width


@given(p=st.floats(0, 1))
def test_a_probability_takes_at_most_four_columns(p: float) -> None:
    assert len(percent(p)) <= 4


@given(
    form=st.sampled_from(["wujue", "七律", "5x8", "mine.yaml"]),
    wishes=st.fixed_dictionaries(
        {},
        optional={
            "tones": st.just(True),
            "rhyme": st.sampled_from(["any", "東"]),
            "acrostic": st.just("春夏"),
            "acrostic_at": st.sampled_from(["end", 3]),
            "words": st.sampled_from([["明月"], ["明月", "故人"]]),
        },
    ),
)
def test_a_line_of_wishes_is_read_as_it_is_shown(form: str, wishes: dict[str, object]) -> None:
    asked = {"form": form, **wishes}
    assert read_wishes(show_wishes(asked)) == asked


PROPOSALS = st.lists(
    st.builds(Proposal, st.sampled_from(["", "a", "\n", " ", "春", "，花落盡無人", "\nAnd", "\t"]), st.floats(0, 1)),
    max_size=9,
)


@given(
    text=TEXTS,
    width=st.integers(12, 100),
    height=st.integers(1, 30),
    characters=PROPOSALS,
    words=PROPOSALS,
    back=st.integers(0, 40),
)
def test_the_screen_is_as_wide_and_high_as_it_may_be(
    text: str, width: int, height: int, characters: list[Proposal], words: list[Proposal], back: int
) -> None:
    writer = cast(Writer, SimpleNamespace(characters=typed(text), constraint=None, is_whole=False))
    view = View(writer, "title", characters, words, len(characters), back)
    rows = render(view, width, height)
    assert len(rows) == height
    for row in rows:
        assert wcswidth("".join(piece for _, piece in row)) <= max(width, 22)  # a word may be wider than a small screen
