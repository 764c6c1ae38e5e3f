"""`charrnn novelty`, and how what is copied is told by the commands that write and score."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.opening import regular
from charrnn.cli.options import Encoding, Json, LearntText, Plugin, RunFolder
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError

if TYPE_CHECKING:
    from charrnn.evaluation.novelty import Copied, Novelty
    from charrnn.run import Run
    from charrnn.text.given import GivenText

MOST = 20
"""The most texts, and the most runs, that are shown to a person; --json has all."""
WIDE = 40
"""The most characters of a run that are shown to a person."""
HUMAN = "people (held out)"
SHADES = (252, 228, 214, 208, 196)
"""Numbers of a terminal's 256 colours: for what is new, and for what stands in runs of each length and more."""


def novelty(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(help="The text to look up; - is standard input.", show_default=False)],
    runs: Annotated[
        str,
        typer.Option(
            "--runs",
            metavar="N,N",
            help="The lengths in characters, from 2: how much stands in runs of so many and more is told of each.",
        ),
    ] = "4,6,8,10",
    text: LearntText = None,
    encoding: Encoding = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Measure how much of a text stands in the corpus that a model has learnt from, and show where.

    Only the training part counts. The last row of the table is what texts of the corpus share with it that people wrote
    and that were held out. Where the corpus is documents, each document of the file is a text.
    """
    opened, given, found, people = looked_up(run, file, text, encoding, _lengths(runs))
    if as_json:
        texts = [_where(opened, given, i) | document(one) for i, one in enumerate(found)]
        of_all = _counts(together(found))
        show_json({"texts": texts, "all": of_all, "held_out": None if people is None else _counts(people)})
    else:
        _show(opened, given, found, people)


def looked_up(
    run: Path, file: Path, corpus_text: Path | None, encoding: str | None, lengths: Sequence[int]
) -> tuple[Run, GivenText, list[Novelty], Novelty | None]:
    """A run, the text of a file, what each document of it shares with the training part, and what people's texts do.

    `corpus_text` is what the run has learnt from, where the cache no longer has it. Raises CharrnnError for an empty
    file.
    """
    from tqdm import tqdm

    from charrnn.run import load
    from charrnn.terminal import advance

    opened = load(run, "cpu")
    if corpus_text is not None:
        opened.find_text(corpus_text)
    learnt = opened.learnt
    with regular(file) as place:
        given = opened.given(place, encoding)
    if not given.part.characters:
        raise CharrnnError(f"{file}: the text is empty")
    bar = tqdm(total=given.part.characters, desc="look up", unit="char", leave=False, delay=1, disable=None)
    with bar as shown:
        spans = [given.part.ids[begin:end] for begin, end in given.part.spans.tolist()]
        found = [learnt.novelty(ids, runs=lengths, progress=lambda count: advance(shown, count)) for ids in spans]
    return opened, given, found, learnt.held_out(lengths)


def together(found: Sequence[Novelty]) -> Novelty:
    """Several texts as one, with the longest runs of all, and the depths of the first."""
    copied = {length: sum(one.copied[length] for one in found) for length in found[0].copied}
    longest = sorted((copy for one in found for copy in one.longest), key=lambda copy: -copy.length)
    return replace(found[0], characters=sum(one.characters for one in found), copied=copied, longest=longest)


def document(one: Novelty) -> dict[str, Any]:
    """What a text shares, for JSON."""
    return _counts(one) | {"longest": [_copy(copy) for copy in one.longest]}


def told(found: Sequence[Novelty], people: Novelty | None) -> str:
    """What some texts share with the corpus, in words, beside what people's share."""
    one = together(found)
    said = [f"copied from the corpus, in runs of {_listed(one.copied)} or more characters: {_shares(one)}"]
    if people is not None:
        said.append(f"{HUMAN}: {_shares(people)}")
    if one.longest:
        said.append(f"the longest: {_shown(one.longest[0])}, in the corpus at {_source(one.longest[0])}")
    return "\n".join(said)


