"""`charrnn corpus`: the named corpora, and a look at any text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.options import Json, TextEncoding, complete_corpus
from charrnn.cli.output import show, show_json
from charrnn.cli.usage import Command, Group
from charrnn.errors import CharrnnError

app = typer.Typer(
    cls=Group,
    help="Corpora: list the named ones, fetch one, look at one or at a text of your own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[
    str,
    typer.Argument(help="A name from `charrnn corpus list`.", autocompletion=complete_corpus, show_default=False),
]


@app.command("list", cls=Command)
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


@app.command(cls=Command)
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


@app.command("show", cls=Command)
def describe(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|TEXT",
            help="A name from `charrnn corpus list`, or a text: a file or a folder.",
            autocompletion=complete_corpus,
            show_default=False,
        ),
    ],
    length: Annotated[int, typer.Option(help="Characters of the text to show.", min=0)] = 300,
    encoding: TextEncoding = "auto",
    as_json: Json = False,
) -> None:
    """Describe a corpus or a text of your own, and show how it begins.

    Of a text: its encoding, line ends, scripts, rare and invisible characters, its longest line, and how many documents
    each corpus.separator would give. All that is worth knowing before a training.
    """
    from charrnn.terminal import table
    from charrnn.text.corpora import register

    # A name that is neither is more probably a corpus: its message lists them.
    if name in register() or not (os.path.lexists(name) or set(name) & set("*?[/.")):
        rows, beginning = _named(name, length)
    else:
        rows, beginning = _own(name, length, encoding)
    if as_json:
        show_json({**dict(rows), "beginning": beginning})
        return
    shown = ((key, f"{value:,}" if isinstance(value, int) else value) for key, value in rows)
    show(table([*map(list, shown)]) + "\n\n" + beginning)


Rows = list[tuple[str, str | int]]


def _named(name: str, length: int) -> tuple[Rows, str]:
    """What the register says of a named corpus, and its beginning."""
    from charrnn.text.corpora import named, prepare
    from charrnn.text.synthetic import synthetic

    entry = named(name)
    file = prepare(name)
    with file.open(encoding="utf-8") as stream:
        beginning = stream.read(length)
    sources = (
        f"{entry.base} ({len(entry.sources)} file{'s' * (len(entry.sources) != 1)})" if entry.base else entry.format
    )
    rows: Rows = [("name", name), ("what", entry.title), ("language", entry.language), ("licence", entry.licence)]
    rows += [("characters", entry.characters), ("mode", entry.mode), ("held out", entry.holdout)]
    if made := synthetic(name):
        rows.append(("floor", f"{made.floor:.4f} bits per character: no model gets below it"))
    return [*rows, ("source", sources), ("file", str(file))], beginning


def _own(path: str, length: int, encoding: str) -> tuple[Rows, str]:
    """What a survey of a text finds, and its beginning."""
    from charrnn.text.reader import find_files, passed_over
    from charrnn.text.survey import LOOKED_AT, SHARED_RUN, middle, survey

    files = find_files(path, "corpus show")
    looked = survey(files, encoding=encoding, option="‹encoding›")
    ends = ", ".join(f"{count:,} {kind}" for kind, count in looked.line_ends.items() if count) or "none"
    rows: Rows = [("files", len(looked.files))]
    if told := passed_over(path, files):
        rows.append(("passed over", told.removeprefix("passed over: ")))
    rows.append(("encoding", looked.encodings.removeprefix("recognised: ")))
    if looked.table:
        rows.append(("table", looked.table))
    rows += [("damage", str(looked.damage))] * (looked.damage is not None)
    rows += [("characters", looked.characters), ("alphabet", looked.alphabet), ("line ends", ends)]
    rows.append(("scripts", ", ".join(f"{count:,} {script}" for script, count in looked.scripts.items())))
    odd = list(looked.odd.items())
    rows.append(("invisible", ", ".join(f"{count:,} × {what}" for what, count in odd[:10]) or "none"))
    for least in (2, 5):
        kinds, share = looked.rare(least)
        become = "character becomes" if kinds == 1 else "characters become"
        rows.append((f"min_count {least}", f"{kinds:,} {become} <unk>, {100 * share:.2g} % of the text"))
    rows.append(("longest line", f"{max(map(len, looked.lines), default=0):,} characters"))
    for separator in ("blank-line", "blank-lines: 2", "blank-lines: 3", "line", "file"):
        documents = looked.documents(separator)
        told = f"{len(documents):,} document{'s' * (len(documents) != 1)}"
        told += f", the median of {middle([*map(len, documents)]):,g} characters"
        if separator in ("blank-line", "line"):
            told += f"; {looked.near_duplicates(documents):,} share {SHARED_RUN} {looked.unit} with another"
        rows.append((separator, told))
    if looked.characters > LOOKED_AT:
        rows.append(("", f"(lines and documents are those of the first {LOOKED_AT:,} characters)"))
    return rows, looked.texts[0][:length]
