"""Writes what `-o` names: a page of HTML or a picture, by the ending of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.errors import CharrnnError
from charrnn.experiments.picture import save, svg
from charrnn.files import replace_text
from charrnn.report.html import page, plain
from charrnn.terminal import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".html", ".png", ".svg", ".pdf")


def check_ending(file: Path) -> None:
    """Raises CharrnnError, before anything is computed, where a picture cannot become such a file."""
    if file.suffix.lower() not in ENDINGS:
        raise CharrnnError(f"‹out={file}›: a file that ends in {', '.join(ENDINGS)} was expected")
    if not file.parent.is_dir():
        raise CharrnnError(f"‹out={file}›: there is no folder {file.parent}")


def write(file: Path, made: Callable[[], str], figure: Callable[[], Figure]) -> None:
    """Writes the page that is made, or the figure where the file is a picture, and says where it is.

    Raises CharrnnError.
    """
    if file.suffix.lower() == ".html":
        try:
            replace_text(file, made())
        except OSError as error:
            raise CharrnnError(f"‹out={file}›: cannot be written: {error.strerror}") from None
    else:
        save(figure(), file, "out")
    say(f"charrnn: {file} is written")


def write_picture(file: Path, figure: Figure, title: str, words: str) -> None:
    """Writes a picture; into a page of HTML with a title above it and words below it. Raises CharrnnError."""
    write(file, lambda: page(title, [_shown(figure, words)]), lambda: figure)


def _shown(figure: Figure, words: str) -> str:
    return f"<figure>{svg(figure, 'out')}<figcaption>{plain(words)}</figcaption></figure>"
