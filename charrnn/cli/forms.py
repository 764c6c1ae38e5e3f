"""`charrnn forms`: the forms of verse that `charrnn sample --form` writes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.options import Json
from charrnn.cli.output import show, show_json
from charrnn.cli.usage import Command, Group

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
    """List the regulated forms. Sizes such as 5x8 (eight lines of five) and YAML files are forms too."""
    from charrnn.terminal import table
    from charrnn.verse.forms import FORMS

    if as_json:
        show_json([_document(name, form) for name, form in FORMS.items()])
        return
    show(table([[name, form.name, f"{len(form.lines)} lines of {form.lines[0]}"] for name, form in FORMS.items()]))


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
    from charrnn.verse.forms import find_form

    found = find_form(form)
    if as_json:
        show_json(_document(form, found))
        return
    ways = found.patterns or (tuple(("中" * length,) for length in found.lines),)
    for way, lines in enumerate(ways):
        name = f"{found.name} {found.names[way]}".strip() if found.names else found.name
        rhymes = found.rhymes_of(way)
        rows = [[str(i), " | ".join(line), "韻" if i - 1 in rhymes else ""] for i, line in enumerate(lines, 1)]
        show(f"{name}\n{table(rows)}")


def _document(name: str, form: Form) -> dict[str, Any]:
    ways = [{"name": own, "tones": lines} for own, lines in zip(form.names or [""], form.patterns, strict=False)]
    return {"name": name, "chinese": form.name, "lines": form.lines, "ways": ways}