def coloured(characters: Iterable[tuple[str, int]], one: Novelty) -> str:
    """A text for a terminal: characters, each with the number of its ids, coloured by the runs they stand in."""
    from charrnn.terminal import printable

    out, at = [], 0
    for character, count in characters:
        depth = int(one.depths[at : at + count].max(initial=0))
        shade = SHADES[min(sum(depth >= length for length in one.copied), len(SHADES) - 1)]
        out.append(f"\x1b[38;5;{shade}m{printable(character)}" if character != "\n" else "\n")
        at += count
    return "".join(out) + "\x1b[0m"


def _listed(lengths: Iterable[int]) -> str:
    return ", ".join(map(str, lengths))


def _shares(one: Novelty) -> str:
    return ", ".join(f"{share:.1%}" for share in one.share.values())


def _lengths(given: str) -> list[int]:
    parts = [part.strip() for part in re.split("[,，]", given)]
    if not all(part.isascii() and part.isdigit() and 2 <= int(part) <= 1000 for part in parts):
        raise CharrnnError(f"--runs {given}: lengths of 2 to 1,000 characters were expected, such as 4,6,8,10")
    return sorted({int(part) for part in parts})


def _counts(one: Novelty) -> dict[str, Any]:
    return {"characters": one.characters, "share": {str(length): share for length, share in one.share.items()}}


def _copy(copy: Copied) -> dict[str, Any]:
    place = {"document": copy.place.document, "file": copy.place.file, "line": copy.place.line}
    known = {key: value for key, value in place.items() if value is not None}
    return {"text": copy.text, "length": copy.length, "start": copy.start, "times": copy.times, **known}


def _where(run: Run, given: GivenText, i: int) -> dict[str, Any]:
    """Which of the given texts it is."""
    line, record = given.places[i]
    return {"number": i + 1, **({} if record is None else {"record": record}), "line": line}


def _show(run: Run, given: GivenText, found: Sequence[Novelty], people: Novelty | None) -> None:
    from charrnn.terminal import say, table

    unit = "bytes" if run.vocabulary.kind == "byte" else "characters"
    order = sorted(range(len(found)), key=lambda i: [-share for share in [*found[i].share.values()][::-1]])
    shown = sorted(order[:MOST])
    head = ["text", unit, *(f"{length}+" for length in found[0].copied), "longest", "begins"]
    rows = [[str(i + 1), *_row(found[i]), _short(given.shown(given.texts[i]), 16)] for i in shown]
    if len(found) > 1:
        rows.append(["all", *_row(together(found)), ""])
    if people is not None:
        rows.append([HUMAN, *_row(people), ""])
    show(table([head, *rows]))
    if len(found) > len(shown):
        say(f"of {len(found):,} texts those {MOST} that share most; --json has all")
    if people is None:
        say("nothing of the corpus is held out, so that nothing tells what people's texts share with one another")
    runs = [(copy, i) for i, one in enumerate(found) for copy in one.longest]
    runs = sorted(runs, key=lambda pair: -pair[0].length)[:MOST]
    if runs:
        lines = [[str(copy.length), _shown(copy), _line(given, copy, i), _source(copy)] for copy, i in runs]
        show("\n" + table([[unit, "the longest runs", "in the text", "in the corpus"], *lines]))


def _row(one: Novelty) -> list[str]:
    longest = max((copy.length for copy in one.longest), default=0)
    return [
        f"{one.characters:,}",
        *(f"{share:.1%}" for share in one.share.values()),
        f"{longest:,}" if longest else f"under {min(one.copied)}",
    ]


def _line(given: GivenText, copy: Copied, i: int) -> str:
    """Where a run stands in the given texts."""
    line, record = given.places[i]
    read = 0
    for own, count in given.units(given.texts[i], "line"):
        if (read := read + count) > copy.start:
            break
        line += own.endswith("\n")
    return f"{'' if record is None else f'record {record:,}, '}line {line:,}"


def _source(copy: Copied) -> str:
    return f"{copy.place}" + (f" (and {copy.times - 1:,} more)" if copy.times > 1 else "")


def _shown(copy: Copied) -> str:
    return _short(copy.text, WIDE)


def _short(text: str, most: int) -> str:
    """A text on one line."""
    text = text.replace("\n", "⏎").replace("\t", " ")
    return text if len(text) <= most else f"{text[: most - 1]}…"
