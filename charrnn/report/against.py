"""Where one run predicts better than another: bits won and lost, character by character and by kind of place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.evaluation.surprise import bits_of_texts
from charrnn.report.coloured import Shade, coloured, legend, page, steps
from charrnn.report.html import heading, paragraph, table
from charrnn.report.places import divisions
from charrnn.report.texts import END, Text, shown, texts_of
from charrnn.run import Run
from charrnn.text.dataset import Part
from charrnn.text.points import codes, listed, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

SHOWN = 12_000
"""The most characters of coloured text in a page, the first ones."""
EVEN = 0.001
"""Bits per character: where two runs differ by less, shares of that difference say nothing."""
STRONGEST = 4.0
"""The bits won or lost of the strongest colour."""


@dataclass(frozen=True)
class Kind:
    """The characters of a kind of place."""

    division: str
    name: str
    characters: int
    own: float
    """The bits of the run, summed."""
    other: float
    """The bits of the other one, summed."""

    @property
    def won(self) -> float:
        """The bits that the run needs less than the other."""
        return self.other - self.own


@dataclass(frozen=True)
class Against:
    """Two runs on the same text."""

    run: str
    other: str
    texts: list[Text]
    own_bits: list[Floats]
    """-log2 p of each character under the run, for each text `[N]`."""
    other_bits: list[Floats]
    kinds: list[Kind]
    """All kinds of all divisions. Those of one division hold every character once."""

    @property
    def whole(self) -> Kind:
        """All characters."""
        own, other = (math.fsum(float(one.sum()) for one in bits) for bits in (self.own_bits, self.other_bits))
        return Kind("all", "all characters", sum(map(len, self.texts)), own, other)


def against(
    run: Run,
    other: Run,
    text: Path | None = None,
    encoding: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Against:
    """The bits of both runs at each character of the held-out part, or of a text file, and their sums.

    The sums over all characters are those of `Run.evaluate`. A character of several bytes is one character here.
    Raises CharrnnError where the two cannot be compared: other texts, other alphabets, a model that sees what comes.
    """
    part = comparable(run, other, text, encoding)
    texts = texts_of(part, run.vocabulary)
    own, others = (_bits(one, part, texts, progress) for one in (run, other))
    kinds = []
    for way in divisions(texts):
        size = len(way.kinds)
        sums = np.zeros((3, size))
        for which, one, two in zip(way.which, own, others, strict=True):
            sums += [np.bincount(which, weights, minlength=size) for weights in (None, one, two)]
        kinds += [
            Kind(way.title, name, int(count), *both)
            for name, count, *both in zip(way.kinds, *sums.tolist(), strict=True)
        ]
    names = (run.path.name, other.path.name)
    if names[0] == names[1]:
        names = str(run.path), str(other.path)
    return Against(*names, texts, own, others, kinds)


def comparable(run: Run, other: Run, text: Path | None, encoding: str | None = None) -> Part:
    """What both runs read. Raises CharrnnError where their bits must not be compared character by character."""
    for one in (run, other):
        if one.config.model.bidirectional:
            raise CharrnnError(f"{one.path}: a bidirectional model sees what comes after, and must not be compared")
    kinds = run.vocabulary.kind, other.vocabulary.kind
    if kinds[0] != kinds[1]:
        raise CharrnnError(
            f"{run.path} reads {kinds[0]}s and {other.path} {kinds[1]}s: their bits belong to different things; take "
            "two runs with the same vocab.kind"
        )
    if run.is_documents != other.is_documents:
        modes = [f"{one.path} reads {'documents' if one.is_documents else 'a stream'}" for one in (run, other)]
        raise CharrnnError(f"{' and '.join(modes)}: only one of them predicts ends; take two runs with the same mode")
    if text is None:
        own, its = (one.dataset().part("val", one.config.corpus) for one in (run, other))
        if run.facts.fingerprint != other.facts.fingerprint or not np.array_equal(own.spans, its.spans):
            raise CharrnnError(
                f"{run.path} and {other.path} hold out different texts; give one that neither has learnt from: "
                "‹text=FILE›"
            )
        what = f"{run.path}: the validation part of the corpus"
    else:
        own, its = run.given(text, encoding).part, other.given(text, encoding).part
        what = str(text)
        _same(run, other, own, its, what)
    if not own.characters:
        raise CharrnnError(f"{what} is empty; give ‹text=FILE›")
    return own


def _same(run: Run, other: Run, own: Part, its: Part, what: str) -> None:
    """Raises CharrnnError where two runs do not read the same characters in a text."""
    tables = [np.array([*one.vocabulary.characters, "<unk>", "<end>"], dtype=object) for one in (run, other)]
    if not np.array_equal(own.spans, its.spans):
        raise CharrnnError(f"{what}: {run.path} and {other.path} read it differently: see corpus in their config.yaml")
    read = tables[0][np.asarray(own.ids)], tables[1][np.asarray(its.ids)]
    if (read[0] == read[1]).all():
        return
    differ = read[0] != read[1]
    known = dict.fromkeys([one for pair in zip(read[0][differ], read[1][differ], strict=True) for one in pair])
    named = listed([f"{visible(one)}({codes(one)})" for one in known if len(one) == 1], 5)
    raise CharrnnError(
        f"{what}: only one of {run.path} and {other.path} knows {named}: to the other it is <unk>, which is easier to "
        "predict; give a text that both alphabets have"
    )


def _bits(run: Run, part: Part, texts: list[Text], progress: Callable[[int], None]) -> list[Floats]:
    """-log2 p of each character of each text, `[N]`."""
    found = bits_of_texts(run.model, part, progress)
    if part.documents is None:  # all pieces in one array
        edges = np.cumsum([len(text.ids) for text in texts])[:-1]
        found = np.split(found[0], edges)
    if not all(np.isfinite(one).all() for one in found):
        raise NoNumbers
    return [text.sums(bits) for text, bits in zip(texts, found, strict=True)]


def rows(result: Against) -> list[list[str]]:
    """The sums as a table with its head."""
    whole = result.whole
    table = [["", "characters", "bits/char", "the other's", "won/char", "won in all", "share"]]
    division = ""
    for kind in [whole, *result.kinds]:
        if kind.division != division and kind is not whole:
            table.append([f"by {kind.division}", *[""] * 6])
        division = kind.division
        share = kind.won / whole.won if abs(whole.won) >= EVEN * whole.characters else None
        table.append(
            [
                kind.name if kind is whole else f"  {kind.name}",
                f"{kind.characters:,}",
                f"{kind.own / kind.characters:.4f}",
                f"{kind.other / kind.characters:.4f}",
                f"{kind.won / kind.characters:+.4f}",
                f"{kind.won:+,.0f}",
                "–" if share is None else f"{100 * share:.0f} %",
            ]
        )
    return table


def as_dict(result: Against) -> dict[str, Any]:
    """The sums for JSON."""
    return {
        "run": result.run,
        "other": result.other,
        **_facts(result.whole),
        "kinds": [{"division": kind.division, "kind": kind.name, **_facts(kind)} for kind in result.kinds],
    }


def _facts(kind: Kind) -> dict[str, Any]:
    return {
        "characters": kind.characters,
        "bits": kind.own,
        "other_bits": kind.other,
        "won": kind.won,
        "won_per_char": kind.won / kind.characters,
    }


def as_page(result: Against) -> str:
    """One file of HTML: the sums, and the text coloured by bits won and lost."""
    body = [
        paragraph(
            f"{result.run} against {result.other}, on {result.whole.characters:,} characters: "
            f"{result.whole.won / result.whole.characters:+.4f} bits per character are won (+) or lost (-)."
        ),
        table(rows(result)),
        heading("Where"),
        legend(f"{result.other} is better by {STRONGEST:g} bits", f"{result.run} is better by {STRONGEST:g} bits"),
    ]
    left = SHOWN
    for text, own, other in zip(result.texts, result.own_bits, result.other_bits, strict=True):
        if left <= 0:
            body.append(paragraph(f"The first {SHOWN:,} characters are shown; the sums are those of all."))
            break
        characters = ["■" if point == END else shown(point) for point in text.points[:left].tolist()]
        shades = map(Shade, characters, steps((other - own)[:left].tolist(), STRONGEST))
        body.append(coloured(shades) + "<p></p>")
        left -= len(text)
    return page(f"{result.run} against {result.other}", body)


def drawn(result: Against) -> Figure:
    """The bits won at each kind of place, as bars."""
    from charrnn.experiments.picture import figure, plain

    divisions = list(dict.fromkeys(kind.division for kind in result.kinds))
    sizes = [sum(kind.division == division for kind in result.kinds) for division in divisions]
    picture = figure(9, 1.2 + 0.28 * sum(sizes) + 0.5 * len(sizes), "out")
    axes = picture.subplots(len(divisions), 1, sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
    for axis, division in zip(axes, divisions, strict=True):
        kinds = [kind for kind in result.kinds if kind.division == division][::-1]
        won = [kind.won / kind.characters for kind in kinds]
        axis.barh(range(len(kinds)), won, color=["#cc5500" if value > 0 else "#005ab5" for value in won])
        axis.set_yticks(range(len(kinds)), [f"{kind.name} ({kind.characters:,})" for kind in kinds])
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set_title(f"by {division}", loc="left", fontsize=10)
        axis.grid(axis="x", alpha=0.3)
    axes[-1].set_xlabel(plain(f"bits per character that {result.run} wins over {result.other}"))
    return picture
