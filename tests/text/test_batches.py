from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.text.batches import (
    IGNORE,
    Array,
    Batch,
    Batches,
    DocumentBatches,
    Position,
    StreamBatches,
    blocks,
    fitting,
    once,
    training_batches,
)
from charrnn.text.dataset import Part

BOUNDARY = 10**6
SIZES = st.integers(1, 12)
LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=60)
SEEDS = st.integers(0, 5)


def stream(length: int) -> Part:
    """Every character another one, so that each can be told from the others."""
    return Part(np.arange(length))


def documents(lengths: list[int]) -> Part:
    """The same, in documents that do not lie in the order of their numbers, as after a split."""
    ends = np.cumsum(lengths)
    spans = np.stack([ends - lengths, ends], axis=1)
    return Part(np.arange(ends[-1]), spans[np.random.default_rng(1).permutation(len(lengths))])


def epoch_of(batches: Batches) -> Iterator[Batch]:
    """The batches of the epoch that begins at the position."""
    epoch = batches.position.epoch
    while batches.position.epoch == epoch:
        yield batches.next()


def follow(batches: Batches) -> list[tuple[list[int], list[int]]]:
    """What each text of an epoch is read as and what is predicted of it, from its beginning to its end.

    Checks on the way that nothing comes after padding and that a text that is continued was there before.
    """
    texts: list[tuple[list[int], list[int]]] = []
    side_by_side: list[tuple[list[int], list[int]]] = []
    for batch in epoch_of(batches):
        assert batch.inputs.shape == batch.targets.shape
        assert batch.inputs.dtype == batch.targets.dtype == np.int64
        assert (batch.inputs >= 0).all()
        if batch.fresh:
            side_by_side = [([], []) for _ in range(batch.inputs.shape[1])]
            texts += side_by_side
        assert batch.inputs.shape[1] == len(side_by_side)
        for (read, predicted), inputs, targets in zip(side_by_side, batch.inputs.T, batch.targets.T, strict=True):
            count = int((targets != IGNORE).sum())
            assert (targets[:count] != IGNORE).all()
            assert not count or len(read) == len(predicted)
            read += inputs[:count].tolist()
            predicted += targets[:count].tolist()
        assert batch.characters == int((batch.targets != IGNORE).sum()) > 0
    return texts


def same(a: Batch, b: Batch) -> bool:
    return np.array_equal(a.inputs, b.inputs) and np.array_equal(a.targets, b.targets) and a.fresh == b.fresh


@given(st.integers(1, 300), st.integers(1, 20), SIZES, st.sampled_from([0.0, 0.5, 4.0]))
def test_a_stream_is_predicted_once_an_epoch_from_what_precedes(
    length: int, batch_size: int, window: int, deviation: float
) -> None:
    batches = StreamBatches(stream(length), batch_size, window, BOUNDARY, deviation)
    for epoch in range(2):
        assert batches.epochs == batches.position.epoch == epoch
        texts = follow(batches)
        assert len(texts) == batch_size
        assert [i for _, predicted in texts for i in predicted] == list(range(length))
        for read, predicted in texts:
            assert read == [BOUNDARY, *predicted[:-1]][: len(predicted)]


@given(st.integers(1, 300), st.integers(1, 20), SIZES)
def test_windows_of_a_stream_follow_one_another(length: int, batch_size: int, window: int) -> None:
    batches = StreamBatches(stream(length), batch_size, window, BOUNDARY)
    epoch = list(epoch_of(batches))
    assert [batch.fresh for batch in epoch] == [True] + [False] * (len(epoch) - 1)
    assert all(batch.inputs.shape == (window, batch_size) for batch in epoch[:-1])
    for batch, after in pairwise(epoch):
        going_on = after.targets[0] != IGNORE
        assert np.array_equal(batch.targets[-1, going_on], after.inputs[0, going_on])


