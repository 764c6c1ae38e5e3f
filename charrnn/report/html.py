"""Pages of HTML: one file that asks nothing of anybody, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from charrnn.terminal import printable

STYLE = """\
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,"Noto Sans CJK SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",sans-serif;
max-width:60em;margin:1em auto;padding:0 1em;background:#fff;color:#18181b;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{background:#18181b;color:#e4e4e7}}
h1{font-size:1.4em}h2{font-size:1.15em;margin-top:2em}
.scroll{overflow-x:auto;margin:1em 0}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.1em .7em .1em 0;text-align:left;white-space:nowrap}th{border-bottom:1px solid #8888}
u{text-decoration-thickness:2px;text-underline-offset:3px}
figure{margin:1em 0}svg{max-width:100%;height:auto;background:#fff}figcaption{max-width:45em}"""


def page(title: str, body: Iterable[str], style: str = "") -> str:
    """The whole file, with more rules of style."""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{plain(title)}</title>\n<style>{STYLE}\n{style}</style>\n<h1>{plain(title)}</h1>\n"
        + "\n".join(body)
        + "\n</html>\n"
    )


def heading(text: str) -> str:
    """A heading below the title."""
    return f"<h2>{plain(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph of words."""
    return f"<p>{plain(text)}</p>"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    head, *body = rows
    lines = ["".join(f"<td>{plain(cell)}</td>" for cell in row) for row in body]
    top = "".join(f"<th>{plain(cell)}</th>" for cell in head)
    return f'<div class="scroll"><table><tr>{top}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def plain(text: str) -> str:
    """Text as HTML shows it, in which nothing is a tag and what one would not see is escaped."""
    return escape(printable(text))
