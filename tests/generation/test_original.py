"""What is written under `Original` shares no run with the corpus, by a search that knows nothing of the index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.generation.constraints import Both, DeadEnd, Mask, Without
from charrnn.generation.filters import Filters
from charrnn.generation.original import Original
from charrnn.generation.stepper import Stepper
from charrnn.generation.within import write
from charrnn.text.dataset import Part
from charrnn.text.suffixes import Suffixes, suffixes_of
from charrnn.text.vocab import Vocabulary

pytest.importorskip("pydivsufsort", reason="pydivsufsort is not installed: pip install 'charrnn[novelty]'")

LETTERS = "abcdefgh"


class Even(Stepper):
    """A model to which all characters are as likely, always."""

    def __init__(self, size: int) -> None:
        self.size = size

    def begin(self, ids: Any, samples: int) -> None:
        self.samples = samples

    def step(self, ids: Any) -> None:
        pass

    def logits(self) -> Any:
        return np.zeros((self.samples, self.size), np.float32)


def index_of(text: str, vocabulary: Vocabulary) -> Suffixes:
    return suffixes_of(Part(np.array(vocabulary.encode(text), np.uint8)), vocabulary, f"{vocabulary.characters}{text}")


def texts(constraint: Any, vocabulary: Vocabulary, prompt: str = "", length: int = 60, count: int = 4) -> list[str]:
    generators = [np.random.default_rng(i) for i in range(count)]
    ids = vocabulary.encode(prompt)
    written = write(Even(len(vocabulary)), vocabulary, ids, constraint, Filters(), generators, length)
    return [prompt + vocabulary.decode(one.ids) for one in written]


@given(
    st.integers(2, 8).flatmap(lambda n: st.tuples(st.just(n), st.text(LETTERS[:n], min_size=1, max_size=400))),
    st.integers(2, 6),
    st.text("ab", max_size=8),
)
def test_no_run_of_the_corpus_is_written(case: tuple[int, str], run: int, prompt: str) -> None:
    size, corpus = case
    vocabulary = Vocabulary("char", LETTERS[:size])
    constraint = Both([Original(index_of(corpus, vocabulary), run, vocabulary, len(prompt))])
    try:
        written = texts(constraint, vocabulary, prompt)
    except CharrnnError:
        assert _is_exhausted(corpus, run, LETTERS[:size], prompt)
        return
    for text in written:
        assert len(text) == len(prompt) + 60 and text.startswith(prompt)
        for i in range(max(0, len(prompt) - run + 1), len(text) - run + 1):
            assert text[i : i + run] not in corpus


def _is_exhausted(corpus: str, run: int, letters: str, prompt: str) -> bool:
    """Whether no text of 24 more characters is left, by trying all beginnings of runs at once."""
    lasts = {prompt[max(0, len(prompt) - run + 1) :]}
    for _ in range(24):
        written = {last + letter for last in lasts for letter in letters}
        lasts = {one[-run + 1 :] for one in written if len(one) < run or one not in corpus}
    return not lasts


@pytest.mark.parametrize("length", [1, 0, -3, 5000])
def test_lengths_out_of_bounds(length: int) -> None:
    vocabulary = Vocabulary("char", LETTERS)
    with pytest.raises(CharrnnError, match="original="):
        Original(index_of("abc", vocabulary), length, vocabulary)


class Pattern:
    """Texts whose characters are from given choices, one after the other, and then over."""

    def __init__(self, choices: list[str], vocabulary: Vocabulary) -> None:
        self._choices, self._vocabulary = choices, vocabulary

    def begin(self) -> int:
        return 0

    def allowed(self, state: int) -> Mask:
        mask = np.zeros(len(self._vocabulary), np.bool_)
        if state < len(self._choices):
            mask[self._vocabulary.encode(self._choices[state])] = True
        return mask

    def after(self, state: int, character: int) -> int | None:
        return state + 1 if self.allowed(state)[character] else None

    def is_over(self, state: int) -> bool:
        return state == len(self._choices)


@given(
    st.lists(st.sampled_from(["ab", "cd", "e", "abcd", LETTERS]), min_size=1, max_size=12),
    st.text("abcde", max_size=60),
)
def test_with_a_form_there_is_no_dead_end_where_there_is_a_way(choices: list[str], corpus: str) -> None:
    vocabulary = Vocabulary("char", LETTERS)
    original = Original(index_of(corpus or "h", vocabulary), 3, vocabulary)
    ways = [""]
    for choice in choices:
        longer = {way + letter for way in ways for letter in choice}
        ways = [*{way[-2:] for way in longer if len(way) < 3 or way[-3:] not in (corpus or "h")}]
    both = Both([Pattern(choices, vocabulary), original])
    if not ways:
        with pytest.raises(DeadEnd):
            texts(both, vocabulary)
        return
    for text in texts(both, vocabulary):
        assert len(text) == len(choices) and all(one in choice for one, choice in zip(text, choices, strict=True))
        assert not any(text[i : i + 3] in (corpus or "h") for i in range(len(text) - 2))


def test_looking_ahead_does_not_take_for_ever() -> None:
    """Where every way ends far behind, so many that not all can be looked at."""
    vocabulary = Vocabulary("char", LETTERS)
    with pytest.raises(DeadEnd):
        texts(Both([Pattern([LETTERS] * 30 + ["h"], vocabulary), Without(["h"], vocabulary)]), vocabulary, length=100)


def test_constraints_of_two_alphabets_are_told() -> None:
    vocabulary, small = Vocabulary("char", LETTERS), Vocabulary("char", LETTERS[:3])
    with pytest.raises(CharrnnError, match="vocabulary"):
        texts(Both([Without(["a"], vocabulary), Without(["a"], small)]), vocabulary)
