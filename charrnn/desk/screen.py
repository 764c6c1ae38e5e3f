"""What the terminal shows of a writer, as rows of styled text that are exactly as wide and high as they may be."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from wcwidth import wcswidth

from charrnn.desk.marks import marks_of
from charrnn.generation.choices import Proposal
from charrnn.generation.history import Character
from charrnn.generation.writer import Writer
from charrnn.terminal import printable

Row = list[tuple[str, str]]
"""Pieces of a line: a style, as prompt_toolkit writes them, and a text."""

YOURS, MODEL, CHOSEN, QUIET, STRONG = "class:yours", "", "class:chosen", "class:quiet", "class:strong"
COPIED = " class:copied"
"""Stands behind another style."""
LENGTHENS = "="
"""Marks a proposal with which a run of the corpus would begin, or go on."""
CURSOR = "[SetCursorPosition]"
SIGNS = {"\n": "↵", " ": "␣", "\t": "⇥", "": "end", "\u3000": "□"}
"""How characters are shown in proposals that one would not see."""
CELL = 10
"""The fewest columns of a proposed character."""
WORD_ROWS = 3
"""The rows of proposed words."""
LEAST = 3
"""The fewest rows of the text: other parts go first."""


@dataclass
class View:
    """What is shown beside the writer's text."""

    writer: Writer
    title: str
    proposals: list[Proposal] = field(default_factory=list)
    words: list[Proposal] = field(default_factory=list)
    chosen: int = 0
    """Which of the proposals, and after them of the words, the key takes."""
    back: int = 0
    """The number of rows by which the text is scrolled back."""
    copied: Sequence[bool] = ()
    """Of the first characters of the text whether each is copied."""
    lengthening: Container[str] = ()
    """The proposals with which a run of the corpus would begin, or go on."""
    told: str = ""
    """How much is copied, in words."""


@lru_cache(20_000)
def shown(text: str) -> tuple[str, int]:
    """A character of a text as it is shown, and its width in columns."""
    text = "    " if text == "\t" else printable(text)
    width = wcswidth(text)
    return (text, width) if width >= 0 else ("\ufffd", 1)


def wrapped(characters: Sequence[Character], width: int, count: int, copied: Sequence[bool] = ()) -> list[Row]:
    """The last `count` rows, or all if there are fewer, of a text in lines of at most `width` columns."""
    rows: list[Row] = []
    end = len(characters)
    while end >= 0 and len(rows) < count:
        start = end
        while start and not characters[start - 1].text.startswith("\n"):  # which may have a stray mark on it
            start -= 1
        breaks = _breaks(characters, start, end, width)
        rows = [*(_row(characters[first:last], copied[first:last]) for first, last in breaks), *rows]
        end = start - 1
    return rows[-count:]


def _breaks(characters: Sequence[Character], start: int, end: int, width: int) -> list[tuple[int, int]]:
    """Where the rows of a line begin and end. A row ends after a space, if there is one."""
    rows = []
    first, column, space = start, 0, start
    for i in range(start, end):
        own = shown(characters[i].text)[1]
        while column + own > width and i > first:
            last = space if space > first else i
            rows.append((first, last))
            first, space = last, last
            column = sum(shown(one.text)[1] for one in characters[first:i])
        column += own
        if characters[i].text == " ":
            space = i + 1
    return [*rows, (first, end)]


def _row(characters: Sequence[Character], copied: Sequence[bool]) -> Row:
    row: Row = []
    for i, character in enumerate(characters):
        style = (YOURS if character.by == "person" else MODEL) + (COPIED if i < len(copied) and copied[i] else "")
        if row and row[-1][0] == style:
            row[-1] = style, row[-1][1] + shown(character.text)[0]
        else:
            row.append((style, shown(character.text)[0]))
    return row


def visible(text: str) -> str:
    """A proposal as it is shown: what one would not see as a sign."""
    if text in SIGNS:
        return SIGNS[text]
    return printable("".join(SIGNS[one] if one in "\n\t" else one for one in text))


def percent(p: float) -> str:
    """A probability in at most four columns."""
    if p >= 0.0995:
        return f"{100 * p:.0f}%"
    return f"{100 * p:.1f}%" if p >= 0.0005 else "<.1%"


def fitted(text: str, width: int) -> str:
    """A text cut or filled to a width in columns."""
    out, column = "", 0
    for one in text:
        own = max(0, wcswidth(one))
        if column + own > width:
            break
        out, column = out + one, column + own
    return out + " " * (width - column)