def test_windows_of_varied_length() -> None:
    def lengths(deviation: float, seed: int) -> list[list[int]]:
        batches = StreamBatches(stream(20_000), 1, 50, BOUNDARY, deviation, seed)
        return [[len(batch.inputs) for batch in list(epoch_of(batches))[:-1]] for _ in range(2)]

    (first, second), (again, _), (other, _) = lengths(5, 1), lengths(5, 1), lengths(5, 2)
    assert first == again
    assert first != second and first != other  # another epoch, another seed
    drawn = np.array(first + second + other)
    assert drawn.max() <= 60
    near = drawn[drawn > 37]
    assert near.mean() == pytest.approx(50, abs=1) and near.std() == pytest.approx(5, abs=1)
    assert 0.02 < (drawn <= 37).mean() < 0.09
    assert set(lengths(0, 1)[0]) == {50}


@given(LENGTHS, SIZES, SIZES, SEEDS)
def test_documents_and_their_ends_are_predicted_once_an_epoch(
    lengths: list[int], batch_size: int, window: int, seed: int
) -> None:
    part = documents(lengths)
    batches = DocumentBatches(part, batch_size, window, BOUNDARY, seed)
    assert part.documents is not None
    expected = sorted([*range(start, end), BOUNDARY] for start, end in part.documents.tolist())
    for epoch in range(2):
        assert batches.epochs == batches.position.epoch == epoch
        texts = follow(batches)
        assert sorted(predicted for _, predicted in texts) == expected
        for read, predicted in texts:
            assert read == [BOUNDARY, *predicted[:-1]]


@given(LENGTHS, SIZES, SIZES, SEEDS)
def test_sizes_of_document_batches(lengths: list[int], batch_size: int, window: int, seed: int) -> None:
    batches = DocumentBatches(documents(lengths), batch_size, window, BOUNDARY, seed)
    epoch = list(epoch_of(batches))
    groups = [batch.inputs.shape[1] for batch in epoch if batch.fresh]
    full, rest = divmod(len(lengths), batch_size)
    assert sorted(groups) == sorted([batch_size] * full + [rest] * bool(rest))
    assert all(batch.inputs.shape[0] <= window for batch in epoch)


@given(LENGTHS, SIZES)
def test_documents_side_by_side_are_of_similar_length(lengths: list[int], batch_size: int) -> None:
    sorted_lengths = sorted(lengths)
    batches = DocumentBatches(documents(lengths), batch_size, 100, BOUNDARY, seed=0)
    for batch in epoch_of(batches):
        found = sorted(((batch.targets != IGNORE).sum(axis=0) - 1).tolist())
        at = sorted_lengths.index(found[0])
        neighbours = {tuple(sorted_lengths[i : i + len(found)]) for i in range(at, at + sorted_lengths.count(found[0]))}
        assert tuple(found) in neighbours


@given(st.integers(0, 300), SIZES, SIZES)
def test_blocks_begin_fresh_from_the_character_before(length: int, block: int, batch_size: int) -> None:
    batches = list(blocks(stream(length), block, batch_size, BOUNDARY))
    columns = [(i, t) for batch in batches for i, t in zip(batch.inputs.T, batch.targets.T, strict=True)]
    assert all(batch.fresh and len(batch.inputs) == block for batch in batches)
    assert all(batch.inputs.shape[1] == batch_size for batch in batches[:-1])
    predicted = [targets[targets != IGNORE].tolist() for _, targets in columns]
    assert predicted == [list(range(start, min(start + block, length))) for start in range(0, length, block)]
    for (inputs, _), own in zip(columns, predicted, strict=True):
        assert inputs[: len(own)].tolist() == [character - 1 if character else BOUNDARY for character in own]


def test_documents_are_not_read_in_blocks() -> None:
    with pytest.raises(ValueError, match="stream"):
        next(blocks(documents([3]), 1, 1, BOUNDARY))


def either(kind: str, lengths: list[int], batch_size: int, window: int, seed: int) -> Batches:
    if kind == "stream":
        return StreamBatches(stream(sum(lengths)), batch_size, window, BOUNDARY)
    if kind == "varied":
        return StreamBatches(stream(sum(lengths)), batch_size, window, BOUNDARY, 2.0, seed)
    return DocumentBatches(documents(lengths), batch_size, window, BOUNDARY, seed)


