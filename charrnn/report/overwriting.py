"""What a network predicts worse when the units that follow something are overwritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from charrnn.models.recurrent import RecurrentModel
from charrnn.report.features import Feature
from charrnn.report.followers import Clamped, Follower
from charrnn.report.marks import Bools
from charrnn.report.passages import Passage, of
from charrnn.report.units import Batch, bits, overwritten
from charrnn.text.dataset import Array


def clamped(
    network: RecurrentModel,
    half: Sequence[Passage],
    test: Batch,
    values: Tensor,
    labels: Bools,
    there: Sequence[Feature],
    followers: Sequence[Follower],
    progress: Callable[[int], None],
) -> list[Follower]:
    """The followers, and with those that are found what it changes to overwrite them.

    `half` and its batch `test` are what all is measured on. `values` `[N, U]` and `labels` `[N, F]` are those of all
    units and features where a unit is chosen: from them come the means that overwrite.
    """
    found = [i for i, one in enumerate(followers) if one.is_found]
    if not found:
        return list(followers)
    done = list(followers)
    with ExitStack() as stack:  # all at once: the text as it is, and once more for each way of each unit
        for copy, i in enumerate(found):
            own = values[:, followers[i].place]
            holds = torch.from_numpy(labels[:, i].copy()).to(own.device)
            means = torch.stack([own[holds].mean(), own[~holds].mean()])
            truth = _by_step(test, half, there[i])
            for k, way in enumerate((own.mean().expand(truth.shape), means[truth.long()]), 1 + 2 * copy):
                stack.enter_context(overwritten(network, followers[i].unit, way, k))
        plain, *ways = bits(network, test, progress, 1 + 2 * len(found)).cpu().numpy()
    changes = iter([way - plain for way in ways])
    for i in found:
        concerned = of(half, there[i].concerned)
        mean, opposite = (Clamped(_mean(one[concerned]), _mean(one[~concerned])) for one in islice(changes, 2))
        done[i] = replace(followers[i], mean=mean, opposite=opposite)
    return done


def _by_step(batch: Batch, half: Sequence[Passage], feature: Feature) -> Tensor:
    """Whether the feature holds after each step of each column, also in a run-up, `[T, B]`."""
    truth = np.zeros(batch.ids.shape, np.bool_)
    for column, one in enumerate(half):
        labels = feature.labels[one.text][one.begin : one.stop]
        truth[1 + one.read, column] = labels
    return torch.from_numpy(truth).to(batch.ids.device)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else 0.0
