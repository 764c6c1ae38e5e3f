"""`charrnn forms`: the forms of verse that `charrnn sample --form` writes in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.options import Json
from charrnn.cli.output import show, show_json
from charrnn.cli.usage import Command, Group
from charrnn.cli.verse import Table, text_of
from charrnn.errors import CharrnnError
from charrnn.terminal import say

if TYPE_CHECKING:
    from charrnn.verse.forms import Form

app = typer.Typer(
    cls=Group,
    help="Forms of verse that `charrnn sample --form` writes in.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", cls=Command)
def list_forms(as_json: Json = False) -> None:
    """List the regulated forms and the tunes of ci. Sizes such as 5x8 and YAML files are forms too."""
    from charrnn.terminal import table
    from charrnn.verse.forms import FORMS, tunes

    if as_json:
        show_json([_document(name, form) for name, form in (FORMS | tunes()).items()])
        return
    rows = [[name, form.name, f"{len(form.lines)} lines of {form.lines[0]}"] for name, form in FORMS.items()]
    for name, form in tunes().items():
        rows.append([name, "ci", f"{sum(form.lines)} characters in {len(form.lines)} lines, learnt from {form.source}"])
    show(table(rows))


@app.command("show", cls=Command)
def show_form(
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORM",
            help="A name from `charrnn forms list`, a size such as 5x8, or a YAML file.",
            show_default=False,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show the lines of a form, those that rhyme, and the tones of each: 平 level, 仄 oblique, 中 either.

    A regulated poem goes one of several ways. Where a line may have one of two patterns, | stands between them.
    """
    from charrnn.terminal import table
    from charrnn.verse.forms import FREE, find_form

    found = find_form(form)
    if as_json:
        show_json(_document(form, found))
        return
    for way in found.ways:
        lines = way.tones or tuple(("中" * length,) for length in found.lines)
        marks = found.marks or " " * len(lines)
        rows = [
            [str(i), (" | ".join(line) + mark).strip(), f"韻 {letter}" if letter != FREE else ""]
            for i, (line, mark, letter) in enumerate(zip(lines, marks, way.rhymes, strict=True), 1)
        ]
        show(f"{found.name} {way.name}".strip() + f"\n{table(rows)}")
    if found.source:
        show(f"learnt from {found.source}")


@app.command("learn", cls=Command)
def learn_forms(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS|FILE",
            help="A named corpus, or a UTF-8 file: blank lines between poems, the first line of each is its tune.",
            show_default=False,
        ),
    ] = "song-ci",
    least: Annotated[int, typer.Option(min=2, help="Number of poems from which on a tune is learnt.")] = 15,
    table: Table = "pingshui",
) -> None:
    """Learn the tunes of ci from poems, and print them as YAML, to be read and mended.

    Of each tune the most frequent shape is taken. A tone stands where nine of ten poems agree. Lines with the same
    letter rhyme. One tune's `lines` are a form of their own: sample --form FILE.yaml.
    """
    from charrnn.text.corpora import prepare, register
    from charrnn.verse.check import divided
    from charrnn.verse.learning import learn, titled
    from charrnn.verse.tables import table_of

    known = table_of(table)
    file = prepare(corpus) if corpus in register() else Path(corpus)
    found = list(learn((titled(one) for one in divided(text_of(file)) if one.strip()), known, least))
    if not found:
        raise CharrnnError(
            f"{corpus}: no tune of {least} poems or more (--least): the first line of a poem is its tune"
        )
    for tune in found:
        show(f"{tune.name}:\n  poems: {tune.source}\n  lines:")
        for line in tune.lines:
            show(f"    - {line}")
    say(f"{len(found)} tunes")


def _document(name: str, form: Form) -> dict[str, Any]:
    ways = [{"name": way.name, "tones": way.tones, "rhymes": way.rhymes} for way in form.ways]
    return {"name": name, "chinese": form.name, "lines": form.lines, "marks": form.marks, "ways": ways}
