"""The ranking of texts: likely ones first, and each fault has its price."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from charrnn.generation.ranking import PENALTY, RUN, rank, repetition

FAULTS = st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=4)


@given(st.floats(-1e4, 0), st.integers(1, 1000), FAULTS)
def test_the_score_is_the_bits_and_the_price_of_each_fault(
    log_prob: float, written: int, faults: Mapping[str, int]
) -> None:
    one = rank("", log_prob, written, lambda _: faults)
    assert math.isclose(one.bits, -log_prob / math.log(2) / written)
    assert math.isclose(one.score, one.bits + PENALTY * sum(faults.values()) / written)
    assert one.faults == {name: count for name, count in faults.items() if count}


@given(st.text(alphabet="ab春é", max_size=60), st.text(alphabet="ab春é", max_size=60))
def test_a_repetition_is_a_run_that_stands_in_the_text_before(one: str, other: str) -> None:
    """Counted apart, character by character."""
    text = one + other
    places = [len(text[:i].encode()) for i in range(len(text))]
    data = text.encode()
    expected = sum(
        any(data[earlier : earlier + RUN] == data[place : place + RUN] for earlier in places if earlier < place)
        for place in places
        if place + RUN <= len(data)
    )
    assert repetition(text) == {"repetition": expected}


def test_a_line_that_comes_again_is_a_repetition_in_any_script() -> None:
    for line in ("the sun had gone behind the hill, ", "只見那人笑道：姑娘請坐。"):
        assert repetition(line)["repetition"] == 0
        assert repetition(line * 3)["repetition"] > repetition(line * 2)["repetition"] > 0


def test_names_that_come_again_are_none() -> None:
    assert repetition("寶玉笑道。黛玉道。寶玉笑道。黛玉又道。")["repetition"] == 0
    assert repetition("ROMEO:\nAy.\n\nJULIET:\nNo.\n\nROMEO:\nSo be it.")["repetition"] == 0
