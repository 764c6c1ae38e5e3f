"""What a network predicts worse when the units that follow something are overwritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

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
    halves: tuple[Sequence[Passage], Sequence[Passage]],
    batches: tuple[Batch, Batch],
    values: Tensor,
    labels: Sequence[Bools],
    there: Sequence[Feature],
    followers: Sequence[Follower],
    progress: Callable[[int], None],
) -> list[Follower]:
    """The followers, and with those that are found what it changes to overwrite them.

    `halves`, `batches` and `labels` `[N, F]` are what a unit is chosen by, and what all is measured on. `values`
    `[N, U]` are those of all units on the first: from them come the means that overwrite.
    """
    if not any(one.is_found for one in followers):
        return list(followers)
    test = batches[1]
    plain = bits(network, test, progress).cpu().numpy()
    done = []
    for i, (one, feature) in enumerate(zip(followers, there, strict=True)):
        if one.is_found:
            own = values[:, one.place]
            holds = torch.from_numpy(labels[0][:, i].copy()).to(own.device)
            means = torch.stack([own[holds].mean(), own[~holds].mean()])
            concerned = of(halves[1], feature.concerned)
            truth = _by_step(test, halves[1], feature)
            ways = own.mean().expand(truth.shape), means[truth.long()]
            changes = []
            for way in ways:
                with overwritten(network, one.unit, way):
                    change = bits(network, test, progress).cpu().numpy() - plain
                changes.append(Clamped(_mean(change[concerned]), _mean(change[~concerned])))
            one = replace(one, mean=changes[0], opposite=changes[1])
        done.append(one)
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