def shortened(text: str, width: int) -> str:
    """A text of at most so many columns, with … where something is left out."""
    return text if wcswidth(text) <= width else fitted(text, width - 1).rstrip() + "…"


def folded(text: str, style: str, width: int, count: int) -> list[Row]:
    """A message in rows of at most `width` columns, the first `count` of them."""
    characters = [Character(one, (), "model") for one in text]
    return [[(style, text[first:last])] for first, last in _breaks(characters, 0, len(text), width)][:count]


class Cell(NamedTuple):
    """A proposal as it is shown."""

    text: str
    mark: str
    """What the form says of it, and whether it lengthens a run of the corpus."""
    width: int
    """The columns that it takes, with the space behind it."""
    lengthens: bool


def characters_shown(view: View, width: int) -> list[Cell]:
    """The proposed characters that fit side by side, one at least if there is any; none where only the end may come."""
    if not any(one.text for one in view.proposals):
        return []
    cells: list[Cell] = []
    for number, one in enumerate(view.proposals[:9]):
        text = f"{number + 1} {visible(one.text)} {percent(one.probability)}"
        lengthens = one.text in view.lengthening
        mark = marks_of(view.writer, one.text) + LENGTHENS * lengthens
        own = max(CELL, wcswidth(text) + 1, wcswidth(mark) + 3)
        if cells and sum(cell.width for cell in cells) + own > width + 1:
            break
        cells.append(Cell(text, mark, own, lengthens))
    return cells


def words_shown(view: View, width: int) -> list[list[Cell]]:
    """Rows of proposed words, as wide as the widest one, each with the tones of its characters where a form is on."""
    cells = []
    for one in view.words:
        tones = "".join(marks_of(view.writer, character, rhymes=False) for character in one.text)
        lengthens = one.text in view.lengthening
        marks = tones + LENGTHENS * lengthens
        text = f"{visible(one.text)} {marks + ' ' if marks else ''}{percent(one.probability)}"
        cells.append(Cell(text, "", wcswidth(text) + 2, lengthens))
    widest = max((cell.width for cell in cells), default=width)
    columns = max(1, (width + 2) // widest)
    cells = [cell._replace(width=(width + 2) // columns) for cell in cells]
    return [cells[i : i + columns] for i in range(0, len(cells), columns)][:WORD_ROWS]


def render(view: View, width: int, height: int) -> list[Row]:
    """The rows of the screen, above the messages and the keys: title, text, proposals, words."""
    below = _proposals(view, width)
    if height - len(below) - 1 >= LEAST + WORD_ROWS:
        below += _words(view, width)
    title: list[Row] = []
    if height - len(below) > LEAST:
        title = [[(STRONG, fitted(view.title, width))]]
    below = below[: max(0, height - 1)]
    space = height - len(title) - len(below)
    rows = wrapped(view.writer.characters, width - 1, space + view.back, view.copied)
    rows = rows[: len(rows) - view.back] if view.back < len(rows) else rows[:1]
    rows = rows[-space:]
    if not view.back:
        rows[-1] = [*rows[-1], (CURSOR, " ")]  # a cursor stands on a character
    return [*title, *rows, *([[]] * (space - len(rows))), *below]


def _proposals(view: View, width: int) -> list[Row]:
    """The line between, the likeliest characters, and below them what the form says of each."""
    cells = characters_shown(view, width)
    characters: Row = []
    for number, cell in enumerate(cells):
        characters += _padded(cell, number == view.chosen)
    if not cells and (view.proposals or view.writer.is_whole):
        characters = [(QUIET, "(the text ends here)")]
    marks = "".join(fitted("  " + cell.mark, cell.width) for cell in cells).rstrip()
    return [[(QUIET, "─" * width)], _trimmed(characters), *([[(QUIET, marks)]] if marks else [])]


def _words(view: View, width: int) -> list[Row]:
    """The rows of words, as many as there may be, so that the text above does not move when words are found."""
    rows: list[Row] = []
    number = len(characters_shown(view, width))
    for cells in words_shown(view, width):
        row: Row = []
        for cell in cells:
            row += _padded(cell, number == view.chosen)
            number += 1
        rows.append(_trimmed(row))
    return [*rows, *([[]] * (WORD_ROWS - len(rows)))]


def _trimmed(row: Row) -> Row:
    """The row without the spaces at its end."""
    return row[:-1] if row and row[-1][1].isspace() else row


def _padded(cell: Cell, chosen: bool) -> Row:
    style = (CHOSEN if chosen else MODEL) + (COPIED if cell.lengthens else "")
    return [(style, cell.text), (MODEL, " " * (cell.width - wcswidth(cell.text)))]
