"""What all chapters are made of."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from html import escape

from charrnn.errors import CharrnnError
from charrnn.report.page import both
from charrnn.run import Run
from charrnn.text.vocab import Vocabulary

SAMPLE = 600
"""The most characters of a sample that are shown."""


def heading(english: str, chinese: str, level: int = 2) -> str:
    """A heading in both languages."""
    return f"<h{level}>{both(english, chinese)}</h{level}>"


def note(english: str, chinese: str) -> str:
    """A line in small letters."""
    return f'<p class="hint">{both(english, chinese)}</p>'


def verdict(english: str, chinese: str) -> str:
    """What a chapter says, in a sentence."""
    return f'<p class="verdict">{both(english, chinese)}</p>'


def command(run: Run, what: str) -> str:
    """The command that measures all of what a chapter measures on less."""
    return f"<code>charrnn inspect {what} {escape(shlex.quote(name_of(run)))}</code>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of HTML; `numbers` are the columns that are set to the right."""

    def cell(kind: str, column: int, text: str) -> str:
        return f"<{kind}{' class=number' if column in numbers else ''}>{text}</{kind}>"

    lines = [f"<tr>{''.join(cell('th', i, text) for i, text in enumerate(head))}</tr>"] if head else []
    lines += [f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>" for row in rows]
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def name_of(run: Run) -> str:
    """The name of a run's folder, without those around it, which say where somebody keeps it."""
    return run.path.resolve().name


def in_bits(nats: float) -> str:
    """Nats as bits, in digits."""
    return f"{nats / math.log(2):.3f}"


def shortened(text: str) -> str:
    """A sample that is not too long."""
    return text if len(text) <= SAMPLE else text[:SAMPLE] + " …"


def told(run: Run, error: CharrnnError) -> str:
    """What is missing in a run, with the run's name in place of its path."""
    return str(error).replace(str(run.path), name_of(run))


def shown(vocabulary: Vocabulary, one: int) -> str:
    """A character as one sees it, in HTML."""
    if one >= vocabulary.unknown:
        return both("end", "结束") if one == vocabulary.boundary else "&lt;unk&gt;"
    character = vocabulary.characters[one]
    if vocabulary.kind == "byte" and not 32 < one < 127:
        return f"\\x{one:02x}"
    named = {"\n": "↵", " ": "␣", "\t": "⇥", "\u3000": "□"}
    return named.get(character) or (escape(character) if character.isprintable() else f"U+{ord(character):04X}")


def left_out(why: str) -> str:
    """A line in the place of what is missing."""
    return note(f"Left out: {escape(why)}", f"略去：{escape(why)}")
