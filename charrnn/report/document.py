"""The report of one run or of several: how they trained, what they write and find hard, and the models themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape

from charrnn.errors import CharrnnError
from charrnn.report import chapters
from charrnn.report.chapters import chapter, heading, note
from charrnn.report.measures import Read, read_held_out
from charrnn.report.page import framed, page_models
from charrnn.report.page.packing import Precision, plan_of
from charrnn.run import Run


@dataclass
class Report:
    """A report, and what one should know of it before one gives it away."""

    html: str = ""
    quoted: dict[str, int] = field(default_factory=dict)
    """The characters of held-out text that it shows, by run."""
    precision: str | None = None
    """The precision of the weights in it; None where no model is in it."""
    left_out: list[str] = field(default_factory=list)
    """Why a part is missing."""


def report(
    runs: Sequence[Run],
    quotes: bool = True,
    precision: Precision | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """The report of some runs. Without `quotes` no text of a corpus is shown.

    `progress` is given the number of characters read since its last call. A part for which something is missing is left
    out, with a word that says why.
    """
    made = Report()
    alone = len(runs) == 1
    able = [run for run in runs if _runs_in_a_page(run, made)]
    models = page_models(able, precision)
    made.precision = models[0]["plan"]["type"] if models else None
    title = ", ".join(run.path.resolve().name for run in runs)
    head = [f"<h1>{escape(title)}</h1>"]
    if alone:
        head += [f"<p>{escape(runs[0].config.model.describe())}</p>", chapters.verdict(runs[0])]
    else:
        head += [chapters.standings(runs)]
        head += [f"<p><b>{escape(run.path.resolve().name)}</b></p>{chapters.verdict(run)}" for run in runs]
    before = [chapters.curves(runs)]
    after = []
    for run in runs:
        read = _read(run, made, progress)
        after.append(heading("The run", "这次训练") if alone else f"<h2>{escape(run.path.resolve().name)}</h2>")
        after.append(chapters.over_time(run))
        if not run.config.model.bidirectional:
            after.append(chapter(partial(chapters.by_temperature, run)))
        if read is not None:
            after.append(_quoted(run, read, quotes, made))
            after.append(chapters.hardest(run, read))
        after.append(chapter(partial(chapters.neighbours, run, read)))
        after.append(chapters.facts(run))
    unseen = "".join(note(f"Left out: {why}", f"略去：{why}") for why in map(escape, made.left_out))
    made.html = framed(escape(title), "\n".join(head), models, "\n".join(before), "\n".join(after) + unseen)
    return made


def _runs_in_a_page(run: Run, made: Report) -> bool:
    """Whether a run's model can be in the page; if not, why is noted."""
    try:
        plan_of(run)
    except CharrnnError as error:
        made.left_out.append(_without_folder(run, error))
        return False
    return True


def _read(run: Run, made: Report, progress: Callable[[int], None]) -> Read | None:
    if run.config.model.bidirectional:
        return None
    try:
        return read_held_out(run, progress)
    except CharrnnError as error:
        made.left_out.append(_without_folder(run, error))
        return None


def _without_folder(run: Run, error: CharrnnError) -> str:
    """A message with the run's name in place of its path, which says where somebody keeps it."""
    return str(error).replace(str(run.path), run.path.resolve().name)


def _quoted(run: Run, read: Read, quotes: bool, made: Report) -> str:
    if not quotes:
        return note("Held-out text is not shown (--no-quotes).", "不引用留出文本（--no-quotes）。")
    made.quoted[str(run.path)] = len(read.passage())
    return chapters.surprise(run, read)
