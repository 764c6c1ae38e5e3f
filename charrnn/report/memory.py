"""How far back a model looks: its bits per character when only the last k characters are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from charrnn.device import to_device
from charrnn.errors import CharrnnError, NoNumbers
from charrnn.evaluation.likelihood import ratio_error
from charrnn.evaluation.surprise import bits_of_texts
from charrnn.models import LanguageModel
from charrnn.run import Run
from charrnn.text.dataset import Array, Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KNOWN = tuple(2**i for i in range(9))
"""The numbers k of known characters: 1, 2, 4, ... 256."""
TOLERANCE = 0.01
"""The bits per character by which a span may miss everything that there is to know."""
TARGETS = 1024
"""The number of characters that are predicted."""
TOGETHER = 16
"""The targets of a stream that stand side by side, because reading all that stands before them is dear."""
COLUMNS, WINDOW = 512, 32
"""The numbers of targets, and of characters before them, that are read at once."""
FEWER, FEWEST = 32, 64
"""The k beyond which fewer targets are read, with every doubling of k half as many, and the fewest of them: what the
last k characters leave open is small there, and varies little. `Memory.errors` says how little."""
REFUTED = (
    "It would be refuted by a network that goes on getting better beyond the length of its memory: the n-gram must be "
    "exactly flat from order - 1 on, the MLP from its context on, as tests check."
)


@dataclass(frozen=True)
class Targets:
    """Held-out characters that are predicted, in the order of the text, and where the text of each begins."""

    ids: Array
    """All ids of the text. At a document's end stands what comes after it; the target there is the boundary."""
    spans: Array
    """Start and end `[S, 2]` of texts that hold the targets; in documents mode these are whole documents."""
    span: Array
    """The span of each target, `[N]`."""
    places: Array
    """The place of each target in the ids, `[N]`."""
    documents: bool
    """Whether a text begins with its span, and its end is predicted too."""

    @property
    def before(self) -> Array:
        """The number of characters of its text before each target, `[N]`."""
        return self.places - self.spans[self.span, 0] if self.documents else self.places

    @property
    def offsets(self) -> Array:
        """The place of each target in its span, `[N]`."""
        return self.places - self.spans[self.span, 0]

    @property
    def part(self) -> Part:
        """The spans."""
        return Part(self.ids, self.spans) if self.documents else Part(self.ids, pieces=self.spans)

    def wanted(self, boundary: int) -> Array:
        """The ids of the targets, `[N]`."""
        ids = np.asarray(self.ids)[np.minimum(self.places, len(self.ids) - 1)].astype(np.int64)
        return np.where(self.documents & (self.places == self.spans[self.span, 1]), boundary, ids)


@dataclass(frozen=True)
class Memory:
    """The bits per character of a run when only the last characters are known."""

    run: str
    architecture: str
    known: tuple[int, ...]
    """The numbers k of known characters."""
    bits: tuple[float, ...]
    """Bits per character for each k."""
    everything: float
    """Bits per character when all is known that stands before: of a stream, up to `RUN_UP` characters."""
    errors: tuple[float, ...]
    """The standard error of `bits - everything` for each k, in bits."""
    targets: int
    """The number of characters that were predicted."""

    @property
    def span(self) -> int | None:
        """The smallest k from which on nothing is more than `TOLERANCE` bits above everything; None: beyond all k."""
        far = [i for i, bits in enumerate(self.bits) if bits > self.everything + TOLERANCE]
        first = far[-1] + 1 if far else 0
        return self.known[first] if first < len(self.known) else None


