"""`charrnn export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Json, Plugin, RunFolder
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError

FORMATS = {"folder": "-model", "onnx": ".onnx", "html": ".html"}
"""The formats, and what they add to the name of the run."""


def export(
    run: RunFolder,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="folder|onnx|html",
            help="folder: weights, config, alphabet and a model card, to publish or to hand on; onnx: a graph of one "
            "step for other programs; html: a page in which the model runs.",
        ),
    ] = "folder",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="What to write; nothing that exists is replaced. Default: the name of RUN with -model, .onnx or .html "
            "added, in the current folder.",
        ),
    ] = None,
    network_only: Annotated[
        bool, typer.Option("--network-only", help="With --format onnx, leave out the n-gram beside a network.")
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence",
            metavar="ID",
            help="The licence that you give the weights, as Hugging Face writes it, such as mit. Default: unknown.",
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            metavar="CODE",
            help="The language of the text: en, zh, ... Default: that of a named corpus, or what the alphabet tells.",
        ),
    ] = None,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Write a trained model for others: a folder with a model card, an ONNX graph, or a page. Prints its path."""
    if form not in FORMATS:
        raise CharrnnError(f"--format {form}: one of {', '.join(FORMATS)} was expected")
    if network_only and form != "onnx":
        raise CharrnnError("--network-only belongs to --format onnx: a folder takes the whole model")
    from charrnn.export.about import About
    from charrnn.terminal import say

    opened = open_run(run, "cpu", checkpoint, quiet=as_json)
    about = About.of(opened, licence, language)
    target = out or Path(opened.path.absolute().name + FORMATS[form])
    told = {"format": form, "path": str(target), "step": opened.checkpoint.step, "licence": about.licence}
    if form == "onnx":
        from charrnn.export.onnx import CHARACTERS, export_onnx

        far = export_onnx(opened, target, about, network_only)
        size = target.stat().st_size
        told |= {"network_only": network_only, "difference": far}
        said = f"logits within {far:.1e} of charrnn's own over {CHARACTERS} characters, computed with onnxruntime"
    elif form == "html":
        from charrnn.files import new_file
        from charrnn.report.page import page

        with new_file(target, like=target.parent) as stream:
            size = stream.write(page(opened).encode())
        said = "the model runs in it, in any browser; it holds the alphabet and the config's prompt"
    else:
        from charrnn.export.folder import export_folder

        export_folder(opened, target, about)
        size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        unsaid = [name for name in ("licence", "language") if getattr(about, name) in ("", "unknown")]
        verb = "do" if len(unsaid) > 1 else "does"
        options = " and ".join(f"--{name}" for name in unsaid)
        said = (
            f"README.md does not say the {' and the '.join(unsaid)}: {options} {verb}"
            if unsaid
            else "README.md says all"
        )
    if as_json:
        show_json(told | {"bytes": size})
        return
    say(f"{target}: {size / 1e6:.1f} MB; {said}")
    show(str(target))
