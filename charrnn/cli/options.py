"""Options that several commands share, and their completion.

An option with a metavar also names itself, because some releases of Typer take the metavar for its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from charrnn.plugins import load_plugin

Device = Annotated[
    str, typer.Option("--device", help="auto (CUDA where there is one), cpu, cuda or cuda:N.", metavar="DEVICE")
]
Checkpoint = Annotated[
    str, typer.Option("--checkpoint", help="best, last, or a step that `charrnn info` lists.", metavar="best|last|STEP")
]
Unknown = Annotated[
    str,
    typer.Option(
        "--unknown",
        help="What to do with characters that the model knows in no form: error; replace (by <unk>); skip; or keep, "
        "which shows them.",
        metavar="error|replace|skip|keep",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse unknown characters also where the model knows another form of them.")
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME|auto",
        help="The encoding of the file. Default: that of the run's corpus, unless the file surely is in another.",
    ),
]
LearntText = Annotated[
    Path | None,
    typer.Option(
        "--text",
        metavar="FILE",
        help="The text that the run was trained on, if the cache has it no longer. Default: from the cache.",
    ),
]
TextEncoding = Annotated[
    str, typer.Option("--encoding", metavar="NAME|auto", help="The encoding of the text; auto recognises it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="The folder that `charrnn train` printed.", show_default=False)
]


def _load_plugins(context: typer.Context, files: list[Path] | None) -> list[Path] | None:
    if not context.resilient_parsing:  # completion runs nothing
        for file in files or []:
            load_plugin(file)
    return files


Plugin = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py",
        callback=_load_plugins,
        is_eager=True,
        help="A Python file of yours that is run and registers cells. May be repeated. Default: none.",
    ),
]


def unescaped(text: str) -> str:
    r"""The text of an option with \n, \t and \\ as what they stand for."""
    import re

    meant = {"n": "\n", "t": "\t", "\\": "\\"}
    return re.sub(r"\\([nt\\])", lambda match: meant[match[1]], text)


def complete_config(incomplete: str) -> list[str]:
    """The names of ready-made configs that begin with `incomplete`."""
    from charrnn.loading import ready_made

    return [name for name in ready_made() if name.startswith(incomplete)]


def complete_corpus(incomplete: str) -> list[str]:
    """The names of corpora that begin with `incomplete`."""
    from charrnn.text.corpora import register

    return [name for name in register() if name.startswith(incomplete)]
