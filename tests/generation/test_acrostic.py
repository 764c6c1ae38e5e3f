"""Acrostics in any text: each line begins as asked, there are as many lines as letters, and no text is given up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn import CharrnnError
from charrnn.generation.acrostic import Acrostic, usual_break
from charrnn.generation.filters import Filters
from charrnn.generation.stepper import Stepper
from charrnn.generation.within import write
from charrnn.text.vocab import Vocabulary

CHARACTERS = Vocabulary("char", list("\n abcdé春"))
BYTES = Vocabulary("byte")


class Chance(Stepper):
    """A model that thinks what its seed says, whatever it reads; the lower `ends`, the fewer line ends it writes."""

    def __init__(self, seed: int, vocabulary: Vocabulary, ends: float) -> None:
        self._row = np.random.default_rng(seed).normal(size=len(vocabulary)).astype(np.float32)
        self._row[vocabulary.encode("\n")] = ends
        self._count = 1

    def begin(self, ids: object, count: int) -> None:
        self._count = count

    def logits(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.tile(self._row, (self._count, 1))

    def step(self, ids: object) -> None: ...


@settings(max_examples=40)
@given(
    st.integers(0, 99),
    st.text("abcdé春", min_size=1, max_size=6),
    st.sampled_from(["\n", "\n\n", "\n  "]),
    st.sampled_from([-9.0, 0.0, 3.0]),
    st.booleans(),
)
def test_each_line_begins_as_asked(seed: int, letters: str, between: str, ends: float, raw: bool) -> None:
    vocabulary = BYTES if raw else CHARACTERS
    acrostic = Acrostic(letters, vocabulary, 120, between)
    generators = [np.random.default_rng([seed, i]) for i in range(2)]
    for kept in write(Chance(seed, vocabulary, ends), vocabulary, [], acrostic, Filters(), generators, 120):
        text = b"".join(bytes([i]) for i in kept.ids).decode("utf-8", "replace") if raw else vocabulary.decode(kept.ids)
        lines = text.removesuffix("\n").split("\n")
        indent = between[1:].replace("\n", "")
        apart = 1 + between[1:].count("\n")
        assert "".join(line.removeprefix(indent if i else "")[0] for i, line in enumerate(lines[::apart])) == letters
        assert all(line == "" for i, line in enumerate(lines) if i % apart)


@pytest.mark.parametrize(
    ("letters", "vocabulary", "longest", "told"),
    [
        ("", CHARACTERS, 99, "a character or more"),
        ("axb", CHARACTERS, 99, r"x\(U\+0078\)"),
        ("ab", Vocabulary("char", list("ab")), 99, "no line ends"),
        ("abcd", CHARACTERS, 11, "too few characters for the 4 lines"),
    ],
)
def test_what_cannot_be_is_refused_beforehand(letters: str, vocabulary: Vocabulary, longest: int, told: str) -> None:
    with pytest.raises(CharrnnError, match=told):
        Acrostic(letters, vocabulary, longest)


def test_lines_are_set_as_most_are() -> None:
    assert usual_break(["a\nb\nc\n\nd", "e"]) == "\n"
    assert usual_break(["a\n\n  b\n\n  c", "d\ne"]) == "\n\n  "
    assert usual_break(["no line end", ""]) == "\n"
