"""`charrnn inspect`: what a run has learnt. Each subcommand has a file."""

from __future__ import annotations

import typer

from charrnn.cli.inspect import against, gradients, memory, neurons, predictions, recall
from charrnn.cli.usage import Command, Group

app = typer.Typer(cls=Group, help="See what a run has learnt.", no_args_is_help=True, rich_markup_mode=None)
app.command(cls=Command)(memory.memory)
app.command(cls=Command)(gradients.gradients)
app.command(cls=Command)(recall.recall)
app.command(cls=Command)(neurons.neurons)
app.command(cls=Command)(against.against)
app.command(cls=Command)(predictions.predictions)
