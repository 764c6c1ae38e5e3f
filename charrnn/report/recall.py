"""How far back a model recalls: its accuracy where what comes is decided, by the distance of what decides it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from charrnn.device import to_device
from charrnn.errors import CharrnnError, NoNumbers
from charrnn.evaluation.likelihood import MAX_STREAMS, reading_order
from charrnn.run import Run
from charrnn.text.batches import once
from charrnn.text.dataset import Array, Part
from charrnn.text.synthetic import END, Synthetic, synthetic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCUMENTS = 1000
"""The most held-out documents that are read."""
WINDOW = 256
"""The characters of each that are read at once."""
REFUTED = (
    "It would be refuted by an n-gram or an MLP that is better than chance beyond its window: every document is drawn "
    "so that nothing but what stands at that distance decides."
)


@dataclass(frozen=True)
class Recall:
    """The accuracy of a run at each distance."""

    run: str
    architecture: str
    distances: tuple[int, ...]
    """Powers of two: each stands for the distances from itself to below the next."""
    accuracy: tuple[float, ...]
    """The share of decided characters that the model holds the likeliest of those that might come there."""
    places: tuple[int, ...]
    """The number of places at each distance."""
    chance: float
    """The accuracy of a guess."""

    @property
    def group(self) -> str:
        """The name of the run without its seed, which the runs of a sweep have in their names."""
        return re.sub(r",seed=[0-9]+(?=(-[0-9]+)?$)", "", Path(self.run).name)


def recall(run: Run, documents: int = DOCUMENTS, progress: Callable[[int], None] = lambda _: None) -> Recall:
    """The accuracy of a run on held-out documents of its corpus, which a program has drawn.

    `progress` is given numbers of documents. Raises CharrnnError where the corpus is no such one, for a bidirectional
    model, and where nothing is held out.
    """
    name = run.config.corpus.name
    made = None if name is None else synthetic(name)
    if made is None or not run.is_documents:
        raise CharrnnError(
            f"{run.path}: was not trained on documents of a synthetic corpus (recall-16, brackets-2-4, adding, count), "
            "and only there is it known what decides a character"
        )
    if not run.model.causal:
        raise CharrnnError(f"{run.path}: a bidirectional model sees what comes after; it must read from left to right")
    whole = run.dataset().part("val", run.config.corpus)
    if whole.documents is None or not len(whole.documents):
        raise CharrnnError(f"{run.path}: nothing is held out (corpus.split)")
    part = Part(whole.ids, whole.documents[:documents])
    judged: list[tuple[int, bool, float]] = []
    spans = reading_order(part)
    for i in range(0, len(spans), MAX_STREAMS):
        judged += _judged(run, made, part, spans[i : i + MAX_STREAMS])
        progress(len(spans[i : i + MAX_STREAMS]))
    distances, right, chances = (np.array(column) for column in zip(*judged, strict=True))
    edges = 2 ** np.floor(np.log2(distances)).astype(np.int64)
    found = np.unique(edges)
    return Recall(
        run=str(run.path),
        architecture=run.config.model.describe(),
        distances=tuple(found.tolist()),
        accuracy=tuple(float(right[edges == edge].mean()) for edge in found),
        places=tuple(int((edges == edge).sum()) for edge in found),
        chance=float(chances.mean()),
    )


@torch.no_grad()
def _judged(run: Run, made: Synthetic, part: Part, spans: Array) -> list[tuple[int, bool, float]]:
    """For each decided place of some documents: its distance, whether the model is right, and the chance of a guess."""
    model, vocabulary, ids = run.model.writer, run.vocabulary, np.asarray(part.ids)
    texts = [vocabulary.decode(ids[begin:end].tolist()) for begin, end in spans]
    places = [(column, text, one) for column, text in enumerate(texts) for one in made.decided(text)]
    read, state = [], model.initial_state(len(spans))
    for batch in once(part, spans, len(spans), (WINDOW, WINDOW), model.boundary):
        features, state = model.features(to_device(batch.inputs, model.device), state)
        read.append(features)
    rows, columns = [one.place for _, _, one in places], [column for column, _, _ in places]
    logits = model.readout(torch.cat(read)[rows, columns]).cpu()
    found = []
    for (_, text, one), row in zip(places, logits, strict=True):
        came = text[one.place] if one.place < len(text) else END
        values = [float(row[vocabulary.encode(c)[0] if c else model.boundary]) for c in one.candidates]
        if any(map(math.isnan, values)):
            raise NoNumbers
        likeliest = one.candidates[max(range(len(values)), key=values.__getitem__)]
        found.append((one.distance, likeliest == came, 1 / len(values)))
    return found


def drawn(found: Sequence[Recall]) -> Figure:
    """Accuracy against distance: a line for each group of seeds, their mean, and a point for each of them."""
    from charrnn.experiments.picture import colours, figure, plain

    groups: dict[str, list[Recall]] = {}
    for one in found:
        groups.setdefault(one.group, []).append(one)
    picture = figure(9, 5, "out")
    axis = picture.subplots()
    for (name, seeds), colour in zip(groups.items(), colours(len(groups)), strict=True):
        accuracy = np.array([one.accuracy for one in seeds])
        label = plain(name) + (f" ({len(seeds)} seeds)" if len(seeds) > 1 else "")
        axis.plot(seeds[0].distances, 100 * accuracy.mean(axis=0), color=colour, label=label)
        for one in seeds:
            axis.plot(one.distances, 100 * np.array(one.accuracy), linestyle="", marker=".", color=colour, alpha=0.6)
    first = found[0]
    axis.axhline(100 * first.chance, linestyle="--", color="grey", linewidth=1, label="chance")
    axis.set_xscale("log", base=2)
    axis.set_xticks(first.distances, [*map(str, first.distances)])
    axis.set(xlabel="distance, characters", ylabel="right, %", ylim=(-2, 102))
    axis.grid(alpha=0.3)
    axis.legend()
    return picture
