"""The forms of verse: how many characters each line has, which lines rhyme, and the tones of regulated verse and ci.

Tones are written 平 (level), 仄 (oblique) and 中 (either), as in 王力, 《詩詞格律》 (1962). Regulated verse has four
kinds of line, a, A, b and B, which differ in the tone of the second character and of the last.

A line of a file is written `中仄中平平仄，a`: its tones, the kind of mark after it (， within a sentence, 。 at its
end), and the letter of its rhyme.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from charrnn.errors import CharrnnError
from charrnn.loading import read_config, read_yaml
from charrnn.mistakes import Place, mistakes
from charrnn.text.forms import are_variants

LINES = {
    "a": ["中仄中平仄"],
    "A": ["中仄仄平平"],  # 仄 in the third place: no three level tones at the end (三平尾)
    "b": ["中平平仄仄", "平平仄平仄"],  # the second is the usual exchange of the third and fourth tone
    "B": ["平平中仄平", "仄平平仄平"],  # no level tone alone between oblique ones (孤平)
}
"""The tones of the four kinds of line of five characters. A line of seven has two more in front, of the other tone."""
KINDS = {
    "仄起": "aBbAaBbA",
    "平起": "bAaBbAaB",
    "仄起，首句入韻": "ABbAaBbA",
    "平起，首句入韻": "BAaBbAaB",
}
"""The kinds of the lines of a regulated poem. The lines of a couplet are opposed (對), couplets adhere (黏)."""
MIDDLE, FINAL = "，、；：！？。", "。？！；"
"""The marks with which the first line of a couplet may end, and the second."""
WITHIN = "，、："
"""The marks with which a line of ci may end within a sentence; at its end those of a second line stand."""
MOST_LINES, LONGEST = 200, 100
LINE = rf"[平仄中]{{1,{LONGEST}}}[，。][a-z]?"
"""A line of a pattern: its tones, its mark, and where it rhymes a letter."""
TUNES = Path(__file__).with_name("tunes.yaml")
"""The tunes of ci, as `charrnn forms learn song-ci` wrote them."""
FREE = "."
"""In `Way.rhymes`, a line that does not rhyme."""

Length = Annotated[int, Field(ge=1, le=LONGEST)]
Pattern = Annotated[str, Field(pattern=rf"^[平仄中]{{1,{LONGEST}}}[，。][a-z]?$")]


class _File(BaseModel):
    """A form in a file."""

    model_config = ConfigDict(extra="forbid")

    lines: Annotated[list[Length] | list[Pattern], Field(min_length=1, max_length=MOST_LINES)]
    rhymes: list[int] = []
    tones: list[str] | None = None


@dataclass(frozen=True)
class Way:
    """One of the ways in which a poem of a form may go."""

    rhymes: str
    """A letter for each line, the same one for lines that rhyme; `FREE` for a line that does not."""
    tones: tuple[tuple[str, ...], ...] = ()
    """For each line the tones that it may have; nothing where the form says none."""
    name: str = ""


@dataclass(frozen=True)
class Form:
    """A form of verse."""

    name: str
    lines: tuple[int, ...]
    """The number of characters of each line."""
    ways: tuple[Way, ...]
    marks: str = ""
    """For each line ， or 。; nothing for couplets."""
    source: str = ""
    """From how many poems it was learnt."""

    @property
    def is_ci(self) -> bool:
        """Whether it is a form of ci: rhymes are those of 詞林正韻, and a character may come again."""
        return bool(self.marks)

    @property
    def has_tones(self) -> bool:
        """Whether the form says the tones."""
        return any(way.tones for way in self.ways)


def tones_of(kind: str, length: int) -> tuple[str, ...]:
    """The tones that a line of a kind may have, in five or seven characters."""
    if length == 5:
        return tuple(LINES[kind])
    return tuple(("中平" if line[1] == "仄" else "中仄") + line for line in LINES[kind])


def _regulated(name: str, length: int, count: int) -> Form:
    ways = tuple(
        Way(
            ("a" if kinds[0] in "AB" else FREE) + couplets(count)[1:],
            tuple(tones_of(kind, length) for kind in kinds[:count]),
            way,
        )
        for way, kinds in KINDS.items()
    )
    return Form(name, (length,) * count, ways)


def couplets(count: int) -> str:
    """The rhymes of so many lines of which every second one rhymes."""
    return (FREE + "a") * (count // 2) + FREE * (count % 2)


FORMS = {
    "wujue": _regulated("五絕", 5, 4),
    "qijue": _regulated("七絕", 7, 4),
    "wulü": _regulated("五律", 5, 8),
    "qilü": _regulated("七律", 7, 8),
}
NAMES = {
    **{form.name: name for name, form in FORMS.items()},
    **{"五绝": "wujue", "七绝": "qijue", "wulu": "wulü", "wulv": "wulü", "qilu": "qilü", "qilv": "qilü"},
}
"""Other names of the forms."""


def find_form(name: str) -> Form:
    """The form of a name (wujue, 五絕, a tune of ci such as 菩薩蠻), a size (5x8: eight lines of five), its tones
    (仄仄平平仄，平平仄仄平。a: lines, with a letter where they rhyme) or a YAML file.

    Raises CharrnnError where there is none, with the names that are nearest.
    """
    if name in FORMS or name in NAMES:
        return FORMS[NAMES.get(name, name)]
    if size := re.fullmatch(r"(\d{1,3})\s*[x×]\s*(\d{1,3})", name):
        length, count = map(int, size.groups())
        if not (1 <= length <= LONGEST and 1 <= count <= MOST_LINES):
            raise CharrnnError(f"‹form={name}›: lines of 1 to {LONGEST} characters and 1 to {MOST_LINES} lines, please")
        return Form(f"{length}×{count}", (length,) * count, (Way(couplets(count)),))
    if re.fullmatch(rf"(?:{LINE}\s*){{1,{MOST_LINES}}}", name):
        return tune(name, re.findall(LINE, name))
    if name.endswith((".yaml", ".yml")):
        return _read(Path(name))
    if own := find_tune(name):
        return tunes()[own]
    known = ", ".join([*FORMS, *(form.name for form in FORMS.values())])
    near = get_close_matches(name, tunes(), n=3, cutoff=0.5)
    raise CharrnnError(
        f"‹form={name}›: no such form; there are {known}, sizes such as 5x8, YAML files, and "
        + (f"of tunes near to it {', '.join(near)}" if near else f"{len(tunes())} tunes (charrnn forms list)")
    )


@cache
def tunes() -> dict[str, Form]:
    """The tunes of ci by their names, in simplified characters."""
    document: dict[str, dict[str, Any]] = yaml.load(TUNES.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {name: tune(name, own["lines"], own["poems"]) for name, own in document.items()}


def find_tune(name: str) -> str | None:
    """The name of a tune as `tunes` has it, which may be given in traditional characters; None where there is none."""
    return name if name in tunes() else next((own for own in tunes() if are_variants(name, own)), None)


def tune(name: str, lines: Sequence[str], source: str = "") -> Form:
    """The form of lines such as `中仄中平平仄，a`."""
    tones = tuple((line.rstrip("abcdefghijklmnopqrstuvwxyz")[:-1],) for line in lines)
    rhymes = "".join(line[-1] if line[-1].isascii() else FREE for line in lines)
    marks = "".join("，" if "，" in line else "。" for line in lines)
    return Form(name, tuple(len(line) for (line,) in tones), (Way(rhymes, tones),), marks, source)


def _read(file: Path) -> Form:
    """The form in a file. Raises CharrnnError for a mistake in it."""
    data, marks = read_yaml(read_config(file), str(file))
    try:
        given = _File.model_validate(data)
    except ValidationError as error:
        raise mistakes(error, _File, data, Place(str(file), marks)) from None
    patterns = [line for line in given.lines if isinstance(line, str)]
    if patterns:
        if given.rhymes or given.tones:
            raise CharrnnError(f"{file}: lines that are written with their tones and rhymes need no tones and rhymes")
        return tune(file.stem, patterns)
    lengths = tuple(line for line in given.lines if isinstance(line, int))
    count = len(lengths)
    if wrong := [line for line in given.rhymes if not 1 <= line <= count]:
        raise CharrnnError(f"{file}: rhymes: line {wrong[0]}: 1 to {count} were expected")
    tones = given.tones or []
    for i, line in enumerate(tones):
        if i >= count or len(line) != lengths[i] or not set(line) <= set("平仄中"):
            raise CharrnnError(
                f"{file}: tones: {line}: {lengths[min(i, count - 1)]} of 平, 仄 and 中 for each of {count} lines "
                "were expected"
            )
    if tones and len(tones) != count:
        raise CharrnnError(f"{file}: tones: {len(tones)} lines, and the form has {count}")
    rhymes = "".join("a" if i in given.rhymes else FREE for i in range(1, count + 1))
    way = Way(rhymes if given.rhymes else couplets(count), tuple((line,) for line in tones))
    return Form(file.stem, lengths, (way,))
