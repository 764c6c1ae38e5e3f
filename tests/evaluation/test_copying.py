"""What is followed as a text grows and shrinks is what looking it up as a whole gives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.evaluation.copying import Copying
from charrnn.evaluation.novelty import Learnt
from charrnn.text.dataset import Part
from charrnn.text.suffixes import suffixes_of
from charrnn.text.vocab import Vocabulary

pytest.importorskip("pydivsufsort", reason="pydivsufsort is not installed: pip install 'charrnn[novelty]'")

LETTERS = Vocabulary("char", sorted("abcd"))
TEXTS = st.text("abc☃", max_size=30)


def copying(corpus: str, least: int) -> Copying:
    suffixes = suffixes_of(Part(np.array(LETTERS.encode(corpus), np.uint8)), LETTERS, corpus)
    return Copying(cast(Learnt, SimpleNamespace(suffixes=suffixes, vocabulary=LETTERS)), least)


def by_search(text: str, corpus: str, least: int) -> tuple[list[bool], int]:
    """Of each character whether it stands in a run, and the length of the longest run."""
    runs = [(i, j) for i in range(len(text)) for j in range(i + 1, len(text) + 1) if text[i:j] in corpus]
    copied = [any(i <= at < j and j - i >= least for i, j in runs) for at in range(len(text))]
    return copied, max((j - i for i, j in runs), default=0)


@given(
    corpus=st.text("abcd", min_size=1, max_size=60),
    least=st.integers(2, 6),
    edits=st.lists(st.tuples(st.integers(0, 30), TEXTS), max_size=6),
    beginnings=st.lists(st.text("abcd", max_size=5), max_size=4),
)
def test_what_is_copied_and_what_would_be(
    corpus: str, least: int, edits: list[tuple[int, str]], beginnings: list[str]
) -> None:
    followed, text = copying(corpus, least), ""
    for cut, added in [(0, ""), *edits]:
        text = text[:cut] + added
        assert (followed.follow(LETTERS.encode(text, "replace")), followed.longest) == by_search(text, corpus, least)
        for one, lengthens in zip(beginnings, followed.lengthen([LETTERS.encode(o) for o in beginnings]), strict=True):
            assert lengthens == any(by_search(text + one, corpus, least)[0][len(text) :])
