"""The command `charrnn`. Each subcommand has a file; this one joins them and prints the messages of mistakes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from charrnn.cli import (
    cache,
    compare,
    compress,
    configs,
    corpus,
    eval,
    export,
    fill,
    forms,
    info,
    inspect,
    novelty,
    report,
    sample,
    score,
    serve,
    streams,
    train,
    verse,
    write,
)
from charrnn.cli.usage import Command, Group
from charrnn.errors import CharrnnError
from charrnn.version import __version__

app = typer.Typer(
    name="charrnn",
    cls=Group,
    help="Train a character-level recurrent network on any text from one YAML file, and write with it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command)(train.train)
app.command(cls=Command)(sample.sample)
app.command(cls=Command)(write.write)
app.command(cls=Command)(fill.fill)
app.command("eval", cls=Command)(eval.evaluate)
app.command(cls=Command)(score.score)
app.command(cls=Command)(novelty.novelty)
app.command(cls=Command)(serve.serve)
app.command(cls=Command)(info.info)
app.command(cls=Command)(report.report)
app.command(cls=Command)(compare.compare)
app.command(cls=Command)(compare.sweep)
app.command(cls=Command)(compress.compress)
app.command(cls=Command)(compress.decompress)
app.command(cls=Command)(export.export)
app.add_typer(inspect.app, name="inspect")
app.add_typer(corpus.app, name="corpus")
app.add_typer(configs.app, name="configs")
app.add_typer(forms.app, name="forms")
app.add_typer(verse.app, name="verse")
app.add_typer(cache.app, name="cache")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"charrnn {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


def main() -> None:
    """Runs the command. A user's mistake gives one message and exit code 2; a bug gives a traceback."""
    streams.install()
    try:
        from charrnn.terminal import say_on_standard_error

        say_on_standard_error()
        try:
            app()
        finally:
            sys.stdout.flush()
    except CharrnnError as error:
        from charrnn.terminal import printable

        # The message repeats what the user gave, which must not control the terminal.
        for line in error.for_command.splitlines():
            typer.echo(f"charrnn: {printable(line)}", err=True)
        streams.give_up()
        sys.exit(2)
    except (MemoryError, ImportError) as error:
        if isinstance(error, ImportError) and "map segment" not in str(error):
            raise
        typer.echo(f"charrnn: there is not enough memory for this: {error or 'see ulimit -v'}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except streams.ReaderLeft:  # `charrnn sample ... | head`: the reader has had enough
        streams.give_up()
        sys.exit(0)
