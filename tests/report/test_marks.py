"""What stands open, where a line begins, and what verse is, against the plainest way to say it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.report.features import features
from charrnn.report.marks import BRACKETS, QUOTES, in_line, opened, verse_of, verse_sizes
from charrnn.report.places import divisions
from charrnn.report.texts import END, Points, Text, text_of
from charrnn.text.vocab import Vocabulary

REGULATED = "三十年前此布衣，鹿鳴西上虎符歸。\n行時賓從過前寺，到處松杉長舊圍。\n"


def points(text: str) -> Points:
    return np.array([*map(ord, text)], np.int32)


def stack_after(text: str, pairs: dict[str, str]) -> list[str]:
    """The marks that stand open after a text, read mark by mark."""
    stack: list[str] = []
    for i, character in enumerate(text):
        if character == "\n" and text[i - 1 : i] == "\n":
            stack = []
        elif stack and pairs[stack[-1]] == character:
            stack.pop()
        elif character in pairs:
            stack.append(character)
    return stack


@given(st.text("()[]{}（）a\n", max_size=40))
def test_what_is_open_is_what_a_stack_holds(text: str) -> None:
    found = opened(points(text), BRACKETS)
    depths = [len(stack_after(text[: i + 1], BRACKETS)) for i in range(len(text))]
    assert found.depth.tolist() == depths
    assert ((found.since >= 0) == (found.depth > 0)).all()
    for place in np.flatnonzero(found.closes).tolist():
        begin = place - int(found.gap[place])
        assert BRACKETS[text[begin]] == text[place] and found.opens[begin]


def test_quotes_of_several_languages_and_the_straight_one() -> None:
    text = '他说：“好。”他 "a" «b» „c“ d'
    found = opened(points(text), QUOTES, straight=True)
    inside = {text[place] for place in np.flatnonzero(found.depth > 0)}
    assert inside == set('“好。"a«b„c') and found.depth[-1] == 0


@given(st.text("ab \n", max_size=40))
def test_places_in_a_line_begin_anew_after_each_line_end(text: str) -> None:
    assert in_line(points(text)).tolist() == [i - (text.rfind("\n", 0, i) + 1) for i in range(len(text))]


def test_verse_knows_its_lines() -> None:
    verse = verse_of(points(REGULATED * 2))
    assert verse_sizes([points(REGULATED * 2)]) == [7]
    assert verse.line.max() == 8 and verse.place.max() == 7
    rhymes = (verse.place == 7) & (verse.line % 2 == 0)
    assert "".join(np.array([*(REGULATED * 2)])[rhymes]) == "歸圍" * 2
    assert verse_of(points(f"{REGULATED}\n{REGULATED}")).line.max() == 4  # an empty line begins a poem


@pytest.mark.parametrize(
    "text", ["", "abc def\n" * 9, "却说那日天气甚好，林冲走到街上，只见许多人围着看热闹，便也挤了进去。" * 9]
)
def test_prose_is_no_verse(text: str) -> None:
    assert verse_sizes([points(text)]) == []


@given(st.lists(st.text(st.sampled_from('ab "“”(（)）\n\t\u3000五言，。:A1?\0\U0001f600'), max_size=60), max_size=3))
def test_every_character_is_of_one_kind_and_every_feature_says_something_of_each(given_texts: list[str]) -> None:
    alphabet = Vocabulary("char", sorted({*"".join(given_texts)}))
    texts: list[Text] = [
        text_of(np.array([*alphabet.encode(text), alphabet.boundary]), alphabet) for text in given_texts
    ]
    for way in divisions(texts):
        for which, text in zip(way.which, texts, strict=True):
            assert len(which) == len(text) and set(which.tolist()) <= set(range(len(way.kinds)))
    for feature in features([text.points for text in texts]):
        for labels, concerned, text in zip(feature.labels, feature.concerned, texts, strict=True):
            assert len(labels) == len(concerned) == len(text)


def test_features_of_a_play_of_code_and_of_verse() -> None:
    play = "".join(f"{name}:\nGood morrow, and so on.\nWell met.\n\n" for name in ["ROMEO", "JULIET"] * 12)
    code = "def f(a, (b, c)):\n    if a:\n        return [b]\n" * 9
    names = {
        kind: [one.name for one in features([points(text)])] for kind, text in {"play": play, "code": code}.items()
    }
    assert {"in a speaker's name", "ROMEO speaks", "JULIET speaks"} <= {*names["play"]}
    assert {"inside brackets", "two brackets deep", "in an indented line"} <= {*names["code"]}
    assert not any("speak" in name for name in names["code"])
    (romeo,) = (one for one in features([points(play)]) if one.name == "ROMEO speaks")
    spoken = "".join(np.array([*play])[romeo.labels[0]])
    assert spoken.count("morrow") == 12 and "JULIET" not in spoken
    verse = features([np.append(points(REGULATED), END) for _ in range(9)])
    (rhyme,) = (one for one in verse if one.name == "the rhyme comes next")
    assert "".join(np.array([*REGULATED, ""])[rhyme.concerned[0]]) == "歸圍"
    assert "".join(np.array([*REGULATED, ""])[rhyme.labels[0]]) == "符舊"


@given(st.binary(max_size=40))
def test_bytes_are_summed_by_character_and_none_is_lost(data: bytes) -> None:
    alphabet = Vocabulary("byte")
    text = text_of(np.array([*data, alphabet.boundary], np.int64), alphabet)
    values = np.random.default_rng(0).random(len(data) + 1)
    assert text.sums(values).sum() == pytest.approx(values.sum())
    assert len(text.sums(values)) == len(text) and text.points[-1] == END
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        return
    assert "".join(map(chr, text.points[:-1])) == decoded
