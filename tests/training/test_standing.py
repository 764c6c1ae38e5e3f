"""Where a training stands comes back from `state.json` as it was, also from one that an older version wrote."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.files import read_record, write_json
from charrnn.store.checkpoint import Summary
from charrnn.text.batches import Position
from charrnn.training.standing import Averaged, Standing

counts = st.integers(0, 2**63 - 1)
amounts = st.floats(0, 1e14)
standings = st.builds(
    Standing,
    step=counts,
    seconds=amounts,
    best=st.none() | amounts,
    finished=st.booleans(),
    is_best=st.booleans(),
    evaluations_since_best=counts,
    position=st.builds(Position, epoch=counts, group=counts, offset=counts),
    rate_factor=st.floats(0, 1, exclude_min=True),
    explosions=counts,
    learnt=counts,
    evaluated=counts,
    average=st.builds(Averaged, count=counts, shown=st.booleans()),
)


@given(st.lists(st.floats(0, 10) | st.just(float("inf")), min_size=1, max_size=12))
def test_the_best_is_the_lowest_that_came_first(losses: list[float]) -> None:
    standing = Standing()
    told = [standing.judge(loss) for loss in losses]
    for i, (is_best, before) in enumerate(zip(told, itertools.accumulate([float("inf"), *losses], min), strict=False)):
        assert is_best == (losses[i] < before)
    finite = [loss for loss in losses if loss < float("inf")]
    assert standing.best == min(finite, default=None)
    since = len(losses) - 1 - losses.index(min(finite)) if finite else len(losses)
    assert standing.evaluations_since_best == since


def test_a_loss_that_is_no_number_is_never_the_best() -> None:
    standing = Standing()
    for since, (loss, is_best) in enumerate([(float("nan"), False), (2.0, True), (float("nan"), False)]):
        assert standing.judge(loss) is is_best
        assert standing.best == (None if since == 0 else 2.0)


@given(standings)
def test_written_and_read_it_is_the_same(standing: Standing) -> None:
    file = Path("state.json")
    write_json(file, standing.model_dump())
    assert read_record(file, Standing) == standing
    summary = read_record(file, Summary)
    assert (summary.step, summary.best, summary.finished) == (standing.step, standing.best, standing.finished)


@given(standing=standings, data=st.data())
def test_what_an_older_version_did_not_write_is_as_in_a_new_training(standing: Standing, data: st.DataObject) -> None:
    written = standing.model_dump()
    missing = data.draw(st.sets(st.sampled_from(sorted(written))))
    file = Path("state.json")
    file.write_text(json.dumps({key: value for key, value in written.items() if key not in missing}))
    got, fresh = read_record(file, Standing).model_dump(), Standing().model_dump()
    assert got == {key: fresh[key] if key in missing else value for key, value in written.items()}


def test_one_of_the_first_version_is_read() -> None:
    """Before `learnt`, `evaluated` and `average`."""
    file = Path("state.json")
    file.write_text(
        '{"step": 30, "seconds": 1.5, "best": 2.25, "evaluations_since_best": 1, "rate_factor": 1.0, "explosions": 0,'
        ' "finished": true, "is_best": false, "position": {"epoch": 1, "group": 0, "offset": 64}}'
    )
    standing = read_record(file, Standing)
    assert (standing.step, standing.best, standing.position.offset) == (30, 2.25, 64)
    assert (standing.learnt, standing.evaluated, standing.average) == (0, 0, Averaged())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("step", 2**63),
        ("step", 1.0),
        ("step", True),
        ("seconds", "1"),
        ("seconds", 1e15),
        ("best", [1.0]),
        ("learnt", -1),
        ("evaluated", None),
        ("finished", 1),
        ("rate_factor", 0),
        ("rate_factor", 1.5),
        ("position", {"epoch": 0.5}),
        ("position", [0, 0, 0]),
        ("average", {"count": -1}),
        ("average", {"shown": "no"}),
        ("average", None),
    ],
)
def test_what_cannot_be_is_named_by_its_key(key: str, value: Any) -> None:
    file = Path("state.json")
    file.write_text(json.dumps(Standing().model_dump() | {key: value}))
    with pytest.raises(CharrnnError, match=rf"state\.json: {key}"):
        read_record(file, Standing)


def test_two_trainings_share_nothing() -> None:
    one, other = Standing(), Standing()
    one.position.offset, one.average.count = 5, 3
    assert other == Standing()
    assert (other.position.offset, other.average.count) == (0, 0)
