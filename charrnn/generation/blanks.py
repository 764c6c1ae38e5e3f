"""What may stand in a blank: one character, which a model of bytes writes in one byte or several."""

from __future__ import annotations

import codecs

from charrnn.text.vocab import Vocabulary

LONGEST = 4
"""The most bytes of a character, in any encoding."""


class Blanks:
    """The ids that may stand in a blank."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._ways: dict[tuple[int, ...], dict[int, bool]] = {}

    def ways(self, begun: tuple[int, ...]) -> dict[int, bool]:
        """The ids that may follow those that stand in the blank already, and whether the blank is then full."""
        if begun not in self._ways:
            raw = self._vocabulary.kind == "byte"
            self._ways[begun] = self._bytes(begun) if raw else dict.fromkeys(range(self._vocabulary.unknown), True)
        return self._ways[begun]

    @property
    def alone(self) -> list[int]:
        """The ids that fill a blank alone."""
        return [i for i, full in self.ways(()).items() if full]

    def _bytes(self, begun: tuple[int, ...]) -> dict[int, bool]:
        ways = {}
        for byte in range(256):
            decoder = codecs.getincrementaldecoder(self._vocabulary.encoding)()
            try:
                text = decoder.decode(bytes([*begun, byte]))
            except UnicodeError:
                continue
            if len(text) == 1 or (not text and len(begun) + 1 < LONGEST):
                ways[byte] = len(text) == 1
        return ways
