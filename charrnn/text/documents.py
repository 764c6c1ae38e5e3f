"""Where a document ends: marks take the place of what `corpus.separator` names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from charrnn.config import pattern_in

BOUNDARY = "\ud800"
"""The mark of the end of a document inside text. Decoders do not give lone surrogates, so no text contains it."""
BLANK = " \t\u00a0\u3000\u200b\u2060\ufeff"
"""What a blank line may hold: spaces of every kind, also those without width."""
_BLANKS = re.compile(r"blank-lines: ?(\d+)")


def mark_documents(pieces: Iterator[str], separator: str) -> Iterator[str]:
    """The text with BOUNDARY instead of each separator. The encoder removes empty documents.

    `blank-line` is one blank line or more, `blank-lines: N` at least N. A text between slashes is a regular expression,
    for which a whole file is held in memory. Any other text stands for itself; line ends beside it belong to it.
    """
    if separator == "file":
        return pieces
    if separator == "line":
        return (piece.replace("\n", BOUNDARY) for piece in pieces)
    if (count := blank_lines(separator)) is not None:
        return _at_blank_lines(pieces, count)
    if (pattern := pattern_of(separator)) is not None:
        return _without_edges(iter([pattern.sub(BOUNDARY, "".join(pieces))]))
    return _without_edges(_at_text(pieces, separator))


def divided(text: str, separator: str) -> list[str]:
    """The documents of a whole text, without blank ones."""
    marked = "".join(mark_documents(iter([text]), separator))
    return [document for document in marked.split(BOUNDARY) if document.strip(BLANK + "\n")]


def blank_lines(separator: str) -> int | None:
    """The number of blank lines that a separator names; None if it names something else."""
    if separator == "blank-line":
        return 1
    found = _BLANKS.fullmatch(separator)
    return int(found[1]) if found else None


def pattern_of(separator: str) -> re.Pattern[str] | None:
    """The regular expression that a separator is; None if it is something else."""
    pattern = pattern_in(separator)
    return None if pattern is None else re.compile(pattern, re.MULTILINE)


def joint(separator: str) -> str:
    """The text that stands between two documents where this separates them; nothing if no text is sure to."""
    if separator in ("file", "line"):
        return "\n" if separator == "line" else ""
    if (count := blank_lines(separator)) is not None:
        return "\n" * (count + 1)
    return "" if pattern_of(separator) else separator


def _at_blank_lines(pieces: Iterator[str], count: int) -> Iterator[str]:
    leading = re.compile(rf"\A(?:[{BLANK}]*\n)+")
    between = re.compile(rf"\n(?:[{BLANK}]*\n){{{count},}}")
    rest, begun = "", False
    for piece in pieces:
        text = rest + piece
        # White space at the end may begin a separator, and waits for the next piece.
        cut = len(text.rstrip(BLANK + "\n"))
        rest, text = text[cut:], text[:cut]
        if not begun:
            text = leading.sub("", text)
        begun = begun or cut > 0
        yield between.sub(BOUNDARY, text)
    # The rest is white space after the last document, and belongs to none.


def _at_text(pieces: Iterator[str], separator: str) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *ended, last = (rest + piece).split(separator)
        cut = max(0, len(last) - len(separator) + 1)  # the end may begin a separator
        rest = last[cut:]
        yield "".join(document + BOUNDARY for document in ended) + last[:cut]
    yield rest


def _without_edges(pieces: Iterator[str]) -> Iterator[str]:
    """The text without line ends before and after documents."""
    rest, between = "", True
    for piece in pieces:
        text = re.sub(rf"\n*{BOUNDARY}\n*", BOUNDARY, rest + piece)
        text = text.lstrip("\n") if between else text
        cut = len(text.rstrip("\n"))
        rest, text = text[cut:], text[:cut]
        between = text.endswith(BOUNDARY) if text else between
        yield text
