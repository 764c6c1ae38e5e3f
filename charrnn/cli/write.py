"""`charrnn write`."""

from __future__ import annotations

import secrets
import shlex
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Device, Plugin, RunFolder

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
    new: Annotated[bool, typer.Option("--new", help="Begin anew, without offering what was not saved.")] = False,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
) -> None:
    """Write a text together with a model in the terminal: it proposes, you choose, and nothing is lost."""
    from charrnn.desk.desk import Desk
    from charrnn.desk.sessions import left_sessions
    from charrnn.desk.terminal import check_terminal
    from charrnn.desk.terminal import run as show_desk
    from charrnn.desk.wishes import read_wishes
    from charrnn.terminal import say

    check_terminal()
    opened = open_run(run, device, checkpoint)
    drawn = secrets.randbelow(SEEDS) if seed is None else seed
    opened.writer(seed=drawn, temperature=temperature)  # what is wrong is told before the screen is taken
    wishes = read_wishes(form or "")
    if wishes["form"] is not None:
        opened.writer(seed=drawn).set_form(**wishes)
    left = [] if new else list(left_sessions(opened.path))
    desk = Desk(lambda: opened.writer(seed=drawn, temperature=temperature), opened.path, left)
    try:
        show_desk(desk, lambda: desk.start(file, lambda writer: writer.set_form(**wishes) if form else None))
    finally:
        if desk.close():
            say(f"charrnn: not saved, and kept: charrnn write {shlex.quote(str(run))} offers it again")
