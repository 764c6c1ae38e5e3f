"""`charrnn cache`: what lies in the cache."""

from __future__ import annotations

from typing import Annotated

import typer

from charrnn.cli.options import Json
from charrnn.cli.output import show, show_json
from charrnn.cli.usage import Command, Group
from charrnn.errors import CharrnnError

app = typer.Typer(
    cls=Group, help="What charrnn keeps to be quick: list, check, clear.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("list", cls=Command)
def list_cache(as_json: Json = False) -> None:
    """List what the cache holds: kind, name, size in bytes, days since it was used last."""
    from charrnn.cache import cache_folder
    from charrnn.terminal import say, table
    from charrnn.text.keeping import PARTS, kept

    found = kept()
    if as_json:
        rows = [{"kind": one.kind, "name": one.name, "bytes": one.bytes, "days": one.days} for one in found]
        show_json(rows)
        return
    rows_shown = [[one.kind, one.name, f"{one.bytes / 1e6:,.1f} MB", f"{one.days:.0f} days ago"] for one in found]
    total = sum(one.bytes for one in found)
    show(table([["kind", "name", "size", "last used"], *rows_shown, ["", "", f"{total / 1e6:,.1f} MB", ""]]))
    say(f"in {' and '.join(dict.fromkeys(str(cache_folder(part).parent) for part in PARTS))}")


@app.command(cls=Command)
def clear(
    older: Annotated[
        str | None,
        typer.Option(
            "--older", metavar="DAYSd", help="Only what was not used for so many days, such as 30d. Default: all."
        ),
    ] = None,
) -> None:
    """Remove what the cache holds. Texts are encoded, and named corpora fetched, again when they are needed.

    A run whose text is a file of yours needs that file again to be evaluated: name it with --text.
    """
    from charrnn.text.keeping import kept, remove_kept

    days = _days(older) if older is not None else 0.0
    old = [one for one in kept() if one.days >= days]
    gone = [one for one in old if remove_kept(one)]
    typer.echo(f"removed {len(gone)} entries, {sum(one.bytes for one in gone) / 1e6:,.1f} MB", err=True)
    if left := [one for one in old if one not in gone]:
        raise CharrnnError(f"{left[0].path}: cannot be removed, {len(left)} entries in all; may you write there?")


@app.command(cls=Command)
def verify() -> None:
    """Read all that the cache holds and compare it with its checksums. What is damaged is removed; exit code 1."""
    from tqdm import tqdm

    from charrnn.text.keeping import fault_of, kept, remove_kept

    damaged = 0
    for one in tqdm(kept(), desc="verify", unit="entry", leave=False, delay=1, disable=None):
        if (found := fault_of(one)) is not None:
            show(f"{one.path}: {found}; {'removed' if remove_kept(one) else 'cannot be removed'}")
            damaged += 1
    if damaged:
        raise typer.Exit(1)
    typer.echo("all that is kept is whole", err=True)


def _days(text: str) -> float:
    number = text.removesuffix("d")
    if not text.endswith("d") or not number.isdecimal():
        raise CharrnnError(f"--older {text}: a number of days was expected, such as 30d")
    return float(number)
