"""What a model expects at each place of a text: its likeliest characters, and what came."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.report.coloured import Shade, coloured, legend, page, steps
from charrnn.report.html import heading, paragraph, table
from charrnn.run import Run
from charrnn.text.batches import IGNORE
from charrnn.text.prompts import Unknown
from charrnn.text.vocab import Vocabulary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 5_000
"""The most characters of a text whose every place is shown."""
COLUMNS = 60
"""The most places in a picture, the first ones."""
SURPRISE = 10.0
"""The bits of the strongest colour."""


@dataclass(frozen=True)
class Place:
    """A place in a text: what was expected there, and what came."""

    came: str | None
    """The character, as a table names it; None after the last one, where nothing has come yet."""
    rank: int | None
    """1 where no character was likelier."""
    bits: float | None
    """-log2 p of what came."""
    expected: list[tuple[str, float]]
    """The likeliest characters with their probabilities, the likeliest first."""


def predictions(run: Run, text: str, top: int = 5, unknown: Unknown = "error", strict: bool = False) -> list[Place]:
    """The `top` likeliest characters at each place of a text, its rank, and its bits.

    A model that reads from left to right also says what it expects after the text. Raises CharrnnError for an empty
    text, one of more than `MOST` characters, and one with characters that the model does not know.
    """
    vocabulary = run.vocabulary
    if not 1 <= top <= len(vocabulary):
        raise CharrnnError(f"‹top={top}›: a number of characters from 1 to {len(vocabulary):,} was expected")
    ids = run.read_prompt(text, unknown, strict).ids
    if not ids:
        raise CharrnnError("‹text›: it is empty; give some characters")
    if len(ids) > MOST:
        raise CharrnnError(f"‹text›: it has {len(ids):,} characters, and at most {MOST:,} are shown; give a part of it")
    came = [*ids, IGNORE] if run.model.causal else ids
    log_probs = _log_probs(run, came)
    places = []
    for own, row in zip(came, log_probs, strict=True):
        likeliest = row.argsort(descending=True, stable=True)[:top].tolist()  # of equal ones the lower id comes first
        expected = [(name(i, vocabulary), math.exp(row[i])) for i in likeliest]
        if own == IGNORE:
            places.append(Place(None, None, None, expected))
        else:
            rank, bits = int((row > row[own]).sum()) + 1, -float(row[own]) / math.log(2)
            places.append(Place(name(own, vocabulary), rank, bits, expected))
    return places


@torch.no_grad()
def _log_probs(run: Run, came: list[int]) -> Tensor:
    """ln p of every character at each place, `[T, V]`."""
    model = run.model
    targets = torch.tensor(came, device=model.device)[:, None]
    inputs = torch.tensor([model.boundary, *came[:-1]], device=model.device)[:, None]
    features, _ = model.read(inputs, targets, model.initial_state(1))
    log_probs = model.readout(features)[:, 0].double().log_softmax(-1).cpu()
    if not log_probs.isfinite().all():
        raise NoNumbers
    return log_probs


def name(i: int, vocabulary: Vocabulary) -> str:
    """An id as a table names it."""
    if i == vocabulary.boundary:
        return "<end>"
    if i == vocabulary.unknown:
        return "<unk>"
    if vocabulary.kind == "byte" and i >= 0x7F:
        return f"\\x{i:02x}"
    return {"\n": "↵", " ": "␣", "\t": "⇥"}.get(vocabulary.characters[i], vocabulary.characters[i])


def rows(places: list[Place]) -> list[list[str]]:
    """The places as a table with its head."""
    top = len(places[0].expected)
    head = ["", "came", "rank", "bits", *(f"{i}." for i in range(1, top + 1))]
    return [head] + [
        [
            str(number),
            "" if place.came is None else place.came,
            "" if place.rank is None else str(place.rank),
            "" if place.bits is None else f"{place.bits:.2f}",
            *(f"{character} {100 * p:.1f} %" for character, p in place.expected),
        ]
        for number, place in enumerate(places, 1)
    ]


def as_dicts(places: list[Place]) -> list[dict[str, object]]:
    """The places for JSON."""
    return [
        {
            "came": place.came,
            "rank": place.rank,
            "bits": place.bits,
            "expected": [{"character": character, "probability": p} for character, p in place.expected],
        }
        for place in places
    ]


def mean_bits(places: list[Place]) -> float:
    """The bits per character of what came."""
    bits = [place.bits for place in places if place.bits is not None]
    return sum(bits) / len(bits)


def as_page(run: Run, places: list[Place]) -> str:
    """One file of HTML: the text coloured by its surprise, and the table."""
    came = [place for place in places if place.came is not None]
    bits = [place.bits or 0.0 for place in came]
    shades = [
        Shade("↵\n" if place.came == "↵" else " " if place.came == "␣" else place.came or "", step)
        for place, step in zip(came, steps(bits, SURPRISE), strict=True)
    ]
    return page(
        f"What {run.path.name} expects",
        [
            paragraph(f"{run.config.model.describe()}. {mean_bits(places):.2f} bits per character of this text."),
            legend("", f"{SURPRISE:g} bits and more", ""),
            coloured(shades),
            heading("The likeliest characters at each place"),
            table(rows(places)),
        ],
    )


def drawn(places: list[Place]) -> Figure:
    """The likeliest characters at each place as a grid, dark where they are sure, and a frame around what came."""
    from charrnn.experiments.picture import figure, plain

    shown, top = places[:COLUMNS], len(places[0].expected)
    picture = figure(2 + 0.4 * len(shown), 1.5 + 0.4 * top, "out")
    axis = picture.subplots()
    grid = [[place.expected[row][1] for place in shown] for row in range(top)]
    axis.imshow(grid, cmap="cividis_r", vmin=0, vmax=1, aspect="auto")
    for column, place in enumerate(shown):
        for row, (character, p) in enumerate(place.expected):
            came = character == place.came
            axis.text(
                *(column, row, plain(character)),
                ha="center",
                va="center",
                color="white" if p > 0.5 else "black",
                bbox={"boxstyle": "square,pad=0.2", "facecolor": "none", "edgecolor": "#cc5500"} if came else None,
            )
    axis.set_xticks(range(len(shown)), [plain(place.came or "?") for place in shown])
    axis.set_yticks(range(top), [f"{i}." for i in range(1, top + 1)])
    axis.set_xlabel(
        "what came; framed where it is among the likeliest"
        + (f" (the first {COLUMNS} of {len(places)} places)" if len(places) > COLUMNS else "")
    )
    return picture
