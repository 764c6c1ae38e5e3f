"""Texts that look ahead together: a crowd goes on from those that go on well, and every text keeps its constraint."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.generation.constraints import Kept, write
from charrnn.generation.filters import Filters, Floats, Ints
from charrnn.generation.stepper import Stepper
from charrnn.text.vocab import Vocabulary

VOCABULARY = Vocabulary("char", list("abxy"))
A, B, X, Y = range(4)


class Crossroads(Stepper):
    """First b, or less often a. After a comes x, after b nearly always y, and then anything."""

    AFTER = {A: [0.02, 0.02, 0.94, 0.02], B: [0.02, 0.02, 0.01, 0.95]}  # noqa: RUF012

    def begin(self, ids: object, count: int) -> None:
        self._p = np.tile([0.2, 0.78, 0.01, 0.01], (count, 1))

    def logits(self) -> Floats:
        never = np.full((len(self._p), 2), 1e-9)  # <unk> and the boundary
        return np.log(np.concatenate([self._p, never], axis=1)).astype(np.float32)

    def step(self, ids: Ints) -> None:
        self._p = np.array([self.AFTER.get(one, [0.25] * 4) for one in ids.tolist()])

    def take(self, rows: Ints) -> None:
        self._p = self._p[rows]


class Crossing:
    """a or b, then x, then two of any."""

    def begin(self) -> int:
        return 0

    def allowed(self, state: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        mask = np.zeros(len(VOCABULARY), np.bool_)
        mask[[[A, B], [X], [A, B, X, Y], [A, B, X, Y], []][state]] = True
        return mask

    def after(self, state: int, character: int) -> int | None:
        return state + 1 if self.allowed(state)[character] else None

    def is_over(self, state: int) -> bool:
        return state == 4


def texts(count: int, crowd: int, seed: int = 0) -> list[Kept]:
    generators = [np.random.default_rng([seed, i]) for i in range(count)]
    return write(Crossroads(), VOCABULARY, [], Crossing(), Filters(), generators, 9, crowd=crowd)


@pytest.mark.parametrize("crowd", [1, 2, 16])
def test_every_text_keeps_the_constraint_and_its_own_figures(crowd: int) -> None:
    for one in texts(64, crowd):
        assert len(one.ids) == 4 and one.ids[0] in (A, B) and one.ids[1] == X and len(one.prices) == 4
        way = Crossroads()
        way.begin([], 1)
        log_prob = 0.0
        for i in one.ids:
            log_prob += way.logits()[0, i]
            way.step(np.array([i]))
        assert one.log_prob == pytest.approx(log_prob, abs=1e-4)


def test_a_crowd_takes_the_way_that_goes_on_well() -> None:
    """Given what is asked for, a is 24 times as likely as b. Alone a text mostly takes b, and then is forced."""
    alone = np.mean([one.ids[0] == A for one in texts(512, 1)])
    together = np.mean([one.ids[0] == A for one in texts(512, 16)])
    assert alone < 0.3 and together > 0.9


def test_crowds_know_nothing_of_each_other() -> None:
    assert [one.ids for one in texts(32, 8)][:8] == [one.ids for one in texts(8, 8)]
