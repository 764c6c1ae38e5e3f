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
from charrnn.report.gates import Gate, saturation
from charrnn.report.marks import Bools
from charrnn.report.passages import Passage, of, passages
from charrnn.report.texts import Text, texts_of
from charrnn.report.units import Batch, Unit, bits, network_of, overwritten, read, units_of
from charrnn.run import Run
from charrnn.text.dataset import Array, Part

CHARACTERS = 20_000
"""The characters that are looked at: half to choose a unit by, half to measure it on."""
MOST_VALUES = 2**25
"""The most values of units that are held: 128 MB. A large state is looked at on fewer characters."""
SHUFFLES = 200
"""How often labels are shifted."""
LEAST = 0.75
"""The AUC from which on a unit may be said to follow something."""
MARGIN = 0.02
"""By how much it must be above the AUC of each control."""
RARE = 30
"""The fewest characters of each half where a feature must hold, and where it must not."""
LEARNT = 50_000
"""The most characters that the predictor of the last eight learns from: of the text but for the half on which all is
measured, and of what the run was trained on."""
FEWEST = 2_000
"""The fewest characters of a text."""
CHANGE = 0.01
"""Bits per character: the smallest change that confirms that a unit matters."""


@dataclass(frozen=True)
class Clamped:
    """What overwriting a unit changes, in bits per character; above 0, it predicts worse."""

    concerned: float
    """At the characters that the feature concerns."""
    elsewhere: float
    """At all others."""


@dataclass(frozen=True)
class Follower:
    """The unit that follows a feature best, and the controls."""

    feature: Feature
    unit: Unit
    place: int
    """Its place among all units."""
    high: bool
    """Whether its values are high where the feature holds; low ones otherwise."""
    auc: float
    untrained: float
    """The AUC of the best unit of the same network before its training."""
    shifted: float
    """The AUC of the best unit for the best of all shifted labels."""
    last_eight: float
    """The AUC of a predictor that sees the last eight characters only."""
    others: int = 0
    """The number of other units that are beyond the controls."""
    mean: Clamped | None = None
    """What it changes to hold the unit at its mean."""
    opposite: Clamped | None = None
    """What it changes to hold the unit where it would be if the feature held where it does not, and the reverse."""

    @property
    def best_control(self) -> float:
        """The highest AUC of a control."""
        return max(self.untrained, self.shifted, self.last_eight)

    @property
    def is_found(self) -> bool:
        """Whether it is beyond all controls."""
        return self.auc >= LEAST and self.auc >= self.best_control + MARGIN

    @property
    def is_confirmed(self) -> bool:
        """Whether the prediction of what the feature concerns depends on it, and more than that of other characters."""
        one = self.opposite
        return one is not None and one.concerned >= max(CHANGE, 2 * one.elsewhere)

    @property
    def verdict(self) -> str:
        """What overwriting it says, in words."""
        if self.is_confirmed:
            return "yes"
        is_used = self.opposite is not None and max(self.opposite.concerned, self.opposite.elsewhere) >= CHANGE
        return "no: as much depends on it elsewhere" if is_used else "no: nothing depends on it"

    @property
    def why_not(self) -> str:
        """Why it is not reported, in words."""
        if self.auc < LEAST:
            return f"no unit reaches {LEAST:g}"
        failed = [
            name
            for name, value in (
                ("the untrained network", self.untrained),
                ("shifted labels", self.shifted),
                ("the last eight characters", self.last_eight),
            )
            if self.auc < value + MARGIN
        ]
        return f"not beyond {', '.join(failed)}"


@dataclass(frozen=True)
class Neurons:
    """What was found in a run."""

    run: str
    architecture: str
    units: int
    characters: int
    """The number of characters that were looked at."""
    shuffles: int
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
) -> Neurons:
    """The units that follow quotes, brackets, lines, verse, indentation or speakers in a text.

    The text is the held-out part of the run's corpus, or a file. Raises CharrnnError for a model without a state, and
    for a text of too few characters.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a step is so small that a second thread only waits for the first
    try:
        return _neurons(run, text, encoding, characters, shuffles, progress)
    finally:
        torch.set_num_threads(threads)


def _neurons(
    run: Run, text: Path | None, encoding: str | None, characters: int, shuffles: int, progress: Callable[[int], None]
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
    learn, test = (Batch(half, run.vocabulary.boundary, run.device) for half in halves)
    values = [read(network, batch, progress) for batch in (learn, test)]
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
    if there:
        labels = [own[:, enough] for own in labels]
        eight = _last_eight(all_texts, halves[1], there, labels[1])
        ways = controls.shuffles([one.stop - one.start for one in halves[1]], shuffles)
        own = [controls.auc(*pair) for pair in zip(ranked, map(_tensor, labels, [run] * 2), strict=True)]
        before = controls.either(controls.auc(untrained, _tensor(labels[1], run))).max(0).values
        for i, feature in enumerate(there):
            place = int(controls.either(own[0][:, i]).argmax())
            high = bool(own[0][place, i] >= 0.5)
            shifted = controls.auc(ranked[1], torch.from_numpy(labels[1][:, i][ways]).to(run.device))
            one = Follower(
                feature,
                *(units[place], place, high),
                auc=float(own[1][place, i] if high else 1 - own[1][place, i]),
                untrained=float(before[i]),
                shifted=float(controls.either(shifted).max()),
                last_eight=float(eight[i]),
            )
            bar = max(LEAST, one.best_control + MARGIN)
            beyond = torch.minimum(*(torch.where(own[0][:, i] >= 0.5, a[:, i], 1 - a[:, i]) for a in own)) >= bar
            followers.append(replace(one, others=max(0, int(beyond.sum()) - 1)) if one.is_found else one)
        followers = _clamped(network, halves, (learn, test), values[0], labels, there, followers, progress)
    followers.sort(key=lambda one: (not one.is_found, -one.auc))
    return Neurons(
        run.path.name,
        run.config.model.describe(),
        len(units),
        len(learn) + len(test),
        shuffles,
        followers,
        rare,
        saturation(network, test),
        measured,
        halves[1],
        values[1][:, [one.place for one in followers]].cpu().numpy(),
    )


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


def _clamped(
    network: RecurrentModel,
    halves: tuple[Sequence[Passage], Sequence[Passage]],
    batches: tuple[Batch, Batch],
    values: Tensor,
    labels: Sequence[Bools],
    there: Sequence[Feature],
    followers: Sequence[Follower],
    progress: Callable[[int], None],
) -> list[Follower]:
    """The followers that are found, with what it changes to overwrite them."""
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
