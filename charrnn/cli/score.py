"""`charrnn score`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from charrnn.cli.opening import open_run, regular
from charrnn.cli.options import Checkpoint, Device, Encoding, LearntText, Plugin, RunFolder
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.evaluation.surprise import Scored

SHADES = (255, 252, 229, 222, 215, 208, 202, 196)
"""Numbers of a terminal's 256 colours, from white (0 bits) to red (14 bits and more), one for every two bits."""


def score(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(help="The text to score; - is standard input.", show_default=False)],
    by: Annotated[str, typer.Option(help="The unit to score: line, document or character.")] = "line",
    sort: Annotated[
        bool,
        typer.Option(
            "--sort", help="Print the most surprising first instead of in the order of the text, blank ones last."
        ),
    ] = False,
    color: Annotated[
        bool, typer.Option("--color", help="Print the text with each character coloured by its surprise.")
    ] = False,
    novelty: Annotated[
        bool,
        typer.Option(
            "--novelty",
            help="Print the text with each character coloured by how long the run is that the corpus has too.",
        ),
    ] = False,
    corpus_text: LearntText = None,
    encoding: Encoding = None,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines instead of a table.")] = False,
) -> None:
    """Print how surprising each line of a text is, in bits per character, to find lines that do not belong there."""
    if by not in ("line", "document", "character"):
        raise CharrnnError(f"--by {by}: line, document or character was expected")
    if novelty and (as_json or sort or color or by != "line"):
        raise CharrnnError("--novelty prints the text as it is, without --by, --sort, --color and --json")

    from tqdm import tqdm

    from charrnn.terminal import advance, table

    if novelty:
        _show_copied(run, file, corpus_text, encoding)
        return
    opened = open_run(run, device, checkpoint, quiet=as_json)
    with (
        regular(file) as text,
        tqdm(desc="read", unit="char", unit_scale=True, leave=False, delay=1, disable=None) as bar,
    ):
        kind = cast(Literal["line", "document", "character"], by)
        rows = opened.score(text, kind, lambda count: advance(bar, count), encoding)
    if sort:
        rows.sort(key=lambda row: (not row.text.strip(), -row.bits_per_char))
    if as_json:
        for row in rows:
            facts = {
                **({} if row.record is None else {"record": row.record}),
                "number": row.number,
                "bits_per_char": row.bits_per_char,
                "characters": len(row.bits),
                "text": row.text,
                "step": opened.checkpoint.step,
            }
            show_json(facts, indent=None)
    elif color:
        for row in rows:
            sys.stdout.write(_coloured(row))
    else:
        records = by == "line" and any(row.record is not None for row in rows)
        shown = [
            [f"{row.bits_per_char:8.3f}", f"{row.record}, {row.number}" if records else str(row.number)]
            + [row.text.strip("\n")]
            for row in rows
        ]
        heading = f"record, {by}" if records else by
        show(table([["bits/char", heading, "text"], *shown]))


def _show_copied(run: Path, file: Path, corpus_text: Path | None, encoding: str | None) -> None:
    """Prints a text with what is copied coloured, and what the colours say."""
    from charrnn.cli.novelty import coloured, looked_up, told
    from charrnn.evaluation.novelty import RUNS
    from charrnn.terminal import say

    _, given, found, people = looked_up(run, file, corpus_text, encoding, RUNS)
    for own, one in zip(given.texts, found, strict=True):
        characters = [(given.shown(part), count) for part, count in given.units(own, "character")]
        sys.stdout.write(coloured(characters, one) + ("\n\n" if len(found) > 1 else ""))
    say("from yellow to red: in runs of 4, 6, 8, and 10 or more characters of the corpus")
    say(told(found, people))


def _coloured(row: Scored) -> str:
    from charrnn.terminal import printable

    out = []
    for character, bits in row.characters:
        shade = SHADES[min(int(bits / 2), len(SHADES) - 1)]
        out.append(f"\x1b[38;5;{shade}m{printable(character)}" if character != "\n" else "\n")
    return "".join(out) + "\x1b[0m"
