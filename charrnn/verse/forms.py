"""The forms of verse: how many characters each line has, which lines rhyme, and the tones of regulated verse.

A line's tones are written 平 (level), 仄 (oblique) and 中 (either), as in 王力, 《詩詞格律》 (1962). There are four
kinds of line, a, A, b and B, which differ in the tone of the second character and of the last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from charrnn.errors import CharrnnError
from charrnn.loading import read_config, read_yaml
from charrnn.mistakes import Place, mistakes

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
"""The marks with which the first and the second line of a couplet may end."""
MOST_LINES, LONGEST = 200, 100

Line = Annotated[int, Field(ge=1, le=LONGEST)]


class _File(BaseModel):
    """A form in a file."""

    model_config = ConfigDict(extra="forbid")

    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]
    rhymes: list[int] = []
    tones: list[str] | None = None


@dataclass(frozen=True)
class Form:
    """A form of verse."""

    name: str
    lines: tuple[int, ...]
    """The number of characters of each line."""
    patterns: tuple[tuple[tuple[str, ...], ...], ...] = ()
    """The ways in which a poem may go, each a tuple of lines, each a tuple of the tones that the line may have."""
    rhymes: tuple[tuple[int, ...], ...] = ()
    """For each way, or for all of them, the lines whose last characters rhyme, from 0."""
    names: tuple[str, ...] = ()
    """The names of the ways."""

    @property
    def regulated(self) -> bool:
        """Whether the form says the tones."""
        return bool(self.patterns)

    def rhymes_of(self, way: int) -> tuple[int, ...]:
        """The lines that rhyme in one of the ways."""
        return self.rhymes[min(way, len(self.rhymes) - 1)] if self.rhymes else tuple(range(1, len(self.lines), 2))


def tones_of(kind: str, length: int) -> tuple[str, ...]:
    """The tones that a line of a kind may have, in five or seven characters."""
    if length == 5:
        return tuple(LINES[kind])
    return tuple(("中平" if line[1] == "仄" else "中仄") + line for line in LINES[kind])


def _regulated(name: str, length: int, count: int) -> Form:
    patterns = tuple(tuple(tones_of(kind, length) for kind in kinds[:count]) for kinds in KINDS.values())
    even = tuple(range(1, count, 2))
    rhymes = tuple((0, *even) if kinds[0] in "AB" else even for kinds in KINDS.values())
    return Form(name, (length,) * count, patterns, rhymes, tuple(KINDS))


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
    """The form of a name (wujue, 五絕), a size (5x8: eight lines of five) or a YAML file.

    Raises CharrnnError where there is none.
    """
    if name in FORMS or name in NAMES:
        return FORMS[NAMES.get(name, name)]
    if size := re.fullmatch(r"(\d{1,3})\s*[x×]\s*(\d{1,3})", name):
        length, count = map(int, size.groups())
        if not (1 <= length <= LONGEST and 1 <= count <= MOST_LINES):
            raise CharrnnError(f"‹form={name}›: lines of 1 to {LONGEST} characters and 1 to {MOST_LINES} lines, please")
        return Form(f"{length}×{count}", (length,) * count)
    if name.endswith((".yaml", ".yml")):
        return _read(Path(name))
    known = ", ".join([*FORMS, *(form.name for form in FORMS.values())])
    raise CharrnnError(f"‹form={name}›: no such form; there are {known}, sizes such as 5x8, and YAML files")


def _read(file: Path) -> Form:
    """The form in a file. Raises CharrnnError for a mistake in it."""
    data, marks = read_yaml(read_config(file), str(file))
    try:
        given = _File.model_validate(data)
    except ValidationError as error:
        raise mistakes(error, _File, data, Place(str(file), marks)) from None
    count = len(given.lines)
    if wrong := [line for line in given.rhymes if not 1 <= line <= count]:
        raise CharrnnError(f"{file}: rhymes: line {wrong[0]}: 1 to {count} were expected")
    tones = given.tones or []
    for i, line in enumerate(tones):
        if i >= count or len(line) != given.lines[i] or not set(line) <= set("平仄中"):
            raise CharrnnError(
                f"{file}: tones: {line}: {given.lines[min(i, count - 1)]} of 平, 仄 and 中 for each of {count} lines "
                "were expected"
            )
    if tones and len(tones) != count:
        raise CharrnnError(f"{file}: tones: {len(tones)} lines, and the form has {count}")
    patterns = (tuple((line,) for line in tones),) if tones else ()
    rhymes = (tuple(sorted({line - 1 for line in given.rhymes})),) if given.rhymes else ()
    return Form(file.stem, tuple(given.lines), patterns, rhymes)
