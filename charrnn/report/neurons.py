"""Units of a network's state that follow something in the text: found, held against controls, and overwritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.evaluation.likelihood import some_characters
from charrnn.models import build_model
from charrnn.models.recurrent import RecurrentModel
from charrnn.report import controls
from charrnn.report.features import Feature, features
from charrnn.report.followers import CHARACTERS, LEAST, Follower, margin_for
from charrnn.report.gates import Gate, saturation
from charrnn.report.marks import Bools
from charrnn.report.overwriting import clamped
from charrnn.report.passages import Passage, of, passages
from charrnn.report.texts import Text, texts_of
from charrnn.report.units import Batch, Unit, network_of, read, units_of
from charrnn.run import Run
from charrnn.text.dataset import Array, Part

MOST_VALUES = 2**25
"""The most values of units that are held: 128 MB. A large state is looked at on fewer characters."""
SHUFFLES = 200
"""How often labels are shifted."""
RARE = 30
"""The fewest characters of each half where a feature must hold, and where it must not."""
LEARNT = 50_000
"""The most characters that the predictor of the last eight learns from: of the text but for the half on which all is
measured, and of what the run was trained on."""
FEWEST = 2_000
"""The fewest characters of a text."""


@dataclass(frozen=True)
class Neurons:
    """What was found in a run."""

    run: str
    architecture: str
    units: int
    characters: int
    """The number of characters that were looked at."""
    shuffles: int
    margin: float
    """By how much a unit must be above each control."""
    followers: list[Follower]
    """The best unit of each feature, those that are found first."""
    rare: list[str]
    """Features that hold too seldom, or nearly everywhere."""
    gates: list[Gate]
    texts: list[Text]
    passages: list[Passage]
    """The passages on which all was measured."""
    values: Array
    """The values of the followers' units there, `[N, F]`, in the order of `followers`."""

    @property
    def found(self) -> list[Follower]:
        """The units that are beyond all controls."""
        return [one for one in self.followers if one.is_found]


