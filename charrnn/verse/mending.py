"""Mends a poem: the fewest changed characters after which it is right, and of all such changes the likeliest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.models import LanguageModel
from charrnn.text.forms import is_ideograph
from charrnn.text.vocab import Vocabulary
from charrnn.verse.automaton import Place, State, Verse
from charrnn.verse.check import lines_of

BEAM, CHOICES = 24, 24
"""The beginnings that are kept of those that can end with equally many changes, and the new characters that are tried
in each place."""
IMPOSSIBLE = 10**6

Left = Callable[[Place, int], int]
"""The fewest changes that are left to make, from a place of the automaton and a number of written characters on."""


@dataclass(frozen=True)
class Mended:
    """A poem that was mended."""

    text: str
    changes: list[tuple[int, str, str]]
    """The place of each change in the text, from 0, what stood there, and what stands there now."""
    log_prob: float
    """ln P of the text."""


class _Beginning(NamedTuple):
    """A mended beginning of the poem."""

    ids: tuple[int, ...]
    changes: int
    state: State


def mend(model: LanguageModel, vocabulary: Vocabulary, verse: Verse, text: str) -> Mended:
    """The poem with the fewest changes that `verse` allows. Its marks and line ends stay as they are.

    How many changes are left to make is known for each place of the automaton, so that a beam search only keeps what
    can still end with the fewest. Raises CharrnnError where no poem of its lines is right, or a character of the text
    is unknown and stands where it may not be changed.
    """
    own = [vocabulary.encode(character)[0] if character in vocabulary else None for character in text]
    counted = [i for i, character in enumerate(text) if is_ideograph(character)]
    for i, one in enumerate(own):
        if one is None and i not in counted:
            raise CharrnnError(f"{text[i]!r}: not a character that this model knows")
    lines = [len(line) for line in lines_of(text)]
    if lines != list(verse.form.lines):
        wanted, given = ("、".join(map(str, some)) for some in (verse.form.lines, lines))
        raise CharrnnError(f"the form {verse.form.name} has lines of {wanted} characters, and the poem of {given}")
    left = _fewest(verse, [own[i] for i in counted])
    first = min(left(place, 0) for place in verse.begin().places)
    for most in range(first, len(counted) + 1):  # more than the first where rhyme words would come twice
        found = _search(model, vocabulary, verse, own, counted, left, most)
        if found is not None:
            return _mended(text, vocabulary, *found)
    raise CharrnnError(f"no poem of the form {verse.form.name} was found")


def _fewest(verse: Verse, own: Sequence[int | None]) -> Left:
    """What `Left` is for a poem."""

    @cache
    def left(place: Place, written: int) -> int:
        if place.line == len(verse.form.lines):
            return 0 if written == len(own) else IMPOSSIBLE
        if written == len(own):
            return IMPOSSIBLE
        one = own[written]
        kept = verse.onwards(place, one) if one is not None else []
        best = min((left(after, written + 1) for after in kept), default=IMPOSSIBLE)
        if best == 0:
            return 0
        return min([best, *(1 + left(after, written + 1) for after in verse.onwards(place))])

    return left


@torch.no_grad()
def _search(
    model: LanguageModel,
    vocabulary: Vocabulary,
    verse: Verse,
    own: Sequence[int | None],
    counted: Sequence[int],
    left: Left,
    most: int,
) -> tuple[tuple[int, ...], float] | None:
    """The likeliest poem with at most so many changes that the beam finds, and its ln P; None if it finds none."""
    rows, totals = [_Beginning((), 0, verse.begin())], torch.zeros(1, dtype=torch.float64, device=model.device)
    state = model.initial_state(1)
    last = torch.tensor([vocabulary.boundary], device=model.device)
    slots = set(counted)
    written = 0
    for i, one in enumerate(own):
        logits, state = model.step(last, state)
        log_probs = logits.double().log_softmax(1)
        if log_probs.isnan().any():
            raise NoNumbers
        alike: dict[int, list[tuple[float, int, _Beginning]]] = {}  # by the fewest changes with which they can end
        written += i in slots
        for parent, row in enumerate(rows):
            for choice in _choices(verse, row.state, one, log_probs[parent]) if i in slots else [one]:
                assert choice is not None
                changes = row.changes + (choice != one)
                after = verse.after_marks(row.state, choice) if i in slots else row.state
                fewest = IMPOSSIBLE if after is None else changes + min(left(p, written) for p in after.places)
                if after is None or fewest > most:
                    continue
                total = float(totals[parent] + log_probs[parent, choice])
                alike.setdefault(fewest, []).append((total, parent, _Beginning((*row.ids, choice), changes, after)))
        found = [one for same in alike.values() for one in sorted(same, key=lambda item: -item[0])[:BEAM]]
        if not found:
            return None
        rows = [row for _, _, row in found]
        totals = torch.tensor([total for total, _, _ in found], dtype=torch.float64, device=model.device)
        parents = torch.tensor([parent for _, parent, _ in found], device=model.device)
        last = torch.tensor([row.ids[-1] for row in rows], device=model.device)
        state = tuple(tensor[parents] for tensor in state)
    best = int(totals.argmax())
    return rows[best].ids, float(totals[best])


def _choices(verse: Verse, state: State, own: int | None, log_probs: Tensor) -> list[int]:
    """What may stand in a place: what stands there, and the likeliest other characters."""
    allowed = torch.from_numpy(verse.allowed(state)).to(log_probs.device)
    likely = log_probs.masked_fill(~allowed, -torch.inf).topk(min(CHOICES, int(allowed.sum()))).indices.tolist()
    kept = [own] if own is not None and allowed[own] else []
    return [*kept, *(one for one in likely if one != own)]


def _mended(text: str, vocabulary: Vocabulary, ids: Sequence[int], log_prob: float) -> Mended:
    new = "".join(vocabulary.characters[i] for i in ids)
    changes = [(i, was, now) for i, (was, now) in enumerate(zip(text, new, strict=True)) if was != now]
    return Mended(new, changes, log_prob)
