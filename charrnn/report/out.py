"""Writes what `-o` names: a page of HTML or a picture, by the ending of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.errors import CharrnnError
from charrnn.experiments.picture import save
from charrnn.files import replace_text
from charrnn.terminal import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write(file: Path, page: Callable[[], str], figure: Callable[[], Figure]) -> None:
    """Writes the page, or the figure where the file is a picture, and says where it is. Raises CharrnnError."""
    if file.suffix.lower() == ".html":
        try:
            replace_text(file, page())
        except OSError as error:
            raise CharrnnError(f"‹out={file}›: cannot be written: {error.strerror}") from None
    else:
        save(figure(), file, "out")
    say(f"charrnn: {file} is written")
