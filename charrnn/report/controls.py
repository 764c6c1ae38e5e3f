"""Controls: how well must a unit follow something before that says anything?

Among hundreds of units and a dozen features, some unit always goes along with something. Three controls tell chance and
the trivial from what was learnt: the same network untrained, shifted labels, and a predictor that sees the last eight
characters only. All are measured by the AUC: the probability that a place where the feature holds has a higher value
than one where it does not. 0.5 is chance, 1 is never wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.report.marks import Bools
from charrnn.text.dataset import Array

LAST = 8
"""The number of characters that the predictor sees."""
KINDS = 500
"""The number of characters that it tells apart, the commonest ones."""
WIDTH, EPOCHS, SIZE, RATE = 64, 8, 1024, 0.02
"""Its hidden units; how often it reads its text; how many places a step has; its learning rate."""


def ranks(values: Tensor) -> Tensor:
    """The ranks of values `[N, U]` among those of each unit, less their mean, `[U, N]`. Equal values share one."""
    columns = values.t().contiguous()
    order = torch.from_numpy(columns.cpu().numpy().argsort(axis=1)).to(values.device)  # NumPy sorts faster
    ordered = columns.gather(1, order)
    count = columns.shape[1]
    places = torch.arange(count, device=values.device).expand_as(columns)
    new = torch.ones_like(columns, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    last = torch.ones_like(new)
    last[:, :-1] = new[:, 1:]
    first = torch.where(new, places, 0).cummax(dim=1).values
    final = torch.where(last, places, count).flip(1).cummin(dim=1).values.flip(1)
    shared = (first + final).float() / 2 - (count - 1) / 2
    return torch.empty_like(shared).scatter_(1, order, shared)


def auc(ranked: Tensor, labels: Tensor) -> Tensor:
    """The AUC of each unit, from `ranks` `[U, N]`, for labels 0 and 1 `[L, N]`: `[U, L]`."""
    labels = labels.to(ranked)
    ones = labels.sum(1)
    pairs = ones * (labels.shape[1] - ones)
    return 0.5 + ranked @ labels.t() / pairs.clamp(min=1)


def either(values: Tensor) -> Tensor:
    """The AUC of a unit that may follow by its high or by its low values."""
    return torch.maximum(values, 1 - values)


def shuffles(lengths: Sequence[int], count: int, seed: int = 0) -> Array:
    """`count` ways to give each place the label of another, `[count, N]`, for passages of some lengths, N in all.

    Each passage's labels are shifted around within it by a random number of places, and the passages change their
    order. So labels come in the same runs as before, and neither lines of equal length nor passages that are alike all
    through keep their own.
    """
    rng = np.random.default_rng(seed)
    begins = np.cumsum([0, *lengths[:-1]])
    places = [begin + np.arange(length) for begin, length in zip(begins, lengths, strict=True)]
    return np.stack(
        [
            np.concatenate(
                [np.roll(places[i], rng.integers(lengths[i])) for i in rng.permutation(len(lengths)).tolist()]
            )
            for _ in range(count)
        ]
    )


def windows(points: Array, kinds: Array) -> Array:
    """The last eight characters up to each place of a text `[N]`, each as a row of a table, `[N, LAST]`."""
    known = np.searchsorted(kinds, points).clip(max=len(kinds) - 1)
    own = np.where(kinds[known] == points, known, len(kinds))
    padded = np.concatenate([np.full(LAST - 1, len(kinds) + 1), own])  # nothing stands before a text
    rows = np.lib.stride_tricks.sliding_window_view(padded, LAST)
    return rows + np.arange(LAST) * (len(kinds) + 2)


def last_eight(learn: Array, labels: Bools, test: Array, test_labels: Bools, kinds: int, seed: int = 0) -> Array:
    """The AUC of a predictor of F labels that sees `windows` of the last eight characters, `[F]`.

    It is a network with a hidden layer, learns from `learn` `[N, LAST]` with labels `[N, F]`, and is measured on `test`
    `[M, LAST]`, `[M, F]`. Its best epoch there counts, for each label: that favours the control.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.EmbeddingBag(LAST * (kinds + 2), WIDTH, mode="sum"), nn.Tanh(), nn.Linear(WIDTH, labels.shape[1])
        )
        nn.init.normal_(model[0].weight, std=0.3)  # type: ignore[arg-type]
        adam = _Adam(model.parameters())
        x, y = torch.from_numpy(learn), torch.from_numpy(labels).float()
        other, truth = torch.from_numpy(test), torch.from_numpy(test_labels.T.copy())
        best = torch.full((labels.shape[1],), 0.5)
        for epoch in range(EPOCHS):
            for places in torch.split(torch.randperm(len(x)), SIZE):
                F.binary_cross_entropy_with_logits(model(x[places]), y[places]).backward()  # type: ignore[no-untyped-call]
                adam.step(RATE * (1 - epoch / EPOCHS))
            with torch.no_grad():
                best = torch.maximum(best, auc(ranks(model(other)), truth).diagonal())
    return best.double().numpy()


class _Adam:
    """Adam (arXiv:1412.6980), written out: that of PyTorch imports its compiler, which takes longer than all this."""

    def __init__(self, weights: Iterable[nn.Parameter]) -> None:
        self._moments = [(weight, torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
        self._steps = 0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Changes the weights by their gradients, and forgets these."""
        self._steps += 1
        first, second = 1 - 0.9**self._steps, 1 - 0.999**self._steps
        for weight, m, v in self._moments:
            assert weight.grad is not None
            m.lerp_(weight.grad, 0.1)
            v.lerp_(weight.grad.square(), 0.001)
            weight.sub_(rate / first * m / ((v / second).sqrt() + 1e-8))
            weight.grad = None
