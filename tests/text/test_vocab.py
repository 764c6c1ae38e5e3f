from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.text.points import CODE_POINTS
from charrnn.text.vocab import SHORT, Vocabulary

# Lists of characters, not st.text: that draws from the union of the alphabets, in which hardly a character recurs.
TEXT = st.lists(st.characters(exclude_categories=["Cs"]) | st.sampled_from("abc山水\n\u3000"), max_size=60).map("".join)


def vocabulary_of(text: str, min_count: int = 1, max_size: int | None = None) -> Vocabulary:
    counts = np.bincount([ord(character) for character in text], minlength=CODE_POINTS)
    return Vocabulary.from_counts(counts, min_count, max_size)


@given(TEXT | st.text("abcd", min_size=8), st.integers(1, 3), st.none() | st.integers(1, 4))
@example("cccabb", 1, 2)
@example("".join(chr(0x4E00 + i) for i in range(500)), 1, 100)
def test_the_most_frequent_characters_are_kept(text: str, min_count: int, max_size: int | None) -> None:
    frequent = [(-count, character) for character, count in Counter(text).items() if count >= min_count]
    expected = sorted(character for _, character in sorted(frequent)[:max_size])
    vocabulary = vocabulary_of(text, min_count, max_size)
    assert vocabulary.characters == expected
    assert (vocabulary.unknown, vocabulary.boundary, len(vocabulary)) == (
        len(expected),
        len(expected) + 1,
        len(expected) + 2,
    )


@given(TEXT, st.integers(1, 3), st.none() | st.integers(1, 4))
def test_what_is_left_out_is_counted(text: str, min_count: int, max_size: int | None) -> None:
    counts = np.bincount([ord(character) for character in text], minlength=CODE_POINTS)
    vocabulary = Vocabulary.from_counts(counts, min_count, max_size)
    rare, left = vocabulary.rare(counts), [character for character in text if character not in vocabulary]
    assert (rare is None) == (not left)
    if rare is not None:
        assert (rare.kinds, rare.of) == (len(set(left)), len(set(text)))
        assert rare.most == max(Counter(left).values()) and rare.share == pytest.approx(len(left) / len(text))
        assert str(rare).startswith(f"{rare.kinds} of {rare.of} characters occur less than {rare.most + 1} times")


@pytest.mark.parametrize(("length", "known"), [(SHORT - 1, True), (SHORT, False)])
def test_a_short_text_loses_no_character(length: int, known: bool) -> None:
    counts = np.zeros(CODE_POINTS, np.int64)
    counts[ord("a")], counts[ord("山")], counts[ord("水")] = length - 3, 1, 2
    vocabulary = Vocabulary.from_counts(counts, "auto")
    assert "a" in vocabulary and "水" in vocabulary and ("山" in vocabulary) == known


@given(TEXT)
def test_what_is_encoded_decodes_to_itself(text: str) -> None:
    for vocabulary in (vocabulary_of(text), Vocabulary("byte")):
        ids = vocabulary.encode(text)
        assert all(0 <= i < vocabulary.unknown for i in ids)
        assert vocabulary.decode(ids) == text
        assert vocabulary.missing(text) == []
    assert Vocabulary("byte").encode(text) == list(text.encode())


@given(TEXT, st.text("ab山水", max_size=10))
def test_characters_outside_are_listed_or_replaced(text: str, known: str) -> None:
    vocabulary = vocabulary_of(known)
    missing = [character for character in dict.fromkeys(text) if character not in known]
    assert vocabulary.missing(text) == missing
    replaced = vocabulary.encode(text, "replace")
    assert vocabulary.decode(replaced) == "".join(c if c in known else "\ufffd" for c in text)
    assert [i == vocabulary.unknown for i in replaced] == [c not in known for c in text]
    if missing:
        with pytest.raises(CharrnnError) as raised:
            vocabulary.encode(text, remedy="write ‹prompt=another›")
        assert all(f"(U+{ord(character):04X})" in str(raised.value) for character in missing[:20])
        assert str(raised.value).endswith("; write prompt=another")
        assert str(raised.value).isprintable()
    else:
        assert vocabulary.encode(text) == replaced


def test_many_characters_outside_are_counted() -> None:
    with pytest.raises(CharrnnError, match="and 7 more") as raised:
        vocabulary_of("ab").encode("".join(chr(0x4E00 + i) for i in range(27)))
    assert str(raised.value).count("(U+") == 20


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_half_a_surrogate_pair_is_no_character(kind: Literal["char", "byte"]) -> None:
    with pytest.raises(CharrnnError, match=r"U\+D800"):
        Vocabulary(kind, ["a"]).encode("a\ud800")
    assert len(Vocabulary(kind, ["a"]).encode("a\ud800", "replace")) == 2


