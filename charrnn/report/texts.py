"""The texts that a picture is about, character by character, as the model reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.text.dataset import Array, Part
from charrnn.text.vocab import Vocabulary

END = -1
"""Stands among code points where a document ends."""
UNKNOWN = 0xFFFD
"""The code point of what the model does not know, and of bytes that are no text."""

Points = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Text:
    """A document with its end, or a piece of a stream."""

    points: Points
    """The code point of each character, `[N]`; `END` where a document ends."""
    ids: Array
    """What the model reads of them, `[M]`: several bytes may be one character."""
    last: Array
    """The place in the ids of the last id of each character, `[N]`."""

    def __len__(self) -> int:
        return len(self.points)

    def sums(self, values: Array) -> Array:
        """A value of each id `[M]`, summed over the ids of each character, `[N]`."""
        first = np.concatenate([np.zeros(1, np.int64), self.last[:-1] + 1])
        return np.add.reduceat(values, first) if len(self) else values


def texts_of(part: Part, vocabulary: Vocabulary) -> list[Text]:
    """The documents of a part, or its pieces, in the order of the part."""
    ids = np.asarray(part.ids)
    end = [vocabulary.boundary] if part.documents is not None else []
    return [text_of(np.append(ids[a:b], end).astype(np.int64), vocabulary) for a, b in part.spans.tolist() if b > a]


def text_of(ids: Array, vocabulary: Vocabulary) -> Text:
    """The text of some ids `[M]`."""
    if vocabulary.kind == "char":
        table = np.array([*map(ord, vocabulary.characters), UNKNOWN, END], np.int32)
        return Text(table[ids], ids, np.arange(len(ids)))
    decoder = vocabulary.decoder("backslashreplace")
    points, last = [], []
    closed = int(len(ids) > 0 and ids[-1] == vocabulary.boundary)
    inside = len(ids) - closed
    for place, i in enumerate(ids[:inside].tolist()):
        if character := decoder.add(i):
            points.append(ord(character) if len(character) == 1 else UNKNOWN)
            last.append(place)
    if inside and (not last or last[-1] < inside - 1):  # bytes of an unfinished character
        points.append(UNKNOWN)
        last.append(inside - 1)
    if closed:
        points.append(END)
        last.append(inside)
    return Text(np.array(points, np.int32), ids, np.array(last, np.int64))


def shown(point: int) -> str:
    """A character as it stands in a text; nothing for the end of a document."""
    return "" if point == END else chr(point)


def named(point: int) -> str:
    """A character as a table names it."""
    names = {END: "end", ord("\n"): "↵", ord(" "): "␣", ord("\t"): "⇥", UNKNOWN: "<unk>"}
    return names.get(point) or chr(point)
