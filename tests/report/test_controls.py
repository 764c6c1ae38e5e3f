"""The controls of `inspect neurons`, against the plainest computation and on data whose answer is known."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.report import controls


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-9, 9), st.booleans()), min_size=2, max_size=40))
def test_the_auc_is_the_share_of_pairs_that_are_told_apart(rows: list[tuple[int, int, bool]]) -> None:
    values, truth = np.array([row[:2] for row in rows], np.float32), np.array([row[2] for row in rows])
    if truth.all() or not truth.any():
        return
    found = controls.auc(controls.ranks(torch.from_numpy(values)), torch.from_numpy(truth)[None])
    for unit in range(2):
        ones, zeros = values[truth, unit][:, None], values[~truth, unit]
        pairs = (ones > zeros).mean() + 0.5 * (ones == zeros).mean()
        np.testing.assert_allclose(float(found[unit, 0]), pairs, atol=1e-5)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(0, 99))
def test_a_shuffle_gives_every_label_to_one_place(lengths: list[int], seed: int) -> None:
    for way in controls.shuffles(lengths, 3, seed):
        assert sorted(way.tolist()) == list(range(sum(lengths)))


def test_among_units_that_know_nothing_none_is_beyond_the_shifted_labels() -> None:
    """Twenty features and 100 units, all of them in long runs, as labels and states are."""
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(4000, 100)).cumsum(0)
    units = torch.from_numpy((walks - np.roll(walks, 50, 0)).astype(np.float32))
    ranked, ways = controls.ranks(units), controls.shuffles([200] * 20, 50)
    beyond = 0
    for _ in range(20):
        labels = (rng.random(200) < 0.5).repeat(20)
        own = controls.either(controls.auc(ranked, torch.from_numpy(labels)[None])).max()
        beyond += bool(own > controls.either(controls.auc(ranked, torch.from_numpy(labels[ways]))).max())
    assert beyond <= 3  # a chance of 1 in 51 each


def test_lines_of_equal_length_do_not_keep_their_labels() -> None:
    """In verse all lines are alike: shifted by one number of places for all, labels would come to lie on their like."""
    labels = np.tile(np.arange(8) < 4, 100)
    ranked = controls.ranks(torch.from_numpy(labels.astype(np.float32))[:, None])
    shifted = controls.auc(ranked, torch.from_numpy(labels[controls.shuffles([32] * 25, 50)]))
    assert controls.either(shifted).max() < 0.8


def test_the_predictor_knows_the_last_eight_characters_and_no_more() -> None:
    points = np.random.default_rng(1).integers(97, 99, 12_000).astype(np.int32)
    labels = np.stack([np.roll(points == 97, 7), np.roll(points == 97, 8), points == 97], axis=1)
    table = controls.windows(points, np.unique(points))
    found = controls.last_eight(table[:6000], labels[:6000], table[6000:], labels[6000:], 2)
    assert found[0] > 0.99 and found[2] > 0.99 and found[1] < 0.6
