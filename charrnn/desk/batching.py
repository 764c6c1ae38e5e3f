"""Texts of many people, written by one model together: a thread takes waiting texts into its batch at any character.

A step costs little more for many texts than for one, because the weights are read once. A text is the same as
`charrnn sample` writes for its seed, whatever is written beside it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from functools import lru_cache

import numpy as np

from charrnn.desk.lanes import Lane, VerseLane
from charrnn.desk.orders import Order, Portion, Row
from charrnn.errors import CharrnnError
from charrnn.generation.sampler import never_drawn, pieces_of
from charrnn.generation.stepper import Held, Stepper
from charrnn.text.vocab import Vocabulary

Delivery = list[tuple[Order, Portion]]
PROMPTS = 64
"""The prompts that are known already when they come again, as when many write from one beginning."""


class Busy(CharrnnError):
    """There is no room in the queue, or the server stops."""


class Batching:
    """Writes texts with one model, in a thread of its own. Close it in the end."""

    def __init__(
        self,
        model: Stepper,
        vocabulary: Vocabulary,
        documents: bool,
        at_once: int,
        queue: int,
        post: Callable[[Callable[[], None]], object] = lambda hand_out: hand_out(),
    ) -> None:
        """Of `at_once` texts a character is written in turn; `queue` more may wait.

        `post` runs a function that hands out what was written, such as `loop.call_soon_threadsafe`.
        """
        self.vocabulary, self.documents = vocabulary, documents
        self._model, self._at_once, self._queue, self._post = model, at_once, queue, post
        self._pieces = pieces_of(vocabulary)
        self._read = lru_cache(PROMPTS)(self._read_prompt)
        never = never_drawn(vocabulary, documents)
        self._lanes = {
            "in C": Lane(model, vocabulary, never),
            "in NumPy": Lane(model, vocabulary, never),
            "verse": VerseLane(model, vocabulary, never),
        }
        self._waiting: deque[Row] = deque()
        self._wake = threading.Condition()
        self._expected = 0
        """The texts whose prompts are being read."""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="batching", daemon=True)
        self._thread.start()

    @property
    def texts(self) -> int:
        """How many texts are written, wait, or have their prompt read."""
        waiting = sum(not row.order.cancelled for row in [*self._waiting])
        return waiting + self._expected + sum(len(lane.rows) for lane in self._lanes.values())

    def write(self, orders: Sequence[Order]) -> None:
        """Reads the prompt of some texts, which share it, and has them written. Call it outside the writing thread.

        Raises Busy where there is no room, and CharrnnError where the prompt does not fit the constraint.
        """
        with self._wake:
            if self._closed:
                raise Busy("the server stops; ask again when it is back")
            if self.texts + len(orders) > self._at_once + self._queue:
                raise Busy(f"{self.texts} texts are written or wait already; ask again later")
            self._expected += len(orders)
        try:
            rows = [Row(order, self.vocabulary, self._pieces, self.documents) for order in orders]
            held = self._read(tuple(orders[0].prompt))
            for row in rows:
                row.held = held
        finally:
            with self._wake:
                self._expected -= len(orders)
        with self._wake:
            self._waiting += rows
            self._wake.notify()

    def _read_prompt(self, prompt: tuple[int, ...]) -> Held:
        """What the model knows of a prompt."""
        model = copy(self._model)
        model.begin([self.vocabulary.boundary, *prompt], 1)
        return model.state()

    def close(self) -> None:
        """Ends all texts where they are, each with a last portion."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        np.seterr(all="ignore")  # a model that gives no numbers is told, in one message
        while (fresh := self._next()) is not None:
            delivery: Delivery = []
            for name, lane in self._lanes.items():
                own = [row for row in fresh if _lane_of(row.order) == name]
                try:
                    lane.change(own)
                    delivery += lane.turn(hurry=self._expected > 0)
                except Exception as error:  # the texts of the others go on
                    delivery += [(row.order, Portion(end="error", fault=error)) for row in {*lane.rows, *own}]
                    lane.rows = []
            if delivery:
                self._deliver(delivery)
        left = [*self._waiting, *(row for lane in self._lanes.values() for row in lane.rows)]
        self._deliver([(row.order, Portion(end="closed")) for row in left])

    def _next(self) -> list[Row] | None:
        """The texts that join the batch now. Waits where there is nothing to do; None if it is closed."""
        with self._wake:
            while True:
                if self._closed:
                    return None
                self._waiting = deque(row for row in self._waiting if not row.order.cancelled)
                written = sum(len(lane.rows) for lane in self._lanes.values())
                if self._waiting or written:
                    break
                self._wake.wait()
            return [self._waiting.popleft() for _ in range(min(self._at_once - written, len(self._waiting)))]

    def _deliver(self, delivery: Delivery) -> None:
        def hand_out() -> None:
            for order, portion in delivery:
                order.deliver(portion)

        self._post(hand_out)


def _lane_of(order: Order) -> str:
    """Texts of one lane are written in the same way."""
    return "verse" if order.constraint is not None else "in C" if order.filters.only_temperature else "in NumPy"
