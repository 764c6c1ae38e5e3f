"""`charrnn serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Device, Json, Plugin
from charrnn.cli.output import show_json
from charrnn.errors import CharrnnError


def serve(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="The folders that `charrnn train` printed.", show_default=False),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The number of the port; 0 is any free one.")] = 8000,
    host: Annotated[
        str,
        typer.Option(
            help="The address to serve at. Any but this machine's own (127.0.0.1) needs the token that is printed."
        ),
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            help="Another name that browsers ask for, as behind a proxy. May be repeated. Default: none.",
        ),
    ] = None,
    max_length: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="The most characters of a text, and of a prompt.")
    ] = 10_000,
    max_texts: Annotated[
        int, typer.Option(min=1, max=1_000, help="The most texts of a run that are written at once; others wait.")
    ] = 64,
    max_queue: Annotated[
        int, typer.Option(min=0, max=100_000, help="The most texts of a run that wait; others are refused.")
    ] = 256,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Write with trained models in the browser, and by a JSON API that is described at /openapi.json.

    It serves this machine alone, until Ctrl-C, unless --host says otherwise. Nothing is written on the server: drafts
    stay in the browser. `/v1/completions` is for clients of the OpenAI API.
    """
    try:
        from charrnn.desk.limits import Limits
        from charrnn.desk.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn", "anyio", "h11"):
            raise
        raise CharrnnError("serve: needs Starlette and uvicorn: pip install 'charrnn[serve]'") from None

    from charrnn.memory import share_arenas
    from charrnn.terminal import say

    share_arenas()  # before there are threads
    folders = {run.resolve(): run for run in runs}
    opened = [open_run(run, device, checkpoint, quiet=as_json) for run in folders.values()]

    def ready(address: str, token: str) -> None:
        page = f"{address}?token={token}" if token else address
        if as_json:
            show_json({"address": address, "token": token or None}, indent=None)
            sys.stdout.flush()
        else:
            say(f"{page} (Ctrl-C ends it)")

    serve(opened, host, port, name or [], Limits(max_length, max_texts, max_queue), ready)
