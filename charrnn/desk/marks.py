"""What a form of verse says of a character that may come next: its tone, and its rhyme where one is due."""

from __future__ import annotations

from charrnn.generation.writer import Writer
from charrnn.text.forms import is_ideograph
from charrnn.verse.automaton import Verse


def marks_of(writer: Writer, character: str, rhymes: bool = True) -> str:
    """The tone, 平, 仄 or 中 (both), and with `rhymes` the groups, of a character as the next one.

    Empty where no form with tones or rhymes is on, and for what is no Chinese character. ？ is a character that the
    table does not have.
    """
    verse = writer.constraint
    if not isinstance(verse, Verse) or verse.readings is None or len(character) != 1 or not is_ideograph(character):
        return ""
    tones = verse.readings.tones(character)
    tone = "？" if not tones else "中" if len(tones) > 1 else next(iter(tones))
    if not rhymes or not verse.wish.rhyme or not writer.at_rhyme:
        return tone
    groups = sorted({name[-1] for name in verse.readings.groups(character)})
    return tone + "韻" + "".join(groups[:2])
