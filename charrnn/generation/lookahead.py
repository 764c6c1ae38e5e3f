"""The next words or half-lines of a text, by a beam search that ends where a word ends."""

from __future__ import annotations

from collections.abc import Sequence
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
"""Of beginnings in ideographs, how many may have the same first one: half-lines should differ."""


class _Beginning(NamedTuple):
    """The beginning of a word."""

    ids: tuple[int, ...]
    state: Any
    probability: float
    inside: Mask | None
    """What goes on with the word, `[V]`; None before its first letter."""
    first: int
    """The id of its first letter; -1 before it."""


@lru_cache(4)
def _kinds(vocabulary: Vocabulary) -> tuple[Mask, Mask]:
    """Which ids are letters, and which are ideographs, `[V]` each."""
    letters, ideographs = np.zeros(len(vocabulary), np.bool_), np.zeros(len(vocabulary), np.bool_)
    for i, character in enumerate(vocabulary.characters):
        ideographs[i] = is_ideograph(character)
        letters[i] = not ideographs[i] and (character.isalnum() or character in "'’-")
    return letters, ideographs


def words(model: Stepper, choices: Choices, recent: Sequence[int], state: Any, count: int) -> list[Proposal]:
    """Up to `count` words, or half-lines of ideographs, that go on from the one text that the model has read.

    A word that the text has begun is finished. Of half-lines no two begin alike.
    """
    letters, ideographs = _kinds(choices.vocabulary)
    begun = letters if recent and letters[recent[-1]] else None
    beam = [_Beginning((), state, 1.0, begun, -1)]
    found: dict[tuple[int, ...], float] = {}
    for _ in range(LONGEST):
        log_probs, states = log_softmax(model.logits()), model.state()
        after: list[tuple[float, int, int]] = []
        for row, own in enumerate(beam):
            p = choices.probabilities(log_probs[row], choices.mask(own.state), [*recent, *own.ids]).astype(np.float64)
            if own.inside is not None:
                inside = p * own.inside
                ends = own.probability * (1.0 - float(inside.sum()) if p.any() else 1.0)
                if own.ids and ends > 0:
                    found[own.ids] = ends
                p = inside
            elif len(own.ids) >= LEAD:
                p = p * (letters | ideographs)
            p[choices.vocabulary.boundary] = 0
            likely = np.argpartition(-p, min(WIDTH, len(p) - 1))[:WIDTH].tolist()
            after += [(own.probability * float(p[one]), row, one) for one in likely if p[one] > 0]
        least = sorted(found.values(), reverse=True)[count - 1] if len(found) >= count else 0.0
        kept: list[tuple[int, _Beginning]] = []
        firsts: dict[int, int] = {}
        for p_all, row, one in sorted(after, key=lambda item: (-item[0], item[1:])):
            if p_all <= least or len(kept) == WIDTH:
                break
            own = beam[row]
            allowed, now = choices.after(own.state, one)
            starts = own.inside is None and bool(letters[one] or ideographs[one])
            first = one if starts else own.first
            if not allowed or (first >= 0 and ideographs[first] and firsts.get(first, 0) >= SAME):
                continue
            firsts[first] = firsts.get(first, 0) + 1
            inside_now = own.inside if not starts else letters if letters[one] else ideographs
            kept.append((row, _Beginning((*own.ids, one), now, p_all, inside_now, first)))
        if not kept:
            break
        model.resume(states, [row for row, _ in kept])
        beam = [own for _, own in kept]
        model.step(np.array([own.ids[-1] for own in beam]))
    return _chosen(found, choices.vocabulary, ideographs, count)


def _chosen(
    found: dict[tuple[int, ...], float], vocabulary: Vocabulary, ideographs: Mask, count: int
) -> list[Proposal]:
    """The likeliest, of those that begin with the same ideograph one."""
    chosen: list[Proposal] = []
    seen: set[int] = set()
    for ids, p in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        first = next((one for one in ids if ideographs[one]), -1)
        if first >= 0 and first in seen:
            continue
        seen.add(first)
        chosen.append(Proposal(vocabulary.decode(ids), p))
    return chosen[:count]
