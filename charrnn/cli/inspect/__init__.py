"""`charrnn inspect`: what a run has learnt. Each subcommand has a file."""

from __future__ import annotations

import typer

from charrnn.cli.usage import Group

app = typer.Typer(cls=Group, help="See what a run has learnt.", no_args_is_help=True)
