"""Texts of many people, written by one model together, in a few threads: a text joins those of one at any character.

A step costs little more for many texts than for one, because the weights are read once. Threads that write each their
own texts need not wait for each other, nor for the thread that sends what is written. A text is the same as
`charrnn sample` writes for its seed, whatever is written beside it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from charrnn.desk.orders import Order, Portion, Row
from charrnn.desk.prompts import Prompts
from charrnn.desk.scribe import Scribe, hand_out, lane_of
from charrnn.errors import CharrnnError
from charrnn.generation.sampler import pieces_of
from charrnn.generation.stepper import Stepper
from charrnn.text.vocab import Vocabulary

TOGETHER = 6
"""The fewest texts beside which another thread is worth its work."""
STOPS = "the server stops; ask again when it is back"


class Busy(CharrnnError):
    """There is no room in the queue, or the server stops."""


class Batching:
    """Writes texts with one model, in threads of its own. Close it in the end."""

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
        self._at_once, self._queue, self._post = at_once, queue, post
        self._pieces = pieces_of(vocabulary)
        self.prompts = Prompts(model, vocabulary.boundary)
        self._waiting: deque[Row] = deque()
        self._lock = threading.RLock()
        self._expected = 0
        """The texts whose prompts are being read."""
        self._closed = False
        most = -(-at_once // TOGETHER)
        self._scribes = [
            Scribe(one, vocabulary, documents, post, self._is_to_hurry, self._deal_out) for one in model.apart()[:most]
        ]
        for scribe in self._scribes:
            scribe.start()

    @property
    def texts(self) -> int:
        """How many texts are written, wait, or have their prompt read."""
        with self._lock:
            return sum(not row.order.cancelled for row in self._waiting) + self._expected + self._written

    @property
    def _written(self) -> int:
        return sum(scribe.texts for scribe in self._scribes)

    def write(self, orders: Sequence[Order]) -> None:
        """Reads the prompt of some texts, which share it, and has them written. Call it outside the writing threads.

        Raises Busy where there is no room, and CharrnnError where the prompt does not fit the constraint.
        """
        with self._lock:
            if self._closed:
                raise Busy(STOPS)
            if self.texts + len(orders) > self._at_once + self._queue:
                raise Busy(f"{self.texts} texts are written or wait already; ask again later")
            self._expected += len(orders)
        try:
            rows = [Row(order, self.vocabulary, self._pieces, self.documents) for order in orders]
            held = self.prompts.read(orders[0].prompt)
            for row in rows:
                row.held = held
        finally:
            with self._lock:
                self._expected -= len(orders)
        with self._lock:
            if self._closed:
                raise Busy(STOPS)
            self._waiting += rows
            self._deal_out()

    def close(self) -> None:
        """Ends all texts where they are, each with a last portion."""
        with self._lock:
            self._closed = True
            left = [*self._waiting]
            self._waiting.clear()
        for scribe in self._scribes:
            scribe.close()
        if left:
            self._post(lambda: hand_out([(row.order, Portion(end="closed")) for row in left]))

    def _deal_out(self) -> None:
        """Gives waiting texts to the threads, where there is room."""
        with self._lock:
            self._waiting = deque(row for row in self._waiting if not row.order.cancelled)
            while self._waiting and self._written < self._at_once:
                row = self._waiting.popleft()
                self._scribe_of(lane_of(row.order)).take(row)

    def _scribe_of(self, lane: str) -> Scribe:
        """Who writes the next text of a lane. Outside C one thread runs at a time: there the first writes all."""
        if lane != "in C":
            return self._scribes[0]
        few = (scribe for scribe in self._scribes if scribe.texts < TOGETHER)
        return next(few, None) or min(self._scribes, key=lambda scribe: scribe.texts)

    def _is_to_hurry(self, scribe: Scribe) -> bool:
        """Whether a prompt is being read of a text that this one is going to write."""
        return self._expected > 0 and scribe is self._scribe_of("in C")