@given(TEXT, st.integers(1, 3))
def test_the_table_agrees_with_encode(text: str, min_count: int) -> None:
    vocabulary = vocabulary_of(text, min_count)
    table = vocabulary.table()
    assert table.shape == (CODE_POINTS,)
    assert table[[ord(character) for character in text]].tolist() == vocabulary.encode(text, "replace")
    assert int((table != vocabulary.unknown).sum()) == len(vocabulary.characters)


@given(TEXT)
def test_membership(text: str) -> None:
    vocabulary = vocabulary_of(text[::2])
    assert {c for c in text if c in vocabulary} == set(text[::2])
    assert all(c in Vocabulary("byte") for c in text)


@given(TEXT)
def test_the_boundary_is_no_text(text: str) -> None:
    for vocabulary in (vocabulary_of(text), Vocabulary("byte")):
        with_ends = [i for c in text for i in [vocabulary.boundary, *vocabulary.encode(c)]] + [vocabulary.boundary]
        assert vocabulary.decode(with_ends) == text


@given(st.binary(max_size=40) | TEXT.map(str.encode))
def test_bytes_are_decoded_one_by_one_as_all_at_once(data: bytes) -> None:
    vocabulary = Vocabulary("byte")
    decoder = vocabulary.decoder()
    pieces = [decoder.add(i) for i in data]
    assert "".join(pieces) + decoder.end() == data.decode("utf-8", "replace") == vocabulary.decode(data)


@given(TEXT)
def test_a_character_of_several_bytes_appears_with_its_last(text: str) -> None:
    decoder = Vocabulary("byte").decoder()
    for character in text:
        *first, last = character.encode()
        assert [decoder.add(i) for i in first] == [""] * len(first)
        assert decoder.add(last) == character
    assert decoder.end() == ""


@given(TEXT, st.sampled_from(["char", "byte"]))
def test_a_saved_vocabulary_is_loaded_as_it_was(text: str, kind: Literal["char", "byte"]) -> None:
    vocabulary = Vocabulary(kind, sorted(set(text)))
    file = Path("vocab.json")
    vocabulary.save(file)
    loaded = Vocabulary.load(file)
    assert (loaded.kind, loaded.characters) == (vocabulary.kind, vocabulary.characters)
    assert loaded.encode(text) == vocabulary.encode(text)
    assert (loaded.unknown, loaded.boundary) == (vocabulary.unknown, vocabulary.boundary)


NO_VOCABULARY = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"char"',
    b"{}",
    b'{"kind": "word", "characters": ["a"]}',
    b'{"kind": ["char"], "characters": ["a"]}',
    b'{"kind": "char"}',
    b'{"kind": "char", "characters": null}',
    b'{"kind": "char", "characters": "abc"}',
    b'{"kind": "char", "characters": ["ab"]}',
    b'{"kind": "char", "characters": [""]}',
    b'{"kind": "char", "characters": [1]}',
    b'{"kind": "char", "characters": ["a", "b", "a"]}',
    b'{"kind": "char", "characters": ["\\ud800"]}',
    b"[" * 100_000,
    b'{"kind": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("content", NO_VOCABULARY, ids=lambda content: str(content[:40]))
def test_what_is_no_vocabulary_is_refused(content: bytes) -> None:
    file = Path("vocab.json")
    file.write_bytes(content)
    with pytest.raises(CharrnnError, match=r"vocab\.json: (not a vocabulary|not JSON|a JSON object was expected)"):
        Vocabulary.load(file)


def test_a_vocabulary_that_is_not_there_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "vocab.json", tmp_path):
        with pytest.raises(CharrnnError, match="cannot be read"):
            Vocabulary.load(file)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["kind", "characters"]) | st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON | st.fixed_dictionaries({"kind": st.sampled_from(["char", "byte"]) | JSON, "characters": JSON}))
def test_any_json_is_a_vocabulary_or_is_refused(document: Any) -> None:
    file = Path("vocab.json")
    file.write_text(json.dumps(document), encoding="utf-8")
    try:
        vocabulary = Vocabulary.load(file)
    except CharrnnError:
        return
    assert vocabulary.decode(range(len(vocabulary))).endswith("\ufffd")