def neurons(
    run: Run,
    text: Path | None = None,
    encoding: str | None = None,
    characters: int = CHARACTERS,
    shuffles: int = SHUFFLES,
    progress: Callable[[int], None] = lambda _: None,
    gates: bool = True,
) -> Neurons:
    """The units that follow quotes, brackets, lines, verse, indentation or speakers in a text.

    The text is the held-out part of the run's corpus, or a file. `gates` says whether these are looked at too. Raises
    CharrnnError for a model without a state, and for a text of too few characters.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a step is so small that a second thread only waits for the first
    try:
        return _neurons(run, text, encoding, characters, shuffles, progress, gates)
    finally:
        torch.set_num_threads(threads)


def _neurons(
    run: Run,
    text: Path | None,
    encoding: str | None,
    characters: int,
    shuffles: int,
    progress: Callable[[int], None],
    gates: bool,
) -> Neurons:
    network = network_of(run)
    if characters < FEWEST:
        raise CharrnnError(f"‹characters={characters}›: a number of characters from {FEWEST:,} was expected")
    if shuffles < 20:
        raise CharrnnError(f"‹shuffles={shuffles}›: a number of shuffles from 20 was expected")
    units = units_of(network)
    measured = _some(texts_of(_part(run, text, encoding), run.vocabulary), 20 * characters)
    learnt = [] if text is not None else _learnt(run)
    all_texts = [*measured, *learnt]
    chosen = passages(measured, max(FEWEST, min(characters, MOST_VALUES // len(units))))
    halves = chosen[::2], chosen[1::2]
    both = [*halves[0], *halves[1]]  # side by side in one reading
    whole, test = (Batch(some, run.vocabulary.boundary, run.device) for some in (both, halves[1]))
    values = list(torch.split(read(network, whole, progress), [len(whole) - len(test), len(test)]))
    if not all(one.isfinite().all() for one in values):
        raise NoNumbers
    fresh = _untrained(run)
    untrained = controls.ranks(read(fresh, test, progress))
    ranked = [controls.ranks(one) for one in values]

    known = features([one.points for one in all_texts])
    labels = [np.stack([of(half, one.labels) for one in known], axis=1) for half in halves] if known else []
    enough = [all(RARE <= own[:, i].sum() <= len(own) - RARE for own in labels) for i in range(len(known))]
    rare = [one.name for one, is_enough in zip(known, enough, strict=True) if not is_enough]
    there = [one for one, is_enough in zip(known, enough, strict=True) if is_enough]
    followers = []
    margin = margin_for(len(whole))
    if there:
        labels = [own[:, enough] for own in labels]
        eight = _last_eight(all_texts, halves[1], there, labels[1])
        ways = controls.shuffles([one.stop - one.start for one in halves[1]], shuffles)
        own = [controls.auc(*pair) for pair in zip(ranked, map(_tensor, labels, [run] * 2), strict=True)]
        before = controls.auc(untrained, _tensor(labels[1], run))
        for i, feature in enumerate(there):
            shifted = controls.auc(ranked[1], torch.from_numpy(labels[1][:, i][ways]).to(run.device))
            aucs = [half[:, i] for half in own]
            followers.append(_follower(feature, units, margin, aucs, before[:, i], shifted, float(eight[i])))
        followers = clamped(network, halves[1], test, values[0], labels[0], there, followers, progress)
    followers.sort(key=lambda one: (not one.is_found, -one.auc))
    return Neurons(
        run.path.name,
        run.config.model.describe(),
        len(units),
        len(whole),
        shuffles,
        margin,
        followers,
        rare,
        saturation(network, test) if gates else [],
        measured,
        halves[1],
        values[1][:, [one.place for one in followers]].cpu().numpy(),
    )


def _follower(
    feature: Feature,
    units: Sequence[Unit],
    margin: float,
    own: Sequence[Tensor],
    untrained: Tensor,
    shifted: Tensor,
    last_eight: float,
) -> Follower:
    """The unit that one half chooses, as the other half measures it. `own` has the AUC of each unit on both, `[U]`."""
    place = int(controls.either(own[0]).argmax())
    high = bool(own[0][place] >= 0.5)
    one = Follower(
        feature,
        *(units[place], place, high),
        auc=float(own[1][place] if high else 1 - own[1][place]),
        untrained=float(controls.either(untrained).max()),
        shifted=float(controls.either(shifted).max()),
        last_eight=last_eight,
        margin=margin,
    )
    if not one.is_found:
        return one
    least = max(LEAST, one.best_control + margin)
    beyond = [torch.where(own[0] >= 0.5, half, 1 - half) >= least for half in own]
    beyond[0][place] = False
    return replace(one, others=int((beyond[0] & beyond[1]).sum()))


def _part(run: Run, text: Path | None, encoding: str | None) -> Part:
    """What is read. Raises CharrnnError where it is too short."""
    if text is None:
        part, what = run.dataset().part("val", run.config.corpus), f"{run.path}: the validation part of the corpus"
    else:
        part, what = run.given(text, encoding).part, str(text)
    if part.characters < FEWEST:
        raise CharrnnError(
            f"{what} has {part.characters:,} characters, too few to tell what a unit follows; give a text of at least "
            f"{FEWEST:,}: ‹text=FILE›"
        )
    return part


def _learnt(run: Run) -> list[Text]:
    """Some of what the run was trained on, from which the predictor of the last eight characters learns too."""
    part = some_characters(run.dataset().part("train", run.config.corpus), LEARNT, stream=10_000)
    return texts_of(part, run.vocabulary)


def _some(texts: Sequence[Text], limit: int) -> list[Text]:
    """The first texts, of about `limit` characters in all."""
    edges = np.cumsum([len(text) for text in texts])
    kept = list(texts[: int(np.searchsorted(edges, limit)) + 1])
    over = sum(map(len, kept)) - limit
    if over > 0 and len(kept[-1]) > over:
        last = kept[-1]
        stop = len(last) - over
        kept[-1] = Text(last.points[:stop], last.ids[: int(last.last[stop - 1]) + 1], last.last[:stop])
    return kept


def _untrained(run: Run) -> RecurrentModel:
    """The same network as its training began with it."""
    alone = run.config.model.model_copy(update={"ngram": None})
    network = build_model(alone, len(run.vocabulary), run.config.training.seed)
    assert isinstance(network, RecurrentModel)
    return network.to(run.device).eval()


def _tensor(labels: Bools, run: Run) -> Tensor:
    """Labels `[N, F]` as `controls.auc` takes them."""
    return torch.from_numpy(labels.T.copy()).to(run.device)


def _last_eight(texts: Sequence[Text], test: Sequence[Passage], there: Sequence[Feature], labels: Bools) -> Array:
    """The AUC of the predictor for each feature. It learns from the `texts` but for the passages of the `test`."""
    points = np.concatenate([one.points for one in texts])
    seen, counts = np.unique(points, return_counts=True)
    kinds = np.sort(seen[np.argsort(-counts, kind="stable")[: controls.KINDS]])
    tables = [controls.windows(one.points, kinds) for one in texts]
    free = [np.ones(len(one), np.bool_) for one in texts]
    for one in test:
        free[one.text][one.start : one.stop] = False

    def freed(values: Sequence[Array]) -> Array:
        return np.concatenate([own[is_free] for own, is_free in zip(values, free, strict=True)])

    learn, truth = freed(tables), np.stack([freed(one.labels) for one in there], axis=1)
    some = np.linspace(0, len(learn) - 1, min(LEARNT, len(learn))).astype(np.int64)
    return controls.last_eight(learn[some], truth[some], of(test, tables), labels, len(kinds))
