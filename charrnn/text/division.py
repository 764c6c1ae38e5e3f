"""How a text is divided into documents, as its survey tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from charrnn.text.survey import Survey, middle

MANY = 20
"""The fewest documents of a text that is taken for many."""
FILES = 10
"""The fewest short files that are documents: of fewer, those that are held out would be too large a share."""
SHORT_FILE = 5_000
"""The most characters of the median file of a folder of documents."""
END = "<|endoftext|>"
"""The mark that stands nowhere else than between texts."""
MARKS = {END: END, "\n%\n": "/^%$/", "\n***\n": r"/^\*\*\*$/", "\n---\n": "/^---$/"}
"""Marks that stand between texts, with the separator for each."""
T = TypeVar("T")


@dataclass(frozen=True)
class Documents:
    """How a text is divided into documents, if it is."""

    separator: str | None
    reason: str
    lengths: list[int]
    """The characters of each document, among those that were looked at."""

    @classmethod
    def of(cls, text: Survey) -> Documents:
        """Short files, songs between several blank lines, poems, or a list of names are documents, and what a mark
        such as <|endoftext|> divides, or a label with which each begins. Any other text is a stream.

        Blank lines stand between the poems of a Chinese collection, but between the stanzas of a song, the speeches of
        a play and the paragraphs of a novel too. Those go on from one another, so only Chinese verse is divided there,
        and texts that all begin with the same label, such as tunes in ABC with X:.
        """
        if len(text.files) >= FILES and middle(text.lengths) <= SHORT_FILE:
            return cls("file", f"{len(text.files):,} short files: each is a text of its own", text.lengths)
        for mark, separator in MARKS.items():
            if (count := sum(one.count(mark) for one in text.texts)) >= MANY:
                lengths = [*map(len, text.documents(separator))]
                if mark == END or middle(lengths) <= SHORT_FILE:  # other marks also stand between chapters
                    return cls(separator, f"{count:,} marks divide it", lengths)
        songs = [*map(len, text.documents("blank-lines: 2"))]
        if len(songs) >= MANY and _are_songs(songs, text):
            return cls("blank-lines: 2", f"several blank lines divide {len(songs):,} songs or poems", songs)
        if len(text.blocks) >= MANY and text.ideographs > 0.5 and _share(text.blocks, _is_verse) > 0.8:
            lengths = [sum(map(len, block)) + len(block) for block in text.blocks]
            return cls("blank-line", f"blank lines divide {len(text.blocks):,} poems", lengths)
        if len(text.blocks) >= MANY and (label := _label(text.blocks)) and _share(text.blocks, _begins(label)) > 0.9:
            lengths = [sum(map(len, block)) + len(block) for block in text.blocks]
            if middle(lengths) <= SHORT_FILE:
                why = f"blank lines divide {len(text.blocks):,} texts that begin with {label}"
                return cls("blank-line", why, lengths)
        if len(text.lines) >= MANY and len(text.blocks) <= len(text.files) and _share(text.lines, _is_name) > 0.9:
            why = f"a list of {len(text.lines):,} names or words: each line is a text of its own"
            return cls("line", why, list(map(len, text.lines)))
        return cls(None, "one long text: the state is carried from window to window", [])


def _are_songs(lengths: list[int], text: Survey) -> bool:
    """Whether what several blank lines divide is short, and of several stanzas: neither chapters nor code."""
    indented = _share(text.lines, lambda line: line[0] in " \t")
    stanzas = len(text.blocks) >= 1.5 * len(lengths)
    return stanzas and indented < 0.2 and middle(lengths) >= 40 and sorted(lengths)[int(0.9 * len(lengths))] <= 3_000


def _share(things: Sequence[T], is_such: Callable[[T], bool]) -> float:
    return sum(map(is_such, things)) / len(things)


def _is_verse(lines: list[str]) -> bool:
    """Whether a block is a poem: at least two lines, each of the length of a couplet."""
    return 2 <= len(lines) <= 60 and max(map(len, lines)) <= 40


def _label(blocks: Sequence[list[str]]) -> str:
    """The label, such as `X:` of a tune in ABC, with which the second block begins; nothing if it begins with none.

    The first one may be a title page.
    """
    found = re.match(r"\w[\w -]{0,20}:", blocks[1][0])
    return found[0] if found else ""


def _begins(label: str) -> Callable[[list[str]], bool]:
    return lambda block: block[0].startswith(label)


def _is_name(line: str) -> bool:
    """Whether a line is a name or a word: short, at most three words, and it ends as neither prose nor code does."""
    words = line.split()
    longest = 5 if line[0] >= "\u2e80" else 30
    return len(line) <= longest and len(words) <= 3 and line[0].isalnum() and line.strip()[-1].isalnum()
