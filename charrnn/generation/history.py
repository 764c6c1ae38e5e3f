"""A text with who wrote each character, which is changed at its end only, and every change of which can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from charrnn.generation.track import Track

Author = Literal["person", "model"]


class Character(NamedTuple):
    """A character of a text."""

    text: str
    """As it is shown, in the person's own form."""
    ids: tuple[int, ...]
    """As the model reads it: none for one that it does not know, several for one of several bytes."""
    by: Author


@dataclass
class Edit:
    """A change of the end of a text."""

    at: int
    """The number of characters that it left as they were."""
    removed: list[Character]
    added: list[Character]
    until: str = ""
    """How far the model was to write; empty where it did not draw the characters."""
    most: int = 0
    """The most characters that it was to write."""


class History:
    """The characters of a text, and the edits that led to it."""

    def __init__(self, track: Track) -> None:
        """The track is kept at the ids of the text."""
        self.characters: list[Character] = []
        self._ends: list[int] = []
        """The number of ids up to each character and with it."""
        self._track = track
        self.done: list[Edit] = []
        self.undone: list[Edit] = []

    def ids_before(self, at: int) -> int:
        """The number of ids of the first `at` characters."""
        return self._ends[at - 1] if at else 0

    def do(self, edit: Edit) -> None:
        """Makes a new edit, after which nothing can be redone."""
        self._apply(edit.at, edit.added)
        self.done.append(edit)
        self.undone.clear()

    def extend(self, character: Character) -> None:
        """Adds a character to the last edit."""
        self.done[-1].added.append(character)
        self._apply(len(self.characters), [character])

    def undo(self) -> bool:
        """Takes the last edit back, if there is one."""
        if not self.done:
            return False
        edit = self.done.pop()
        self._apply(edit.at, edit.removed)
        self.undone.append(edit)
        return True

    def redo(self) -> bool:
        """Makes the last edit again that was taken back, if there is one."""
        if not self.undone:
            return False
        edit = self.undone.pop()
        self._apply(edit.at, edit.added)
        self.done.append(edit)
        return True

    def _apply(self, at: int, added: list[Character]) -> None:
        """Puts characters in the place of all those from a place on."""
        self._track.cut(self.ids_before(at))
        del self.characters[at:], self._ends[at:]
        for character in added:
            self.characters.append(character)
            self._ends.append(self.ids_before(len(self._ends)) + len(character.ids))
            self._track.add(character.ids)
