"""`charrnn sample`."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Device, Json, Plugin, RunFolder
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError

SEEDS = 1_000_000
"""One of so many seeds is drawn, if none is given: enough, and short to type."""
MAX_PROMPT = 10_000_000
"""The most bytes of a prompt."""


def sample(
    run: RunFolder,
    prompt: Annotated[
        str | None,
        typer.Option(help="The text to continue; - reads standard input. Default: the config's."),
    ] = None,
    prompt_file: Annotated[
        Path | None, typer.Option(help="A UTF-8 file with the text to continue; - is standard input.")
    ] = None,
    length: Annotated[
        int | None, typer.Option(help="The most characters to write after the prompt. Default: the config's.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Below 1: more careful; above 1: bolder; 0: always the likeliest. Default: the config's."),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="Draw only from the K likeliest characters. Default: from all.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Draw only from the likeliest characters that together have this probability. Default: 1."),
    ] = None,
    repetition_penalty: Annotated[
        float | None,
        typer.Option(help="Above 1: the last 64 characters become less likely. Default: 1."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed gives the same text; sample i has the seed SEED + i. Default: another one each time, "
            "which is printed."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="How many texts to write, side by side.")] = 1,
    stop: Annotated[str | None, typer.Option(help=r"End a text after this is written; \n is a line end.")] = None,
    unknown: Annotated[
        str,
        typer.Option(help="What to do with characters of the prompt that the model does not know: error or replace."),
    ] = "error",
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Show characters as they are written. Default: on a terminal."),
    ] = None,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Write with a trained model. Only the text goes to standard output."""
    if unknown not in ("error", "replace"):
        raise CharrnnError(f"--unknown {unknown}: error or replace was expected")
    text = _prompt(prompt, prompt_file)
    if stop == "":
        raise CharrnnError('--stop "": a text of one character or more was expected')
    stop = stop.replace(r"\n", "\n") if stop else None

    opened = open_run(run, device, checkpoint, quiet=as_json)
    drawn = secrets.randbelow(SEEDS) if seed is None else seed
    how: dict[str, Any] = {
        "length": length,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "seed": drawn,
        "stop": stop,
        "unknown": unknown,
    }
    if stream is None:
        stream = sys.stdout.isatty() and samples == 1 and not as_json
    if stream:
        if samples != 1 or as_json:
            raise CharrnnError("--stream shows one text as it comes, without --samples and --json")
        for piece in opened.stream(text, **how):
            show(piece, end="")
            sys.stdout.flush()
        show("")
        _tell_seed(seed, drawn)
        return
    written = opened.sample(text, samples=samples, **how)
    if as_json:
        rows = [
            {"text": one.text, "log_prob": one.log_prob, "seed": one.seed, "step": opened.checkpoint.step}
            for one in written
        ]
        show_json(rows)
    else:
        show("\n\n".join(one.text for one in written))
        _tell_seed(seed, drawn)


def _tell_seed(given: int | None, drawn: int) -> None:
    from charrnn.terminal import say

    if given is None:
        say(f"seed {drawn} (the same text again: --seed {drawn})")


def _prompt(prompt: str | None, file: Path | None) -> str | None:
    if prompt is not None and file is not None:
        raise CharrnnError("give --prompt or --prompt-file, not both")
    if file is None and prompt != "-":
        return prompt
    from charrnn.files import read_given

    name = "standard input" if file is None or str(file) == "-" else str(file)
    try:
        raw = read_given(Path(name), MAX_PROMPT) if name != "standard input" else sys.stdin.buffer.read(MAX_PROMPT + 1)
        if len(raw) > MAX_PROMPT:
            raise CharrnnError(f"{name}: larger than {MAX_PROMPT:,} bytes")
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except CharrnnError as error:
        raise CharrnnError(f"--prompt-file {error.message}") from None
    except OSError as error:
        raise CharrnnError(f"--prompt-file {name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CharrnnError(f"--prompt-file {name}: not UTF-8 at byte {error.start}") from None
    return text.removesuffix("\n")  # editors and echo end a file with a line end
