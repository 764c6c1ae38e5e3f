"""The average is the mean that its equation says, and showing it leaves no trace in the training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.models import LanguageModel, build_model
from charrnn.training.averaging import Average
from charrnn.training.schedule import Progress, progress_of

STEPS = 100


def network(tied: bool = False) -> LanguageModel:
    return build_model(ModelConfig(hidden_size=4, embedding_size=3, tie_embedding=tied), 5, seed=1)


class Walk:
    """A training whose steps put the weights anywhere."""

    def __init__(self, seed: int, model: LanguageModel, **keys: Any) -> None:
        self.model = model
        self.config = TrainingConfig.model_validate({"steps": STEPS, **keys})
        self.average = Average(self.model, self.config)
        self.visited: list[npt.NDArray[np.float64]] = []
        self._draw = torch.Generator().manual_seed(seed)

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            with torch.no_grad():
                for weight in self.model.parameters():
                    weight.copy_(torch.randn(weight.shape, generator=self._draw))
            self.visited.append(vector(self.model))
            self.average.update(progress_of(self.config, len(self.visited), 0.0, 0.0))

    def shown(self) -> npt.NDArray[np.float64]:
        with self.average.shown():
            return vector(self.model)


def vector(model: LanguageModel) -> npt.NDArray[np.float64]:
    return np.concatenate([weight.detach().double().numpy().ravel() for weight in model.parameters()])


def clones(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


def mean_of(visited: list[npt.NDArray[np.float64]], decay: float) -> npt.NDArray[np.float64]:
    """Without a recursion: the plain mean of the first 1 / (1 - d) weights, and then an exponential one."""
    n, weights = len(visited), np.stack(visited)
    first = n if decay == 1 else min(n, int(np.floor(1 / (1 - decay))))
    later = np.arange(first, n)
    exponential = ((1 - decay) * decay ** (n - 1 - later)) @ weights[first:]
    return decay ** (n - first) * weights[:first].mean(axis=0) + exponential


@settings(max_examples=30)
@given(
    after=st.integers(1, 12),
    steps=st.integers(1, 25),
    decay=st.just(1.0) | st.floats(0.01, 0.999),
    tied=st.booleans(),
    seed=st.integers(0, 999),
)
def test_it_is_the_mean_of_the_weights_since_it_began(
    after: int, steps: int, decay: float, tied: bool, seed: int
) -> None:
    walk = Walk(seed, network(tied), average_after=f"{after} steps", average_decay=decay)
    walk.step(steps)
    counted = walk.visited[after - 1 :]
    expected = mean_of(counted, decay) if counted else walk.visited[-1]
    np.testing.assert_allclose(walk.shown(), expected, atol=1e-5)
    assert walk.average.standing().count == len(counted)


@settings(max_examples=30)
@given(unit=st.sampled_from(["steps", "minutes", "epochs"]), after=st.integers(1, 9), moments=st.integers(0, 20))
def test_it_begins_when_the_interval_has_passed(unit: str, after: int, moments: int) -> None:
    walk = Walk(0, network(), average_after=f"{after} {unit}")
    nothing = Progress(0, 0.0, 0.0, 0.0)
    for moment in range(1, moments + 1):
        walk.average.update(replace(nothing, **{unit: moment}))
    assert walk.average.standing().count == max(0, moments - after + 1)


@settings(max_examples=30)
@given(before=st.integers(1, 6), after=st.integers(1, 6), fails=st.booleans())
def test_showing_it_puts_every_weight_back_exactly_where_it_was(before: int, after: int, fails: bool) -> None:
    """Also where something fails inside; and a training that was looked at goes on as one that was not."""
    looked, alone = (Walk(7, network(), average_after="2 steps", average_decay=0.7) for _ in range(2))
    looked.step(before)
    places = [weight.data_ptr() for weight in looked.model.parameters()]
    weights, mean = clones(looked.model.state_dict()), looked.shown()
    try:
        with looked.average.shown():
            np.testing.assert_array_equal(vector(looked.model), mean)
            assert [weight.data_ptr() for weight in looked.model.parameters()] == places
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    assert all(torch.equal(value, weights[name]) for name, value in looked.model.state_dict().items())
    assert [weight.data_ptr() for weight in looked.model.parameters()] == places
    looked.step(after)
    alone.step(before + after)
    np.testing.assert_array_equal(looked.shown(), alone.shown())


@pytest.mark.parametrize(
    "keys", [{}, {"average_after": "10 steps"}, {"average_after": "11 %"}, {"average_after": "1 epoch"}]
)
def test_before_it_begins_the_weights_of_the_last_step_are_shown(keys: dict[str, Any]) -> None:
    walk = Walk(3, network(), **keys)
    walk.step(9)
    np.testing.assert_array_equal(walk.shown(), walk.visited[-1])
    assert walk.average.tensors() == {}
    assert (walk.average.standing().count, walk.average.standing().shown) == (0, False)


def test_it_holds_what_the_model_does_not() -> None:
    """The mean beside the trained weights, and where the mean is shown the trained weights: together always both."""
    walk = Walk(5, network(), average_after="1 steps")
    walk.step(4)
    mean, trained = clones(walk.average.tensors()), clones(dict(walk.model.named_parameters()))
    assert mean.keys() == trained.keys()
    with walk.average.shown():
        shown = dict(walk.model.named_parameters())
        assert walk.average.standing().shown
        for name, value in walk.average.tensors().items():
            assert torch.equal(value, trained[name]) and torch.equal(shown[name], mean[name])


@settings(max_examples=30)
@given(before=st.integers(0, 8), after=st.integers(1, 8), shown=st.booleans(), decay=st.sampled_from([1.0, 0.6]))
def test_loaded_it_goes_on_as_if_it_had_not_stopped(before: int, after: int, shown: bool, decay: float) -> None:
    keys = {"average_after": "3 steps", "average_decay": decay}
    whole, second = Walk(11, network(), **keys), Walk(0, network(), **keys)
    whole.step(before)
    if shown:
        with whole.average.shown():
            saved = clones(whole.model.state_dict()), clones(whole.average.tensors()), whole.average.standing()
    else:
        saved = clones(whole.model.state_dict()), clones(whole.average.tensors()), whole.average.standing()
    second.model.load_state_dict(saved[0])
    second.average.load(saved[1], saved[2])
    np.testing.assert_array_equal(vector(second.model), vector(whole.model))
    np.testing.assert_array_equal(second.shown(), whole.shown())
    for _ in range(after):
        whole.step()
        second.model.load_state_dict(whole.model.state_dict())
        second.average.update(progress_of(second.config, len(whole.visited), 0.0, 0.0))
    np.testing.assert_array_equal(second.shown(), whole.shown())
    assert second.average.standing() == whole.average.standing()


@pytest.mark.parametrize("shown", [False, True])
def test_switched_off_it_gives_the_trained_weights_back_and_forgets_the_mean(shown: bool) -> None:
    first, second = Walk(2, network(), average_after="1 steps"), Walk(0, network())
    first.step(5)
    first.average._show(shown)
    second.model.load_state_dict(first.model.state_dict())
    second.average.load(clones(first.average.tensors()), first.average.standing())
    np.testing.assert_array_equal(vector(second.model), first.visited[-1])
    np.testing.assert_array_equal(second.shown(), first.visited[-1])
    assert second.average.tensors() == {}
    assert second.average.standing().count == 0
