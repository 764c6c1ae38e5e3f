"""`run.json`: what a run is, as far as its config leaves it open."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from charrnn.files import Count, Record

FORMAT = 1
"""Of the run's folder. A run of a newer format is refused; older ones will go on being read."""


class Facts(Record):
    """`run.json`: what a run is, as far as its config leaves it open."""

    format: Count
    charrnn: str = ""
    torch: str = ""
    id: str
    parameters: Count
    fingerprint: str
    mode: Literal["stream", "documents"]
    characters: dict[Literal["train", "val", "test"], Count] = Field(min_length=3)
    documents: Count | None
    vocabulary: Count
    plugin: str = ""
    """The name of the file that its cell comes from, if that is not charrnn's own. A name to tell, never opened."""
    cell: str = ""
    """The name of that cell."""
