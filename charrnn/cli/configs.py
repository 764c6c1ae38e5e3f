"""`charrnn configs`: the ready-made configs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.options import Json, TextEncoding, complete_config
from charrnn.cli.output import show, show_json
from charrnn.cli.usage import Command, Group
from charrnn.errors import CharrnnError

app = typer.Typer(
    cls=Group,
    help="Configs: list the ready-made ones, copy one, print one for a text, print the schema of all.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", cls=Command)
def list_configs(as_json: Json = False) -> None:
    """List the ready-made configs and what each is for."""
    from charrnn.loading import ready_made
    from charrnn.terminal import table

    found = {name: _purpose(file) for name, file in ready_made().items()}
    if as_json:
        show_json([{"name": name, "purpose": purpose} for name, purpose in found.items()])
    else:
        show(table([[name, purpose] for name, purpose in found.items()]))


@app.command(cls=Command)
def copy(
    name: Annotated[
        str,
        typer.Argument(help="A name from `charrnn configs list`.", autocompletion=complete_config, show_default=False),
    ],
    to: Annotated[
        Path | None,
        typer.Argument(help="The file or folder to copy to. Default: NAME.yaml in this folder.", show_default=False),
    ] = None,
) -> None:
    """Copy a ready-made config, so that it can be changed, and print the copy's path. No file is replaced."""
    from charrnn.files import copy_file
    from charrnn.loading import find_config, ready_made

    source = ready_made().get(name) or find_config(name)
    target = to or Path(source.name)
    if os.path.isdir(target):  # noqa: PTH112 (Path.is_dir raises where a name is too long)
        target = target / source.name
    if os.path.lexists(target):
        raise CharrnnError(f"{target}: exists already; give another name: charrnn configs copy {name} FILE")
    copy_file(source, target)
    show(str(target))


@app.command(cls=Command)
def recipe(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Files or a folder.", show_default=False)],
    minutes: Annotated[
        float | None, typer.Option(help="The length of the training in minutes. Default: 5.", min=0.01)
    ] = None,
    encoding: TextEncoding = "auto",
) -> None:
    """Print the config that `charrnn train TEXT` takes, each line with its reason, to be changed and kept."""
    from charrnn.training.recipe import find_recipe

    show(str(find_recipe(texts, minutes, False, encoding, "‹encoding›")).rstrip("\n"))


@app.command(cls=Command)
def schema() -> None:
    """Print the JSON Schema of a config, which lets editors complete and check keys."""
    from charrnn.config import Config

    show_json(Config.model_json_schema())


def _purpose(file: Path) -> str:
    """The first comment line of a config."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip()
