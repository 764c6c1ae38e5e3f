"""The file `run.json`: the facts of a run that its config does not have."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from charrnn.cells import CELLS
from charrnn.files import Count, Record
from charrnn.store.machine import Machine
from charrnn.text.reader import Damage
from charrnn.text.vocab import Rare

FORMAT = 1
"""The format of a run's folder. A run of a newer format is refused; older formats will still be read."""


RESULTS = 1
"""A number that goes up with every change after which the same config, text and seed give other weights. A sweep trains
a variant anew whose run has another one."""


class Facts(Record):
    """The facts of a run that its config does not have, as `run.json` holds them."""

    format: Count
    charrnn: str = ""
    torch: str = ""
    results: Count = 0
    """The `RESULTS` of the charrnn that trained it; 0 of one that had none."""
    machine: Machine | None = None
    """What it was begun on."""
    id: str
    parameters: Count
    fingerprint: str
    mode: Literal["stream", "documents"]
    characters: dict[Literal["train", "val", "test"], Count] = Field(min_length=3)
    documents: Count | None
    vocabulary: Count
    rare: Rare | None = None
    """The characters of the text that became <unk>."""
    damage: Damage | None = None
    """The bytes of the text that did not decode."""
    recognised: str = ""
    """The encoding that was recognised, and how surely; nothing where it was given."""
    init_from: str = ""
    """The id of the run whose weights this one began with."""
    plugin: str = ""
    """The name of the file that defines the cell, if the cell is not charrnn's own. Only messages use the name."""
    cell: str = ""
    """The name of that cell."""
    code: str = ""
    """The SHA-256 of that file, and of what it imports from its folder."""

    @property
    def cell_has_changed(self) -> bool:
        """Whether a cell of the user's own comes from another file now than when the run began."""
        return bool(self.code) and self.code != CELLS[self.cell].code
