"""Stop texts as the OpenAI API has them: a text ends before one, so what may be its beginning is held back."""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """Takes a text piece by piece, and gives what can be shown of it."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._text = ""
        self._bits: list[float] = []
        self.found = False
        """Whether one of them came."""

    def take(self, text: str, bits: Sequence[float], last: bool) -> tuple[str, list[float]]:
        """What can be shown after some characters more, each with its bits. The `last` ones hold nothing back."""
        self._text += text
        self._bits += bits
        places = [place for stop in self._stops if (place := self._text.find(stop)) >= 0]
        self.found = bool(places)
        end = min(places) if places else len(self._text) if last else len(self._text) - self._held_back()
        shown, told = self._text[:end], self._bits[:end]
        self._text, self._bits = self._text[end:], self._bits[end:]
        return shown, told

    def _held_back(self) -> int:
        """The characters at the end that may be the beginning of a stop."""
        most = max((len(stop) - 1 for stop in self._stops), default=0)
        lengths = range(min(most, len(self._text)), 0, -1)
        return next((n for n in lengths if any(stop.startswith(self._text[-n:]) for stop in self._stops)), 0)
