"""`charrnn verse`: judges poems."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.opening import regular
from charrnn.cli.options import Json
from charrnn.cli.output import show, show_json
from charrnn.cli.usage import Command, Group
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.verse.check import Judgement
    from charrnn.verse.readings import Readings

app = typer.Typer(
    cls=Group,
    help="Chinese verse: check poems by the rules of regulated verse.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
MOST = 100_000_000
"""The most bytes of a file of poems."""

Table = Annotated[
    Path | None,
    typer.Option(
        "--rhyme-table",
        metavar="FILE",
        help="A YAML file of yours with tones and rhymes: level and oblique, each {group: characters}. "
        "Default: Pingshui.",
    ),
]


def readings(table: Path | None) -> Readings:
    """The tones and rhymes of a table of the user's, or of Pingshui."""
    from charrnn.verse.readings import own_table, pingshui

    return pingshui() if table is None else own_table(table)


@app.command(cls=Command)
def check(
    file: Annotated[Path, typer.Argument(help="A UTF-8 file of poems; - is standard input.", show_default=False)],
    table: Table = None,
    every: Annotated[bool, typer.Option("--all", help="Show the poems too that break no rule.")] = False,
    as_json: Json = False,
) -> None:
    """Judge every poem of a file by the rules of regulated verse: 五絕, 七絕, 五律, 七律.

    Blank lines stand between poems. Of each poem the tones are shown below its lines, and each fault is named with its
    line and the places of its characters. The exit code is 0 whatever is found.
    """
    from charrnn.verse.check import judge

    known = readings(table)
    judged = [judge(poem, known) for poem in _poems(file)]
    if not judged:
        raise CharrnnError(f"{file}: no poem in it; blank lines stand between poems, which are in Chinese characters")
    if as_json:
        show_json([_document(one) for one in judged])
        return
    for number, one in enumerate(judged, 1):
        if every or not one.is_right:
            show(_shown(number, one))
    forms = Counter(one.form or "another form" for one in judged)
    for form, count in forms.most_common():
        right = sum(one.is_right for one in judged if (one.form or "another form") == form)
        show(f"{form}: {right:,} of {count:,} right ({right / count:.1%})")
    faults = Counter(name for one in judged for name in {fault.name for fault in one.faults})
    if faults:
        show("poems with a fault: " + ", ".join(f"{name} {count:,}" for name, count in faults.most_common()))


def _poems(file: Path) -> list[str]:
    """The poems of a file that hold a Chinese character."""

    from charrnn.files import read_given
    from charrnn.verse.check import lines_of

    with regular(file) as place:
        raw = read_given(place, MOST)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CharrnnError(f"{file}: not UTF-8 at byte {error.start:,}") from None
    return [poem for poem in re.split(r"\n[^\S\n]*\n\s*", text.replace("\r\n", "\n")) if lines_of(poem)]


def _document(one: Judgement) -> dict[str, Any]:
    faults = [{"name": fault.name, "line": fault.line, "places": list(fault.places)} for fault in one.faults]
    return {"form": one.form, "right": one.is_right, "lines": one.lines, "tones": one.tones, "faults": faults}


def _shown(number: int, one: Judgement) -> str:
    marked = {(fault.line, place) for fault in one.faults for place in fault.places}
    said = [f"{number}  {one.form or 'another form'}: " + ("; ".join(map(str, one.faults)) or "right")]
    for i, (line, tones) in enumerate(zip(one.lines, one.tones, strict=True), 1):
        said.append(f"   {line}")
        said.append("   " + "".join("＊" if (i, j) in marked else tone for j, tone in enumerate(tones, 1)))
    return "\n".join(said)