@given(st.sampled_from(["stream", "varied", "documents"]), LENGTHS, SIZES, SIZES, st.integers(0, 40))
def test_a_copied_position_gives_the_same_next_batches(
    kind: str, lengths: list[int], batch_size: int, window: int, taken: int
) -> None:
    first = either(kind, lengths, batch_size, window, seed=3)
    for _ in range(taken):
        first.next()
    second = either(kind, lengths, batch_size, window, seed=3)
    second.position = copy.copy(first.position)
    for _ in range(20):
        assert first.epochs == second.epochs
        assert same(first.next(), second.next())
        assert first.position == second.position


@given(st.sampled_from(["stream", "documents"]), LENGTHS, SIZES, SIZES)
def test_passes_are_counted_without_steps_back(kind: str, lengths: list[int], batch_size: int, window: int) -> None:
    batches = either(kind, lengths, batch_size, window, seed=0)
    before = batches.epochs
    assert before == 0
    while batches.position.epoch < 2:
        batches.next()
        assert before <= batches.epochs <= before + 1
        before = batches.epochs
    assert before == 2


def order(seed: int, epoch: int) -> list[list[int]]:
    batches = DocumentBatches(documents([3] * 200), 4, 10, BOUNDARY, seed)
    batches.position = Position(epoch=epoch)
    return [batch.targets[0].tolist() for batch in epoch_of(batches)]


def test_the_order_of_documents_depends_on_seed_and_epoch_alone() -> None:
    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)
    batches = DocumentBatches(documents([3] * 200), 4, 10, BOUNDARY, 0)
    passed = [[batch.targets[0].tolist() for batch in epoch_of(batches)] for _ in range(3)]
    assert passed == [order(0, epoch) for epoch in range(3)]


def test_every_epoch_puts_other_documents_side_by_side() -> None:
    sides = [{frozenset(group) for group in order(0, epoch)} for epoch in range(2)]
    assert len(sides[0] & sides[1]) < len(sides[0]) / 2


def test_a_stream_is_no_collection_of_documents() -> None:
    with pytest.raises(ValueError, match="documents"):
        DocumentBatches(stream(5), 1, 1, BOUNDARY, 0)


def fits(part: Part, batch_size: int, window: int) -> bool:
    """Whether the text fills a batch, and a first batch has something to predict."""
    enough = len(part.documents) if part.documents is not None else part.characters // window
    return enough >= batch_size and training_batches(part, batch_size, window, BOUNDARY, 0).next().characters > 0


@given(st.one_of(st.integers(1, 60).map(stream), LENGTHS.map(documents)), st.integers(1, 100), SIZES, st.integers(1, 3))
def test_batches_are_brought_down_to_what_a_text_fills(part: Part, batch_size: int, window: int, workers: int) -> None:
    batch_size *= workers
    enough = len(part.spans) if part.documents is not None else part.characters
    if enough < workers:
        with pytest.raises(CharrnnError, match=f"with {workers} worker"):
            fitting(part, batch_size, window, workers)
        return
    fitted = fitting(part, batch_size, window, workers)
    assert fits(part, *fitted)
    assert fitted[0] % workers == 0
    assert fitted[0] <= batch_size and fitted[1] <= window
    if fits(part, batch_size, window):
        assert fitted == (batch_size, window)
    elif fitted[1] == window:
        assert not fits(part, fitted[0] + workers, window)


def test_no_documents_at_all() -> None:
    part = Part(np.arange(5), np.zeros((0, 2), np.int64))
    with pytest.raises(CharrnnError, match=r"0 documents.*corpus\.split"):
        fitting(part, 1, 1)


