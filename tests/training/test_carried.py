"""Where texts go on they find their state again, shared out among any number of workers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from charrnn.config import ModelConfig
from charrnn.models import LanguageModel, State, build_model, set_kernels
from charrnn.text.batches import Batch
from charrnn.training.carried import Carried
from charrnn.training.distributed import Workers

CELLS = ["rnn", "lstm", "gru", "mlp"]


@cache
def network(cell: str) -> LanguageModel:
    layers = 1 if cell == "mlp" else 2
    model = build_model(ModelConfig(cell=cell, hidden_size=3, embedding_size=2, num_layers=layers), 5)
    set_kernels(model, "plain")
    return model


class OneOf(Workers):
    """A worker whose others are in this process."""

    def __init__(self, rank: int, count: int, everyone: list[Carried]) -> None:
        super().__init__(rank, count)
        self._everyone = everyone

    def whole(self, state: State, initial: State) -> State:
        gathered = tuple(tensor.clone() for tensor in initial)
        for rank, carried in enumerate(self._everyone):
            for tensor, own in zip(gathered, carried.own, strict=True):
                tensor[rank :: self.count] = own
        return gathered


def team(cell: str, count: int) -> list[Carried]:
    everyone: list[Carried] = []
    everyone.extend(Carried(network(cell), OneOf(rank, count, everyone)) for rank in range(count))
    return everyone


def batch(columns: int, fresh: bool, rank: int = 0, count: int = 1) -> Batch:
    own = np.zeros((2, len(range(columns)[rank::count])), np.int64)
    return Batch(own, own, fresh, columns, 2 * columns)


def read(state: State, step: int, rank: int = 0, count: int = 1) -> State:
    """A state that tells what came before, the step and the column."""
    return tuple(
        2 * tensor + (10 * step + rank + count * torch.arange(len(tensor))).view(-1, *[1] * (tensor.ndim - 1)) + 1
        for tensor in state
    )


def drawing(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def equal(one: State, other: State) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


steps = st.lists(st.tuples(st.booleans(), st.sampled_from([True, True, False])), min_size=1, max_size=8)


@given(
    cell=st.sampled_from(CELLS),
    count=st.integers(2, 4),
    columns=st.integers(1, 7),
    forget=st.sampled_from([0.0, 0.4, 1.0]),
    events=steps,
)
def test_the_shares_of_several_workers_are_the_state_of_one(
    cell: str, count: int, columns: int, forget: float, events: list[tuple[bool, bool]]
) -> None:
    """Also of a worker without a column, and where a step was not applied."""
    (one,), others = team(cell, 1), team(cell, count)
    for step, (fresh, finite) in enumerate(events):
        fresh = fresh or step == 0
        state = one.begin(batch(columns, fresh), forget, drawing(step))
        one.end(read(state, step), torch.tensor(finite))
        for rank, worker in enumerate(others):
            own = worker.begin(batch(columns, fresh, rank, count), forget, drawing(step))
            assert equal(own, tuple(tensor[rank::count] for tensor in state))
            worker.end(read(own, step, rank, count), torch.tensor(finite))
    for worker in [one, *others]:
        worker.gather()
        assert equal(worker.tensors, one.own)


@given(
    cell=st.sampled_from(CELLS),
    before=st.integers(1, 4),
    after=st.integers(1, 4),
    columns=st.integers(1, 7),
)
def test_what_some_workers_gathered_any_other_number_goes_on_with(
    cell: str, before: int, after: int, columns: int
) -> None:
    first, second = team(cell, before), team(cell, after)
    for rank, worker in enumerate(first):
        own = worker.begin(batch(columns, True, rank, before), 0.0, drawing(0))
        worker.end(read(own, 1, rank, before), torch.tensor(True))
    for worker in first:
        worker.gather()
    saved = first[0].tensors
    kept = tuple(tensor.clone() for tensor in saved)
    for rank, worker in enumerate(second):
        worker.load(saved)
        assert equal(worker.begin(batch(columns, False, rank, after), 0.0, drawing(0)), share(kept, rank, after))
    for worker in second:
        worker.gather()
        assert equal(worker.tensors, kept)
    for worker in second:
        for tensor in worker.own:
            tensor.add_(1)  # the place belongs to this worker alone
    assert equal(saved, kept)


def share(state: State, rank: int, count: int) -> State:
    return tuple(tensor[rank::count] for tensor in state)


@given(cell=st.sampled_from(CELLS), columns=st.integers(1, 9), forget=st.floats(0.01, 1.0), seed=st.integers(0, 999))
def test_a_text_is_forgotten_whole_where_its_draw_says_so(cell: str, columns: int, forget: float, seed: int) -> None:
    carried = Carried(network(cell), Workers())
    state = read(carried.begin(batch(columns, True), forget, drawing(seed)), 1)
    carried.end(state, torch.tensor(True))
    got = carried.begin(batch(columns, False), forget, drawing(seed))
    draws = torch.rand(columns, generator=drawing(seed)).tolist()
    for tensor, then, first in zip(got, state, network(cell).initial_state(columns), strict=True):
        for column, draw in enumerate(draws):
            assert torch.equal(tensor[column], first[column] if draw < forget else then[column])


@pytest.mark.parametrize("cell", CELLS)
def test_texts_that_begin_know_nothing_and_draw_nothing(cell: str) -> None:
    carried, draws = Carried(network(cell), Workers()), drawing(3)
    untouched = draws.get_state()
    for columns in (4, 2, 6):
        state = carried.begin(batch(columns, True), 0.5, draws)
        assert equal(state, network(cell).initial_state(columns))
        carried.end(read(state, 1), torch.tensor(True))
    kept = tuple(tensor.clone() for tensor in carried.own)
    assert equal(carried.begin(batch(6, False), 0.0, draws), kept)
    assert torch.equal(draws.get_state(), untouched)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("finite", [True, False])
def test_what_is_kept_has_no_gradient_and_no_number_that_is_none(cell: str, finite: bool) -> None:
    model = network(cell)
    carried = Carried(model, Workers())
    state = carried.begin(batch(3, True), 0.0, drawing(0))
    _, after = model(torch.zeros(2, 3, dtype=torch.long), state)
    broken: tuple[Tensor, ...] = tuple(tensor if finite else tensor * float("nan") for tensor in after)
    assert all(tensor.requires_grad for tensor in broken)
    carried.end(broken, torch.tensor(finite))
    assert not any(tensor.requires_grad for tensor in carried.own)
    assert equal(carried.own, tuple(t.detach() for t in after) if finite else model.initial_state(3))


def test_before_the_first_batch_there_is_nothing_to_gather_or_to_save() -> None:
    for count in (1, 2):
        for carried in team("lstm", count):
            carried.gather()
            assert carried.tensors == ()
            carried.load(())
            assert carried.own == () and carried.tensors == ()
