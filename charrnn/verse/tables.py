"""The tables of tones and rhymes by their names."""

from __future__ import annotations

from pathlib import Path

from charrnn.verse.modern import xinyun
from charrnn.verse.readings import Readings, own_table, pingshui

TABLES = {"pingshui": pingshui, "xinyun": xinyun}
ANY = ("any", *TABLES)
"""What `--rhyme` may say instead of a group."""
CLASSICAL = ("tang", "tang-regulated", "song-ci", "yuanqu", "shijing")
"""The named corpora that Pingshui judges, in whatever form."""


def table_of(name: str | Path) -> Readings:
    """The table of a name, or of a user's file. Raises CharrnnError where it is missing."""
    return TABLES[str(name)]() if str(name) in TABLES else own_table(Path(name))
