"""Where a constraint stands at each place of a text."""

from __future__ import annotations

from typing import Any

from charrnn.generation.constraints import Constraint
from charrnn.generation.track import Track


class Guide:
    """A constraint on the ids of a track from a place on."""

    def __init__(self, constraint: Constraint, track: Track, start: int = 0) -> None:
        """The constraint begins after `start` ids."""
        self.constraint, self.start, self._track = constraint, start, track
        self._states: list[Any] = [constraint.begin()]

    def cut(self, length: int) -> None:
        """Forgets what was after `length` ids."""
        del self._states[max(1, length - self.start + 1) :]

    def state(self, at: int) -> Any:
        """The state after `at` ids; None where the text has left the constraint, or not yet come to it."""
        if at < self.start:
            return None
        while len(self._states) <= at - self.start:
            before = self._states[-1]
            one = self._track.ids[self.start + len(self._states) - 1]
            self._states.append(None if before is None else self.constraint.after(before, one))
        return self._states[at - self.start]

    def last(self, at: int) -> Any:
        """The state after `at` ids, or the last one before the text left the constraint; None before it begins."""
        self.state(at)
        kept = self._states[: max(0, at - self.start + 1)]
        return next((state for state in reversed(kept) if state is not None), None)
