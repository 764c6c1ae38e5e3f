"""A picture as a file, or as a page of HTML with words around it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.errors import CharrnnError
from charrnn.experiments.picture import save, svg
from charrnn.files import replace_text
from charrnn.terminal import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".html", ".png", ".svg", ".pdf")
STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:1em auto;padding:0 1em}"
    "svg{max-width:100%;height:auto;background:#fff}figure{margin:0}figcaption{max-width:45em}"
)


def check_ending(file: Path, option: str = "out") -> None:
    """Raises CharrnnError, before anything is computed, where a picture cannot become such a file."""
    if file.suffix.lower() not in ENDINGS:
        raise CharrnnError(f"‹{option}={file}›: a file that ends in {', '.join(ENDINGS)} was expected")
    if not file.parent.is_dir():
        raise CharrnnError(f"‹{option}={file}›: there is no folder {file.parent}")


def write(figure: Figure, file: Path, title: str, words: str, option: str = "out") -> None:
    """Writes a picture; into a page of HTML with a title above it and words below it. Raises CharrnnError."""
    if file.suffix.lower() != ".html":
        save(figure, file, option)
        return
    title, words = escape(printable(title)), escape(printable(words))
    page = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n"
        f"<figure>{svg(figure, option)}<figcaption>{words}</figcaption></figure>\n</html>\n"
    )
    try:
        replace_text(file, [page])
    except OSError as error:
        raise CharrnnError(f"‹{option}={file}›: cannot be written: {error.strerror}") from None
