"""`charrnn compress` and `charrnn decompress`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.opening import open_run
from charrnn.cli.options import Checkpoint, Device, Plugin, RunFolder
from charrnn.cli.output import show
from charrnn.errors import CharrnnError

SUFFIX = ".crnn"
MEMORY = 16
"""Bytes of memory that each byte of a text takes while it is compressed."""
Out = Annotated[
    Path | None,
    typer.Option(
        help="The file to write; an existing one is never replaced. Default: FILE with .crnn added or removed."
    ),
]


def compress(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(help="A UTF-8 text; any file for a model of bytes.", show_default=False)],
    out: Out = None,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "cpu",
) -> None:
    """Compress a text without loss, with a model's probabilities, and print the new file's path (FILE.crnn)."""
    from tqdm import tqdm

    from charrnn.evaluation.compression import is_large
    from charrnn.files import new_file, read_given
    from charrnn.terminal import advance, say

    data = read_given(file, times=MEMORY)
    target = out or file.with_name(file.name + SUFFIX)
    with new_file(target, like=file) as stream:
        opened = open_run(run, device, checkpoint)
        with tqdm(desc="compress", unit="char", unit_scale=True, leave=False, delay=1, disable=None) as bar:
            packed = opened.compress(data, lambda count: advance(bar, count))
        stream.write(packed)
    bits = 8 * len(packed) / max(1, len(data))
    say(f"{len(data):,} bytes to {len(packed):,}: {bits:.3f} bits per byte")
    if is_large(packed):
        say(f"{target}: so small for its text that it is only decompressed with --large")
    show(str(target))


def decompress(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(help="A file of `charrnn compress` with this run.", show_default=False)],
    out: Out = None,
    large: Annotated[bool, typer.Option("--large", help="Also if there are 1,000 characters to each byte.")] = False,
    checkpoint: Checkpoint = "best",
    plugin: Plugin = None,
    device: Device = "cpu",
) -> None:
    """Restore a compressed text exactly, and print the new file's path (FILE without .crnn).

    Another model, a damaged file, or a machine whose arithmetic rounds differently gives an error, never a wrong text.
    """
    if out is None and file.suffix != SUFFIX:
        raise CharrnnError(f"{file}: does not end in {SUFFIX}; name the file to write with --out")

    from tqdm import tqdm

    from charrnn.evaluation.compression import MAGIC
    from charrnn.files import new_file, read_given
    from charrnn.terminal import advance

    packed = read_given(file, begin=MAGIC)
    target = out or file.with_suffix("")
    with new_file(target, like=file) as stream:
        opened = open_run(run, device, checkpoint)
        with tqdm(desc="decompress", unit="char", unit_scale=True, leave=False, delay=1, disable=None) as bar:
            try:
                data = opened.decompress(packed, lambda count: advance(bar, count), large)
            except CharrnnError as error:
                raise CharrnnError(f"{file}: {error.message}") from None
        stream.write(data)
    show(str(target))