def targets_of(part: Part, count: int = TARGETS, seed: int = 0, together: int = TOGETHER) -> Targets:
    """About `count` characters of a part, all if it has no more, from places that are spread evenly and at random."""
    documents = part.documents is not None
    spans = part.spans[part.spans[:, 1] > part.spans[:, 0]]
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    lengths = spans[:, 1] - spans[:, 0] + documents
    total = int(lengths.sum())
    side_by_side = 1 if documents else min(together, count, max(1, total // count))
    strata = min(total, count) // side_by_side
    draws = np.random.default_rng(seed).random(strata) if total > count else 0.0
    edges = np.linspace(0, total, strata + 1).astype(np.int64)
    firsts = edges[:-1] + (draws * np.diff(edges)).astype(np.int64)
    begins = lengths.cumsum() - lengths
    span = np.searchsorted(begins, firsts, side="right") - 1
    places = spans[span, 0] + firsts - begins[span]
    if documents:
        held, index = np.unique(span, return_inverse=True)
        return Targets(part.ids, spans[held], index, places, documents)
    after = spans[span, 1]
    if len(after) > 1:  # two places may lie closer together than they are long
        after[:-1] = np.minimum(after[:-1], np.where(span[1:] == span[:-1], places[1:], after[:-1]))
    pieces = np.stack([places, np.minimum(places + side_by_side, after)], axis=1)
    sizes = pieces[:, 1] - pieces[:, 0]
    index = np.repeat(np.arange(strata), sizes)
    return Targets(part.ids, pieces, index, np.concatenate([np.arange(a, b) for a, b in pieces]), documents)


def memory(
    run: Run, targets: Targets, known: Sequence[int] = KNOWN, progress: Callable[[int], None] = lambda _: None
) -> Memory:
    """The bits per character of a run on some targets: when the last k characters are known, and when everything is.

    Beyond k = `FEWER` not all targets are read: the bits are those of everything, and the mean of what some lose. The
    last k characters are read from a state in which nothing is known (`LanguageModel.blank_state`). What stands
    before a document is the boundary, and that is its first character: where all of them are known, everything is.
    `progress` is given numbers of targets that were predicted. Raises CharrnnError for a bidirectional model, and for
    one whose predictions are not finite.
    """
    model = run.model.writer  # what is counted of the last characters is no memory of the network
    if not model.causal:
        raise CharrnnError(
            f"{run.path}: a bidirectional model sees what comes after, and not only the last characters; take one that "
            "reads from left to right"
        )
    everything = whole(model, targets)
    progress(len(everything))
    more, errors = [], []
    for k in known:
        some = np.arange(0, len(everything), max(1, min(k // FEWER, len(everything) // FEWEST)))
        lost = np.zeros(len(some))
        here = np.flatnonzero(targets.before[some] >= k)
        for i in range(0, len(here), COLUMNS):
            own = here[i : i + COLUMNS]
            lost[own] = _with_last(model, targets, some[own], k) - everything[some[own]]
        _, groups = np.unique(targets.span[some], return_inverse=True)
        more.append(float(lost.mean()))
        errors.append(ratio_error(np.bincount(groups, lost), np.bincount(groups)) or 0.0)
        progress(len(some))
    if not np.isfinite([everything.mean(), *more]).all():
        raise NoNumbers
    return Memory(
        run=str(run.path),
        architecture=run.config.model.describe(),
        known=tuple(known),
        bits=tuple(float(everything.mean()) + one for one in more),
        everything=float(everything.mean()),
        errors=tuple(errors),
        targets=len(everything),
    )


def whole(model: LanguageModel, targets: Targets) -> Array:
    """The bits `[N]` of targets after all that stands before them, as an evaluation of their texts has them."""
    texts = bits_of_texts(model, targets.part)
    if not targets.documents:
        return texts[0]
    return np.array([texts[i][j] for i, j in zip(targets.span, targets.offsets, strict=True)])


@torch.no_grad()
def _with_last(model: LanguageModel, targets: Targets, some: Array, k: int) -> Array:
    """The bits of some targets when the k characters before each are known."""
    text = np.asarray(targets.ids)[targets.places[some] - k + np.arange(k)[:, None]].astype(np.int64)
    ids = to_device(text, model.device)
    wanted = to_device(targets.wanted(model.boundary)[some], model.device)
    state = model.blank_state(len(some))
    for i in range(0, k - 1, WINDOW):
        state = model.features(ids[i : min(i + WINDOW, k - 1)], state)[1]
    nats, _ = model.log_prob(ids[-1:], wanted[None], state)
    return (-nats[0].double() / math.log(2)).cpu().numpy()


def part_of(runs: Sequence[Run], text: str | Path | None = None) -> list[Part]:
    """The validation part of each run's corpus, or the `text`, in the ids of each run: the same places for all.

    Raises CharrnnError where texts differ, and where nothing is held out.
    """
    parts: list[Part] = []
    for run in runs:
        same = not parts or text is not None or run.facts.fingerprint == runs[0].facts.fingerprint
        part = run.read_part(text) if text is not None else run.dataset().part("val", run.config.corpus)
        if not same or not np.array_equal(part.spans, (parts or [part])[0].spans):
            raise CharrnnError(
                f"{run.path} holds out another text than {runs[0].path}, or has another alphabet; only runs with the "
                "same corpus and vocab can be laid over each other, or all of them on one ‹text=FILE›"
            )
        if not part.characters:
            raise CharrnnError(f"{run.path}: nothing is held out (corpus.split); give ‹text=FILE›")
        parts.append(part)
    return parts


def drawn(memories: Sequence[Memory]) -> Figure:
    """Bits per character against the number of known characters; at the right edge, with everything."""
    from charrnn.experiments.picture import colours, figure, plain

    picture = figure(9, 5, "out")
    axis = picture.subplots()
    for one, colour in zip(memories, colours(len(memories)), strict=True):
        edge = 4 * one.known[-1]
        label = plain(f"{Path(one.run).name}: span {one.span or f'> {one.known[-1]}'}")
        axis.plot(one.known, one.bits, marker=".", color=colour, label=label)
        axis.plot([one.known[-1], edge], [one.bits[-1], one.everything], linestyle=":", color=colour)
        axis.plot(edge, one.everything, marker="_", markersize=12, color=colour)
        if one.span is not None:
            axis.plot(one.span, one.bits[one.known.index(one.span)], marker="o", markersize=8, color=colour)
    first = memories[0]
    axis.set_xscale("log", base=2)
    axis.set_xticks([*first.known, 4 * first.known[-1]], [*map(str, first.known), "everything"])
    axis.set(xlabel="known characters before the one that is predicted", ylabel="held out, bits per character")
    # With one or two characters all are bad, some very bad: that would press the rest together.
    low = min(min(*one.bits, one.everything) for one in memories)
    high = max(one.bits[min(2, len(one.bits) - 1)] for one in memories)
    axis.set_ylim(low - 0.05 * (high - low) - 0.01, high + 0.05 * (high - low) + 0.01)
    axis.grid(alpha=0.3)
    axis.legend(title=f"large dot: within {TOLERANCE} bits of everything")
    return picture
