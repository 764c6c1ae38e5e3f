"""The options of `charrnn sample` for what stands in the heading of a text: its title, its author, its tune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.run import Run

Title = Annotated[
    str | None,
    typer.Option("--title", help="The title in the heading, for a model whose texts have one. Default: any."),
]
Author = Annotated[
    str | None, typer.Option("--author", help="The author in the heading, one whom the model knows. Default: any.")
]
Tune = Annotated[str | None, typer.Option("--tune", help="The tune in the heading. Default: that of --form, or any.")]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME=VALUE",
        help="Another field of the heading, as corpus.field names it. May be repeated. Default: any.",
    ),
]


def fields_of(
    run: Run, title: str | None, author: str | None, tune: str | None, others: list[str] | None, form: str | None
) -> dict[str, str] | None:
    """The fields that are given, with the tune of a form.

    None where none is given, and there are no headings or nothing is asked of what stands below one. An empty `form`
    stands for anything else that is asked of it.

    Raises CharrnnError for one that is given twice.
    """
    given = {name: one for name, one in (("title", title), ("author", author), ("tune", tune)) if one is not None}
    for other in others or []:
        name, is_there, value = other.partition("=")
        if not is_there:
            raise CharrnnError(f"--field {other}: NAME=VALUE was expected, such as title=山中")
        if name in given:
            raise CharrnnError(f"--field {other}: {name} is given twice")
        given[name] = value
    if form is None and not given:
        return None
    if run.headings is None:
        return given or None
    if form and "tune" in run.headings.names:
        from charrnn.verse.forms import find_form

        own = find_form(form)
        if own.is_ci and own.name in run.headings.known.get("tune", []):
            given.setdefault("tune", own.name)
    return given
