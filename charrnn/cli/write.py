"""`charrnn write`."""

from __future__ import annotations

import secrets
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Device, Plugin, RunFolder
from charrnn.cli.wishes import Original
from charrnn.errors import CharrnnError

SEEDS = 2**32


def write(
    run: RunFolder,
    file: Annotated[
        Path | None,
        typer.Argument(help="A UTF-8 text to go on with; made when you save, if there is none.", show_default=False),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="A factor, 0 to 100. Below 1: more careful; above 1: bolder; 0: always the likeliest. Default: the "
            "config's."
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--form",
            metavar="FORM",
            help='A form of verse with what is wished of it, as in "wujue tones rhyme acrostic=春夏秋冬". '
            "Default: none.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed and the same keys give the same text. Default: a new seed.")
    ] = None,
    original: Original = None,
    copied: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Mark what stands in runs of N or more characters of the corpus; 0 marks nothing. Default: N of "
            "--original, or 6, and 20 in an alphabet of letters.",
        ),
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin anew, without offering what was not saved.")] = False,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
) -> None:
    """Write a text together with a model in the terminal: it proposes, you choose, and nothing is lost."""
    from charrnn.desk.copied import Copied, learnt_quietly
    from charrnn.desk.desk import Desk
    from charrnn.desk.sessions import left_sessions
    from charrnn.desk.terminal import check_terminal
    from charrnn.desk.terminal import run as show_desk
    from charrnn.desk.wishes import read_wishes
    from charrnn.evaluation.novelty import usual_run
    from charrnn.generation.writer import Writer
    from charrnn.terminal import say
    from charrnn.text.suffixes import LONGEST

    check_terminal()
    opened = open_run(run, device, checkpoint)
    drawn = secrets.randbelow(SEEDS) if seed is None else seed
    opened.writer(seed=drawn, temperature=temperature)  # what is wrong is told before the screen is taken
    wishes = read_wishes(form or "")

    def first(writer: Writer) -> None:
        if wishes["form"] is not None:
            writer.set_form(**wishes)
        if original is not None:
            writer.set_original(original)

    first(opened.writer(seed=drawn))
    if copied is not None and not (copied == 0 or 2 <= copied <= LONGEST):
        raise CharrnnError(f"‹copied={copied}›: 0, or a number of characters from 2 to {LONGEST:,} was expected")
    least = copied if copied is not None else original or usual_run(opened.vocabulary)
    if copied:
        opened.learnt  # noqa: B018 (what was asked for may be refused)

    def marks() -> Copied:
        learnt = opened.learnt if copied or original else learnt_quietly(opened)
        return Copied(learnt, opened.vocabulary, least)

    left = [] if new else list(left_sessions(opened.path))
    new_writer = partial(opened.writer, seed=drawn, temperature=temperature)
    desk = Desk(new_writer, opened.path, left, marks if least else None)
    try:
        show_desk(desk, lambda: desk.start(file, first))
    finally:
        if desk.close():
            say(f"charrnn: not saved, and kept: charrnn write {shlex.quote(str(run))} offers it again")
