"""Texts that are written side by side, in one way: freely, or each within a constraint."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from charrnn.desk.orders import Order, Portion, Row
from charrnn.generation.filters import MEMORY, Filters, Ints
from charrnn.generation.sampler import BLOCK, NUMBERS
from charrnn.generation.stepper import Stepper, joined
from charrnn.generation.within import Course, step, too_short
from charrnn.text.vocab import Vocabulary

TURN = 0.01
"""The seconds that a block of characters takes, about: so long a text that arrives waits."""
LN2 = math.log(2)


class Lane:
    """Texts with filters of their own."""

    def __init__(self, model: Stepper, vocabulary: Vocabulary, never: Sequence[int]) -> None:
        """`never` are the ids that are not drawn."""
        self.rows: list[Row] = []
        self._model, self._vocabulary, self._never = copy(model), vocabulary, never
        self._block = 1
        self._over: set[Row] = set()
        self._filters: list[Filters] = []
        """Those of each row."""
        self._recent: Ints = np.empty((0, MEMORY), np.int64)
        """The last ids of each row. Those of a short text begin with <unk>, which is never drawn."""

    def change(self, fresh: Sequence[Row]) -> None:
        """Takes new texts in, and lets go of those that are over or that nobody wants any more."""
        stays = [i for i, row in enumerate(self.rows) if row not in self._over and not row.order.cancelled]
        if not fresh and len(stays) == len(self.rows):
            return
        self._over.clear()
        states = [row.held for row in fresh]
        if stays:
            states.insert(0, tuple(array[stays] for array in self._model.state()))
        self.rows = [*(self.rows[i] for i in stays), *fresh]
        if self.rows:
            self._model.resume(joined(states), range(len(self.rows)))
        self._recent = np.concatenate([self._recent[stays], *(self._end_of_prompt(row) for row in fresh)])
        shared: dict[Filters, Filters] = {}  # equal filters are one object, which filters its rows together
        self._filters = [shared.setdefault(row.order.filters, row.order.filters) for row in self.rows]
        for row in fresh:
            row.held = ()
        if fresh:
            self._block = 1  # whoever has just come sees the first character at once

    def drop(self) -> list[Row]:
        """Lets go of all texts. Gives those that were not over."""
        left = [row for row in self.rows if row not in self._over]
        self.rows = []
        self._over.clear()
        return left

    def turn(self, hurry: bool = False) -> list[tuple[Order, Portion]]:
        """Writes a block of characters in each text, or a single one in a hurry. Gives what is to be delivered."""
        if not self.rows:
            return []
        began = time.perf_counter(), time.thread_time()
        room = NUMBERS // (len(self.rows) * len(self._vocabulary))
        length = 1 if hurry else max(1, min(self._block, BLOCK, room, max(row.left for row in self.rows)))
        generators = [row.generator for row in self.rows]
        chosen, gained = self._model.write(length, generators, self._filters, self._never, self._recent)
        self._remember(chosen)
        columns = zip(self.rows, chosen.T.tolist(), (gained.T / -LN2).tolist(), strict=True)
        portions = [row.add(ids, bits) for row, ids, bits in columns]
        self._next_block(length, min(time.perf_counter() - began[0], time.thread_time() - began[1]))
        return self._told(portions)

    def _next_block(self, length: int, took: float) -> None:
        """Chooses the length of the next block, after one that `took` so many seconds by the clock or the processor.
        Where other programs share the processor, shorter blocks would not come sooner.
        """
        self._block = max(1, min(2 * length, int(length * TURN / took))) if took else 2 * length

    def _remember(self, chosen: Ints) -> None:
        """Takes ids `[K, N]` up among the last ones."""
        self._recent = np.concatenate([self._recent, chosen.T], axis=1)[:, -MEMORY:]

    def _end_of_prompt(self, row: Row) -> Ints:
        """The last ids of a prompt, `[1, MEMORY]`."""
        known = row.order.prompt[-MEMORY:]
        return np.array([[self._vocabulary.unknown] * (MEMORY - len(known)) + [*known]], np.int64)

    def _told(self, portions: Sequence[Portion]) -> list[tuple[Order, Portion]]:
        """The portions that say something, each with its order. Texts that end are let go at the next change."""
        pairs = [*zip(self.rows, portions, strict=True)]
        self._over.update(row for row, portion in pairs if portion.end)
        return [(row.order, portion) for row, portion in pairs if portion.text or portion.end]


class VerseLane(Lane):
    """Texts within constraints, which are looked at for each character."""

    def turn(self, hurry: bool = False) -> list[tuple[Order, Portion]]:
        """Writes a character in each text."""
        if not self.rows:
            return []
        courses = [row.course for row in self.rows if row.course is not None]
        before = [(len(course.prices), course.log_prob) for course in courses]
        generators = [row.generator for row in self.rows]
        chosen, faults = step(self._model, courses, self._filters, self._recent, generators)
        if len(chosen):
            self._remember(chosen[None])
        portions = []
        for number, (row, course, (taken, log_prob)) in enumerate(zip(self.rows, courses, before, strict=True)):
            if number in faults:
                portions.append(Portion(end="error", fault=faults[number]))
            elif len(course.prices) > taken:
                portions.append(
                    _seen(row, course, row.add([int(chosen[number])], [(course.log_prob - log_prob) / -LN2]))
                )
            else:
                portions.append(_seen(row, course, Portion(end="stop")))
        return self._told(portions)


def _seen(row: Row, course: Course, portion: Portion) -> Portion:
    """The portion with what the constraint says of the end of the text."""
    if portion.end == "length" and not course.is_whole:
        return replace(portion, end="error", fault=too_short(row.order.length, 1, 1))
    return replace(portion, constraint_bits=course.kept.bits()) if portion.end else portion
