"""The next words or half-lines of a text, by a beam search that ends where a word ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from charrnn.generation.choices import Choices, Proposal
from charrnn.generation.constraints import Mask
from charrnn.generation.filters import log_softmax
from charrnn.generation.stepper import Stepper
from charrnn.text.forms import is_ideograph
from charrnn.text.vocab import Vocabulary

WIDTH = 12
"""The number of beginnings that are looked at side by side."""
LONGEST = 14
"""The most characters of a word, with what stands before it."""
LEAD = 3
"""The most spaces and marks that stand before a word."""
SAME = 2
"""How many beginnings in ideographs may have the same first one, of several: half-lines should differ."""

Search = Generator[None, None, list[Proposal]]
"""A search that pauses after each character, and returns what it found."""


class _Beginning(NamedTuple):
    """The beginning of a word."""

    ids: tuple[int, ...]
    state: Any
    """Of the constraint."""
    probability: float
    inside: Mask | None
    """What goes on with the word, `[V]`; None before its first character."""
    family: int
    """The ideograph by which it is told from others: the first one that was not the only one possible; -1 for none."""


@lru_cache(4)
def _kinds(vocabulary: Vocabulary) -> tuple[Mask, Mask]:
    """Which ids are letters, and which are ideographs, `[V]` each."""
    letters, ideographs = np.zeros(len(vocabulary), np.bool_), np.zeros(len(vocabulary), np.bool_)
    for i, character in enumerate(vocabulary.characters):
        ideographs[i] = is_ideograph(character)
        letters[i] = not ideographs[i] and (character.isalnum() or character in "'’-")
    return letters, ideographs


def nothing() -> Search:
    """A search that finds nothing."""
    yield from ()
    return []


def search_words(model: Stepper, choices: Choices, recent: Sequence[int], state: Any, count: int) -> Search:
    """Looks for up to `count` words, or half-lines of ideographs, after the one text that the model has read.

    A word that the text has begun is finished, or the next one is found. Of half-lines no two begin alike. `model` is
    used up.
    """
    letters, ideographs = _kinds(choices.vocabulary)
    beam = [_Beginning((), state, 1.0, None, -1)]
    begun = bool(recent) and bool(letters[recent[-1]])
    if begun:
        beam.append(beam[0]._replace(inside=letters))
        model.resume(model.state(), [0, 0])
    found: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {}
    """Words with their probabilities, by their family, and those without one by number."""
    for _ in range(LONGEST):
        after: list[tuple[float, int, int]] = []
        log_probs, states = log_softmax(model.logits()), model.state()
        for row, own in enumerate(beam):
            p = choices.probabilities(log_probs[row], choices.mask(own.state), [*recent, *own.ids]).astype(np.float64)
            if own.inside is not None:
                within = p * own.inside
                ends = own.probability * (1.0 - float(within.sum()) if p.any() else 1.0)
                key = (own.family, len(found) if own.family < 0 else 0)
                if own.ids and ends > found.get(key, (0.0, ()))[0]:
                    found[key] = ends, own.ids
                p = within
            elif begun and not own.ids:
                p *= ~letters
            elif len(own.ids) == LEAD:
                p *= letters | ideographs
            p[choices.vocabulary.boundary] = 0
            likely = np.argpartition(-p, min(WIDTH, len(p) - 1))[:WIDTH].tolist()
            after += [(own.probability * float(p[one]), row, one) for one in likely if p[one] > 0]
        yield
        beam, rows = _kept(beam, after, choices, _least(found.values(), count), letters, ideographs)
        if not beam:
            break
        model.resume(states, rows)
        model.step(np.array([own.ids[-1] for own in beam]))
    best = sorted(found.values(), key=lambda item: (-item[0], item[1]))[:count]
    return [Proposal(choices.vocabulary.decode(ids), p) for p, ids in best]


def _least(found: Any, count: int) -> float:
    """What a beginning must exceed to become one of the `count` likeliest words."""
    return sorted((p for p, _ in found), reverse=True)[count - 1] if len(found) >= count else 0.0


def _kept(
    beam: list[_Beginning],
    after: list[tuple[float, int, int]],
    choices: Choices,
    least: float,
    letters: Mask,
    ideographs: Mask,
) -> tuple[list[_Beginning], list[int]]:
    """The likeliest beginnings that are one character longer, and the row of the one that each comes from.

    `after` holds the probability, the row and the new id of all.
    """
    kept: list[_Beginning] = []
    rows: list[int] = []
    families: dict[int, int] = {}
    ways = Counter(row for _, row, _ in after)
    for p, row, one in sorted(after, key=lambda item: (-item[0], item[1:])):
        if p <= least or len(kept) == WIDTH:
            break
        own = beam[row]
        allowed, state = choices.after(own.state, one)
        inside, family = own.inside, own.family
        if inside is None and (letters[one] or ideographs[one]):
            inside = letters if letters[one] else ideographs
        if family < 0 and ideographs[one] and ways[row] > 1:
            family = one
        if allowed and (family < 0 or families.get(family, 0) < SAME):
            families[family] = families.get(family, 0) + 1
            kept.append(_Beginning((*own.ids, one), state, p, inside, family))
            rows.append(row)
    return kept, rows