def test_any_integer_type_is_read() -> None:
    expected: Array = np.array([[BOUNDARY], [1], [2]])
    for dtype in (np.uint8, np.uint16, np.uint32, np.int64):
        batch = StreamBatches(Part(np.array([1, 2, 3], dtype)), 1, 3, BOUNDARY).next()
        assert np.array_equal(batch.inputs, expected)
        assert batch.targets[:, 0].tolist() == [1, 2, 3]


PIECES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), min_size=1, max_size=6)
"""Of each piece of a part, how far it is from the one before, and its length."""


def pieces_of(drawn: list[tuple[int, int]]) -> Part:
    edges = np.cumsum(np.array(drawn).ravel()).reshape(-1, 2)
    return Part(np.arange(edges[-1, 1] + 3), pieces=edges)


@given(PIECES, SIZES, SIZES, st.sampled_from([0.0, 2.0]))
def test_nobody_learns_across_a_hole(
    drawn: list[tuple[int, int]], batch_size: int, window: int, deviation: float
) -> None:
    part = pieces_of(drawn)
    texts = follow(StreamBatches(part, batch_size, window, BOUNDARY, deviation))
    assert [i for _, predicted in texts for i in predicted] == [i for a, b in part.spans for i in range(a, b)]
    begins = set(part.spans[:, 0].tolist())
    for before, predicted in texts:
        for place, (own, after) in enumerate(zip(before, predicted, strict=True)):
            assert own == (BOUNDARY if after in begins or place == 0 else after - 1)


@given(PIECES, SIZES, st.tuples(SIZES, SIZES), st.sampled_from([0, 1, 7, 100]))
def test_a_reading_counts_each_span_once_after_what_stands_before_it(
    drawn: list[tuple[int, int]], batch_size: int, windows: tuple[int, int], run_up: int
) -> None:
    part = pieces_of(drawn)
    found: list[int] = []
    columns: list[list[int]] = []
    for batch in once(part, part.spans, batch_size, windows, BOUNDARY, run_up):
        assert batch.counted is not None
        if batch.fresh:
            columns = [[] for _ in batch.counted]
            counting = np.zeros(len(columns), bool)
        assert (batch.counted >= counting).all()  # who is counted stays so
        counting = batch.counted
        assert len(batch.inputs) <= windows[int(counting.any())]
        assert batch.characters == batch.lengths.sum()
        for own, inputs, targets, counts in zip(columns, batch.inputs.T, batch.targets.T, counting, strict=True):
            count = int((targets != IGNORE).sum())
            expected = [BOUNDARY if batch.fresh else own[-1], *targets[: count - 1].tolist()]
            assert inputs[:count].tolist() == expected[:count]
            own += targets[:count].tolist()
            found += targets[:count].tolist() if counts else []
            if counts and count and len(own) == count:
                assert own[0] == 0 or not run_up  # it begins with the text
    assert sorted(found) == [i for a, b in part.spans for i in range(a, b)]


@given(LENGTHS, SIZES, SIZES)
def test_a_reading_of_documents(lengths: list[int], batch_size: int, window: int) -> None:
    part = documents(lengths)
    found = []
    for batch in once(part, part.spans, batch_size, (1, window), BOUNDARY, 5):
        assert batch.characters > 0
        found += batch.targets[batch.targets != IGNORE].tolist()
    assert sorted(found) == sorted([*range(sum(lengths)), *[BOUNDARY] * len(lengths)])


@given(PIECES, SIZES, SIZES)
def test_a_block_does_not_cross_a_hole(drawn: list[tuple[int, int]], block: int, batch_size: int) -> None:
    part = pieces_of(drawn)
    found: list[int] = []
    for batch in blocks(part, block, batch_size, BOUNDARY):
        for inputs, targets in zip(batch.inputs.T, batch.targets.T, strict=True):
            own = targets[targets != IGNORE].tolist()
            before = BOUNDARY if own[0] in part.spans[:, 0] else own[0] - 1
            assert inputs[: len(own)].tolist() == [before, *own[:-1]]
            found += own
    assert found == [i for a, b in part.spans for i in range(a, b)]
