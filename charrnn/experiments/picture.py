"""Pictures: matplotlib as all of charrnn's pictures use it, the same on every machine, with Chinese characters."""

from __future__ import annotations

import re
import warnings
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.errors import CharrnnError
from charrnn.terminal import printable, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("PingFang SC", "Heiti SC", "Microsoft YaHei", "SimHei", "Arial Unicode MS"),
)
"""Fonts with Chinese characters, which systems have beside matplotlib's own."""


def figure(width: float, height: float, option: str = "plot") -> Figure:
    """An empty figure of so many inches. Raises CharrnnError, which names the option, if matplotlib is missing."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise CharrnnError(f"‹{option}›: needs matplotlib: pip install 'charrnn[plot]'") from None
    mpl.rcdefaults()  # a matplotlibrc in the current folder may be anybody's
    from matplotlib import font_manager
    from matplotlib.figure import Figure

    installed = {font.name for font in font_manager.fontManager.ttflist}
    mpl.rcParams["font.family"] = ["DejaVu Sans", *(name for name in CHINESE if name in installed)]
    mpl.rcParams["svg.hashsalt"] = "charrnn"  # the same picture is the same file
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, file: Path, option: str = "plot") -> None:
    """Writes a figure. The ending of the file says what it is: .png, .svg, .pdf. Raises CharrnnError."""
    _save(figure, file, file, option, None)


def svg(figure: Figure, option: str = "plot") -> str:
    """A figure as an element of HTML."""
    text = StringIO()
    _save(figure, text, Path("page.html"), option, "svg")
    return re.sub("<metadata>.*?</metadata>", "", text.getvalue()[text.getvalue().index("<svg") :], flags=re.DOTALL)


def colours(count: int) -> list[tuple[float, ...]]:
    """Colours for so many lines, which repeat after twenty."""
    import matplotlib as mpl

    found = mpl.colormaps["tab20" if count > 10 else "tab10"]
    return [found(i % found.N) for i in range(count)]


def plain(text: str) -> str:
    """The text as a label of matplotlib's, in which a dollar would begin a formula."""
    return printable(text).replace("$", r"\$")


def _save(figure: Figure, out: Path | StringIO, file: Path, option: str, kind: str | None) -> None:
    same = {"Date": None} if (kind or file.suffix) in ("svg", ".svg") else None
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            figure.savefig(out, dpi=110, format=kind, metadata=same)
        if any("missing from" in str(warning.message) for warning in caught):
            say("some characters of the names are in no font of this system: install one, such as Noto Sans CJK")
    except (OSError, ValueError) as error:
        raise CharrnnError(f"‹{option}={file}›: cannot be written: {error}") from None
