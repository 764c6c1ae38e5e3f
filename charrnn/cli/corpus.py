"""`charrnn corpus`: the named corpora."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.options import Json, complete_corpus
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError

app = typer.Typer(help="The named corpora: list all, fetch one, show one.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[
    str,
    typer.Argument(help="A name from `charrnn corpus list`.", autocompletion=complete_corpus, show_default=False),
]


@app.command("list")
def list_corpora(as_json: Json = False) -> None:
    """List the named corpora with their sizes, modes and languages."""
    from charrnn.terminal import table
    from charrnn.text.corpora import register

    entries = register()
    if as_json:
        rows = [{"name": name, **entry.model_dump(exclude={"sources", "base"})} for name, entry in entries.items()]
        show_json(rows)
        return
    head = ["name", "characters", "mode", "language", "what"]
    show(table([head, *([name, e.characters, e.mode, e.language, e.title] for name, e in entries.items())]))


@app.command()
def get(
    name: Name,
    out: Annotated[Path, typer.Option(help="The folder for NAME.txt.")] = Path("data"),
    overwrite: Annotated[bool, typer.Option(help="Replace a file of that name.")] = False,
) -> None:
    """Fetch and check a corpus, write it as data/NAME.txt (UTF-8), and print the file's path.

    A training with `corpus: {name: ...}` does not need this file: it keeps a copy of its own in the cache.
    """
    from charrnn.files import copy_file, sha256
    from charrnn.text.corpora import prepare

    target = out / f"{name}.txt"
    source = prepare(name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        same = target.is_file() and sha256(target) == sha256(source)
        if os.path.lexists(target) and not same and not overwrite:
            raise CharrnnError(f"{target}: exists and is another text; give --out another folder, or --overwrite")
    except OSError as error:
        raise CharrnnError(f"{error.filename or target}: cannot be used: {error.strerror}") from None
    if not same:
        copy_file(source, target, replace=overwrite)
    show(str(target))


@app.command("show")
def describe(
    name: Name, length: Annotated[int, typer.Option(help="Characters of the text to show.", min=0)] = 300
) -> None:
    """Describe a corpus, and show how its text begins."""
    from charrnn.terminal import table
    from charrnn.text.corpora import named, prepare

    entry = named(name)
    file = prepare(name)
    with file.open(encoding="utf-8") as stream:
        beginning = stream.read(length)
    sources = (
        f"{entry.base} ({len(entry.sources)} file{'s' * (len(entry.sources) != 1)})" if entry.base else entry.format
    )
    rows = [["name", name], ["what", entry.title], ["language", entry.language], ["licence", entry.licence]]
    rows += [["characters", entry.characters], ["mode", entry.mode], ["source", sources], ["file", str(file)]]
    show(table(rows) + "\n\n" + beginning)
