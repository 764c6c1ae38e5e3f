"""A survey of a text before it is learnt from: its encoding, its alphabet, its lines, and what would be documents."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.text.documents import BLANK, divided
from charrnn.text.encoding import OPTION, Recognised, codec_of, common, recognise, told
from charrnn.text.fields import HEAD, looks_like
from charrnn.text.groups import find_groups, kinds_of, unit_of
from charrnn.text.points import CODE_POINTS, code_points, count
from charrnn.text.reader import Damage, Report, read_text
from charrnn.text.vocab import Vocabulary

LOOKED_AT = 10_000_000
"""The most characters whose lines are looked at, those of the beginning."""
SHARED_RUN = 10
"""Documents that share so many words or ideographs are near-duplicates (corpus.shared_run)."""


@dataclass(frozen=True)
class Survey:
    """What a survey of a text found."""

    files: list[Path]
    encoding: Recognised
    """The encoding of all files, or `auto` if they differ."""
    encodings: str
    """Those of the files in words, and whether they were recognised."""
    damage: Damage | None
    """The bytes that are not in it, which are left out; None if there are none."""
    line_ends: dict[str, int]
    """The number of line ends of each kind: LF, CRLF, CR."""
    counts: npt.NDArray[np.int64]
    """The number of occurrences of every code point, `[0x110000]`."""
    lengths: list[int]
    """The characters of each file."""
    texts: list[str]
    """The text of each file, as far as it is looked at."""

    @cached_property
    def characters(self) -> int:
        """The characters of the text."""
        return int(self.counts.sum())

    @cached_property
    def alphabet(self) -> int:
        """The number of different characters."""
        return int((self.counts > 0).sum())

    @cached_property
    def blocks(self) -> list[list[str]]:
        """The lines of each block between blank lines or ends of files."""
        return [block for text in self.texts for block in _blocks(text)]

    @property
    def table(self) -> str:
        """What the first file is beside a plain text; nothing if it is nothing else."""
        return looks_like(self.files[0], self.texts[0][:HEAD]) or ""

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not blank."""
        return [line for block in self.blocks for line in block]

    @cached_property
    def ideographs(self) -> float:
        """The share of Chinese and Japanese characters among those that are not ASCII punctuation and spaces."""
        return float(self.counts[0x2E80:0xA000].sum() / max(1, self.counts[0x30:].sum()))

    @cached_property
    def scripts(self) -> dict[str, int]:
        """The number of characters of each script, by the names of Unicode, the most frequent first."""
        found: Counter[str] = Counter()
        for character, times in self._present():
            name = unicodedata.name(character, "")
            letter = character.isalpha() and name
            found[name.split()[0].split("-")[0].capitalize() if letter else "other signs"] += times
        return dict(found.most_common())

    @cached_property
    def odd(self) -> dict[str, int]:
        """Control characters, those without width and U+FFFD, by code point, with their numbers."""
        return {
            f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip(): times
            for character, times in self._present()
            if (unicodedata.category(character) in ("Cc", "Cf") and character not in "\n\t") or character == "\ufffd"
        }

    def rare(self, min_count: int) -> tuple[int, float]:
        """The characters that occur less often than `min_count`: how many, and their share of the text."""
        dropped = self.counts[(self.counts > 0) & (self.counts < min_count)]
        return len(dropped), float(dropped.sum() / self.characters)

    def documents(self, separator: str) -> list[str]:
        """The documents that a separator would give, among the text that is looked at."""
        return [document for text in self.texts for document in divided(text, separator)]

    def near_duplicates(self, documents: Sequence[str]) -> int:
        """How many documents share a run of SHARED_RUN of `unit` with another."""
        vocabulary = self._vocabulary
        ids = vocabulary.table()[code_points("".join(documents))]
        starts = np.cumsum([0, *map(len, documents)])
        return find_groups(ids, starts, kinds_of(vocabulary), SHARED_RUN).shared

    @property
    def unit(self) -> str:
        """What a shared run is counted in, in words."""
        return unit_of(self._vocabulary)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary.from_counts(self.counts)

    def _present(self) -> list[tuple[str, int]]:
        return [(chr(code), int(self.counts[code])) for code in np.flatnonzero(self.counts)]


def survey(
    files: Sequence[Path], progress: Report = lambda _: None, encoding: str = "auto", option: str = OPTION
) -> Survey:
    """Surveys a text in an encoding. `option` is how messages say that one may be given.

    Raises CharrnnError where it cannot be read, is in no known encoding, or is empty.
    """
    given = encoding != "auto"
    if given:
        codec_of(encoding, option)
    found, damage = [Recognised(encoding, 1.0) if given else recognise(file, option) for file in files], Damage()
    counts, line_ends = np.zeros(CODE_POINTS, np.int64), Counter[str]()
    lengths, texts, left = [], [], LOOKED_AT
    for file, one in zip(files, found, strict=True):
        before, looked_at = int(counts.sum()), []
        ends = LineEnds()
        tell = lambda data: progress(len(data))  # noqa: E731
        for piece in read_text(file, one.name, tell, errors="skip", damage=damage, see=ends.add):
            count(piece, counts)
            if left > 0:
                looked_at.append(piece[:left])
                left -= len(piece)
        line_ends.update(ends.counts)
        lengths.append(int(counts.sum()) - before)
        texts.append("".join(looked_at))
    if not counts.sum():
        raise CharrnnError(
            f"{files[0]}: the text is empty; at least a few thousand characters are needed to learn from"
        )
    words = f"given: {encoding}" if given else f"recognised: {told(found)}"
    found_damage = damage if damage.count else None
    return Survey(list(files), common(found), words, found_damage, line_ends, counts, lengths, texts)


class LineEnds:
    """Counts the line ends of a text that comes in pieces."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._cut = False

    def add(self, piece: str) -> None:
        """Counts those of a piece. A CRLF may be cut between two."""
        if not piece:
            return
        crlf = piece.count("\r\n")
        self.counts.update(LF=piece.count("\n") - crlf, CRLF=crlf, CR=piece.count("\r") - crlf)
        if self._cut and piece[0] == "\n":
            self.counts.update(LF=-1, CRLF=1, CR=-1)
        self._cut = piece[-1] == "\r"


def _blocks(text: str) -> list[list[str]]:
    return [list(lines) for there, lines in groupby(text.split("\n"), lambda line: bool(line.strip(BLANK))) if there]


def middle(lengths: Sequence[int]) -> float:
    """The median, 0 of nothing."""
    return median(lengths) if lengths else 0.0
