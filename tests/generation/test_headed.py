"""Texts below a heading: what is given stands there, what is not is the model's, and below it the constraint holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.generation.constraints import Unfit, Without
from charrnn.generation.filters import Filters
from charrnn.generation.headed import LONGEST, Headed
from charrnn.generation.stepper import Stepper
from charrnn.generation.within import write
from charrnn.text.vocab import Vocabulary

VOCABULARY = Vocabulary("char", list("\n:abcdef"))


class Chance(Stepper):
    """A model that thinks what its seed says, whatever it reads."""

    def __init__(self, seed: int) -> None:
        self._row = np.random.default_rng(seed).normal(size=len(VOCABULARY)).astype(np.float32)
        self._count = 1

    def begin(self, ids: object, count: int) -> None:
        self._count = count

    def logits(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.tile(self._row, (self._count, 1))

    def step(self, ids: object) -> None: ...


def texts(headed: Headed, seed: int, documents: bool = False) -> list[str]:
    """Three texts, and of the last one the ids too."""
    generators = [np.random.default_rng([seed, i]) for i in range(3)]
    kept = write(Chance(seed), VOCABULARY, headed.beginning, headed, Filters(), generators, 300, documents)
    whole = [[*headed.beginning, *one.ids] for one in kept]
    for ids in whole:
        head, below = VOCABULARY.decode(ids[: headed.within(ids)]), VOCABULARY.decode(ids[headed.within(ids) :])
        assert head.endswith("\n") and head.count("\n") == 1 and len(head) + len(below) == len(ids)
    return [VOCABULARY.decode(ids) for ids in whole]


@settings(max_examples=30)
@given(st.integers(0, 99), st.sampled_from(["", "ab", "f"]), st.sampled_from(["", "cd"]), st.booleans())
def test_what_is_given_stands_in_its_place(seed: int, first: str, second: str, documents: bool) -> None:
    encode = VOCABULARY.encode
    items: list[int | None] = []
    for field, after in ((first, ":"), (second, "\n")):
        items += encode(field) if field else [None]
        items += encode(after)
    headed = Headed(items, encode("a"), Without(["b"], VOCABULARY), VOCABULARY)
    for text in texts(headed, seed, documents):
        heading, _, below = text.partition("\n")
        one, _, other = heading.partition(":")
        assert one == first or (not first and 0 < len(one) <= LONGEST)
        assert other == second or (not second and 0 < len(other) <= LONGEST)
        assert below.startswith("a") and "b" not in below


def test_what_does_not_fit_below_is_refused_at_once() -> None:
    with pytest.raises(Unfit):
        Headed(VOCABULARY.encode("a\n"), VOCABULARY.encode("cb"), Without(["b"], VOCABULARY), VOCABULARY)
