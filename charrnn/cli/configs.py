"""`charrnn configs`: the ready-made configs."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import Device, Json, TextEncoding, complete_config
from charrnn.cli.output import show, show_json
from charrnn.cli.usage import Command, Group
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.config import Config

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
    device: Device = "auto",
) -> None:
    """Print the config that `charrnn train TEXT` takes, each line with its reason, to be changed and kept."""
    from charrnn.training.recipe import find_recipe

    show(str(find_recipe(texts, minutes, False, encoding, "‹encoding›", device)).rstrip("\n"))


@app.command("show", cls=Command)
def show_config(
    config: Annotated[
        str,
        typer.Argument(help="A YAML file, or a ready-made config.", autocompletion=complete_config, show_default=False),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY.PATH=VALUE", help="Set a key, as in `charrnn train`. May be repeated. Default: none."
        ),
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Show the keys too that nobody gives.")] = False,
) -> None:
    """Print a config with what it extends, and where each key comes from. The variants of a sweep are left out."""
    from charrnn.loading import dump_value, explained

    rows = [
        (section, f"  {key}: {dump_value(value)}", place)
        for section, key, value, place in explained(config, overrides or [])
        if place or defaults
    ]
    width = min(60, max((len(line) for _, line, _ in rows), default=0))
    for section, group in itertools.groupby(rows, key=lambda row: row[0]):
        show(f"{section}:")
        for _, line, place in group:
            show(f"{line:{width}}  # {place or 'default'}")


@app.command(cls=Command)
def diff(
    one: Annotated[
        str, typer.Argument(metavar="A", help="A YAML file, a ready-made config, or a run.", show_default=False)
    ],
    other: Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Print the keys in which two configs differ, with the values of both. Defaults count as given."""
    from charrnn.experiments.differences import flat, varied
    from charrnn.files import read_record
    from charrnn.loading import dump_value
    from charrnn.store.facts import Facts
    from charrnn.store.folder import is_run
    from charrnn.terminal import say, table

    configs = [_config_of(one), _config_of(other)]
    values, keys = [flat(config) for config in configs], varied(configs)
    if as_json:
        show_json({key: [own[key] for own in values] for key in keys})
        return
    runs = [Path(name) for name in (one, other) if is_run(Path(name))]
    if len(runs) == 2 and len({read_record(run / "run.json", Facts).fingerprint for run in runs}) == 2:
        say("they were trained on different texts")
    if keys:
        show(table([["key", one, other], *([key, *(dump_value(own[key]) for own in values)] for key in keys)]))


def _config_of(name: str) -> Config:
    """The config of a run, a file or a ready-made name. A sweep counts without its variants."""
    from charrnn.loading import load_base, parse_run_config
    from charrnn.store.folder import is_run

    return parse_run_config(Path(name) / "config.yaml") if is_run(Path(name)) else load_base(name)


@app.command(cls=Command)
def schema() -> None:
    """Print the JSON Schema of a config, which lets editors complete and check keys."""
    from charrnn.config import Config

    show_json(Config.model_json_schema())


def _purpose(file: Path) -> str:
    """The first comment line of a config."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip()
