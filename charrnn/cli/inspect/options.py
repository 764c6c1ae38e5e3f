"""Options that the commands of `charrnn inspect` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Write a page with coloured text (.html) or a picture (.png, .svg, .pdf). Default: none.",
    ),
]
TextFile = Annotated[
    Path | None,
    typer.Option(
        "--text",
        metavar="FILE",
        help="Read this file; - is standard input. Default: the validation part of the corpus.",
    ),
]
Picture = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Draw a picture into this file (.html, .png, .svg, .pdf). Default: no picture.",
    ),
]
