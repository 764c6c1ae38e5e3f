"""`charrnn verse`: judges poems, and mends them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.opening import regular
from charrnn.cli.options import Checkpoint, Device, Json, RunFolder
from charrnn.cli.output import show, show_json
from charrnn.cli.usage import Command, Group
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.verse.check import Judgement

app = typer.Typer(
    cls=Group,
    help="Chinese verse: check poems by the rules of their form, and mend them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
MOST = 100_000_000
"""The most bytes of a file of poems."""

Table = Annotated[
    str,
    typer.Option(
        "--rhyme-table",
        metavar="TABLE|FILE",
        help="What decides tones and rhymes: pingshui, xinyun (today's readings), or a YAML file of yours: level and "
        "oblique, each {group: characters}.",
    ),
]


Form = Annotated[
    str | None,
    typer.Option(
        "--form",
        help="The form of the poems, such as a tune of ci (`charrnn forms list`), a size or a YAML file. Default: the "
        "regulated form that has such lines.",
    ),
]


@app.command(cls=Command)
def check(
    file: Annotated[Path, typer.Argument(help="A UTF-8 file of poems; - is standard input.", show_default=False)],
    form: Form = None,
    table: Table = "pingshui",
    every: Annotated[bool, typer.Option("--all", help="Show the poems too that break no rule.")] = False,
    as_json: Json = False,
) -> None:
    """Judge every poem of a file by the rules of regulated verse (五絕, 七絕, 五律, 七律), or by those of a form.

    Blank lines stand between poems. With --form a title above a poem is passed over. Of each poem the tones are shown
    below its lines, and each fault is named with its line and the places of its characters. The exit code is 0 whatever
    is found.
    """
    from charrnn.verse.check import judge, judge_as, poems_of
    from charrnn.verse.forms import find_form
    from charrnn.verse.tables import table_of

    known, wanted = table_of(table), None if form is None else find_form(form)
    poems = poems_of(text_of(file))
    judged = [judge(p, known) if wanted is None else judge_as(p, wanted, known) for p in poems]
    if not judged:
        raise CharrnnError(f"{file}: no poem in it; blank lines stand between poems, which are in Chinese characters")
    if as_json:
        show_json([one.document() for one in judged])
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


def text_of(file: Path) -> str:
    """The text of a UTF-8 file, or of standard input. Raises CharrnnError where it is none."""
    from charrnn.files import read_given

    with regular(file) as place:
        raw = read_given(place, MOST)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise CharrnnError(f"{file}: not UTF-8 at byte {error.start:,}") from None


def _shown(number: int, one: Judgement) -> str:
    marked = {(fault.line, place) for fault in one.faults for place in fault.places}
    said = [f"{number}  {one.form or 'another form'}: " + ("; ".join(map(str, one.faults)) or "right")]
    for i, (line, tones) in enumerate(zip(one.lines, one.tones, strict=True), 1):
        said.append(f"   {line}")
        said.append("   " + "".join("＊" if (i, j) in marked else tone for j, tone in enumerate(tones, 1)))
    return "\n".join(said)


@app.command(cls=Command)
def mend(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(help="A UTF-8 file of poems; - is standard input.", show_default=False)],
    form: Form = None,
    table: Table = "pingshui",
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Mend every poem of a file: the fewest changed characters after which it is right, chosen by a model.

    Blank lines stand between poems. Without --form the form is the regulated one that has such lines. Of all ways to
    mend a poem with so few changes, the likeliest that a beam search finds is taken. Standard error tells the changes.
    """
    from charrnn.cli.opening import open_run
    from charrnn.terminal import say
    from charrnn.verse.check import judge, lines_of, poems_of
    from charrnn.verse.tables import table_of

    opened, known = open_run(run, device, checkpoint, quiet=as_json), table_of(table)
    documents: list[dict[str, Any]] = []
    for number, poem in enumerate(poems_of(text_of(file)), 1):
        name = form or judge(poem, known).form
        if not name:
            shape = "、".join(str(len(line)) for line in lines_of(poem))
            raise CharrnnError(f"{file}: poem {number} has lines of {shape}, which is no regulated form; give --form")
        mended = opened.mend(poem.strip(), name, rhyme_table=table)
        told = [f"{was} → {now}" for _, was, now in mended.changes]
        say(f"{number}  {name}: {len(told)} changed{': ' if told else ''}{', '.join(told)}")
        changes = [{"place": place, "was": was, "is": now} for place, was, now in mended.changes]
        documents.append({"text": mended.text, "changes": changes, "log_prob": mended.log_prob})
    if not documents:
        raise CharrnnError(f"{file}: no poem in it; blank lines stand between poems, which are in Chinese characters")
    if as_json:
        show_json(documents)
    else:
        show("\n\n".join(document["text"] for document in documents))
