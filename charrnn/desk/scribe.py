"""A thread that writes: its texts go on side by side, and others join them at any character."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from charrnn.desk.lanes import Lane, VerseLane
from charrnn.desk.orders import Order, Portion, Row
from charrnn.generation.sampler import never_drawn
from charrnn.generation.stepper import Stepper
from charrnn.text.vocab import Vocabulary

Delivery = list[tuple[Order, Portion]]


class Scribe:
    """Writes texts in a thread of its own, from `start` to `close`."""

    def __init__(
        self,
        model: Stepper,
        vocabulary: Vocabulary,
        documents: bool,
        post: Callable[[Callable[[], None]], object],
        hurries: Callable[[Scribe], bool],
        turned: Callable[[], None],
    ) -> None:
        """`post` runs a function that hands out what was written. `hurries` says whether a text is about to join, which
        is not to wait for a block. `turned` is called after each turn, when there may be room for other texts.
        """
        never = never_drawn(vocabulary, documents)
        self._lanes = {
            "in C": Lane(model, vocabulary, never),
            "in NumPy": Lane(model, vocabulary, never),
            "verse": VerseLane(model, vocabulary, never),
        }
        self._post, self._hurries, self._turned = post, hurries, turned
        self._fresh: list[Row] = []
        """The texts that join at the next turn."""
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="writing", daemon=True)

    @property
    def texts(self) -> int:
        """How many texts it has to write."""
        return len(self._fresh) + sum(len(lane.rows) for lane in self._lanes.values())

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def take(self, row: Row) -> None:
        """Has a text written."""
        with self._wake:
            self._fresh.append(row)
            self._wake.notify()

    def close(self) -> None:
        """Ends all texts where they are, each with a last portion."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        np.seterr(all="ignore")  # a model that gives no numbers is told, in one message
        while (fresh := self._next()) is not None:
            self._deliver(self._turn(fresh))
            self._turned()
        left = [*self._fresh, *(row for lane in self._lanes.values() for row in lane.drop())]
        self._deliver([(row.order, Portion(end="closed")) for row in left])

    def _next(self) -> list[Row] | None:
        """The texts that join now. Waits where there is nothing to do; None if it is closed."""
        with self._wake:
            while not (self._closed or self.texts):
                self._wake.wait()
            return None if self._closed else [*self._fresh]

    def _turn(self, fresh: Sequence[Row]) -> Delivery:
        """Writes some characters in each text."""
        delivery: Delivery = []
        wanted = [row for row in fresh if not row.order.cancelled]
        for name, lane in self._lanes.items():
            own = [row for row in wanted if lane_of(row.order) == name]
            try:
                lane.change(own)
                delivery += lane.turn(hurry=self._hurries(self))
            except Exception as error:  # the texts of the others go on
                delivery += [(row.order, Portion(end="error", fault=error)) for row in {*lane.drop(), *own}]
        with self._wake:
            del self._fresh[: len(fresh)]
        return delivery

    def _deliver(self, delivery: Delivery) -> None:
        if delivery:
            self._post(lambda: hand_out(delivery))


def hand_out(delivery: Delivery) -> None:
    """Delivers portions."""
    for order, portion in delivery:
        order.deliver(portion)


def lane_of(order: Order) -> str:
    """Texts of one lane are written in the same way."""
    return "verse" if order.constraint is not None else "in C" if order.filters.only_temperature else "in NumPy"
