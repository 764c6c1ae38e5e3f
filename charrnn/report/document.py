"""The report of one run or of several: how they trained, what they write and find hard, and the models themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from charrnn.errors import CharrnnError
from charrnn.report.chapters import alike, difficulty, making, reach, training, units, writing
from charrnn.report.chapters.parts import heading, left_out, name_of, note, told
from charrnn.report.measures import Read, read_held_out
from charrnn.report.page import both, framed, page_models
from charrnn.report.page.packing import Precision, plan_of
from charrnn.run import Run

Progress = Callable[[int], None]


@dataclass
class Report:
    """A report, and what one should know of it before one gives it away."""

    html: str = ""
    quoted: dict[str, int] = field(default_factory=dict)
    """The characters of held-out text that it shows, by the path of the run."""
    precision: Precision | None = None
    """The precision of the weights in it; None where no model is in it."""
    left_out: list[str] = field(default_factory=list)
    """Why a part is missing."""


def report(
    runs: Sequence[Run],
    quotes: bool = True,
    precision: Precision | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """The report of some runs. Without `quotes` no text of a corpus is shown.

    `progress` is given the number of characters read since its last call. A part for which something is missing is left
    out, with a word that says why.
    """
    made = Report()
    able = [run for run in runs if _able(run, made)]
    models = page_models(able, precision)
    live = {
        id(run): units.Live(i, model["plan"]["units"]) for i, (run, model) in enumerate(zip(able, models, strict=True))
    }
    made.precision = models[0]["plan"]["type"] if models else None
    names = escape(", ".join(map(name_of, runs)))
    corpora = escape(", ".join(dict.fromkeys(filter(None, map(making.corpus_of, runs)))))
    title = f"{names} · {corpora}" if corpora else names
    alone = len(runs) == 1
    if alone:
        model = escape(runs[0].config.model.describe())
        about = both(f"{model}; text: {corpora}", f"{model}；语料：{corpora}") if corpora else model
        head = f"<p>{about}</p>{training.stopped(runs[0])}"
    else:
        head = training.standings(runs)
        head += "".join(f"<p><b>{escape(name_of(run))}</b></p>{training.stopped(run)}" for run in runs)
    after = []
    for run in runs:
        after.append(heading("The run", "这次训练") if alone else f"<h2>{escape(name_of(run))}</h2>")
        after += _chapters(run, quotes, live.get(id(run)), made, progress)
    after += map(left_out, made.left_out)
    made.html = framed(title, f"<h1>{names}</h1>{head}", models, training.curves(runs), "\n".join(after))
    return made


def _chapters(run: Run, quotes: bool, live: units.Live | None, made: Report, progress: Progress) -> list[str]:
    """All about one run."""
    read = _read(run, made, progress)
    found = [writing.over_time(run)]
    if not run.config.model.bidirectional:
        found.append(_or_why(run, made, lambda: writing.by_temperature(run)))
    if read is not None and quotes:
        made.quoted[str(run.path)] = len(read.passage())
        found.append(difficulty.surprise(run, read))
    elif read is not None:
        found.append(note("Held-out text is not shown (--no-quotes).", "不引用留出文本（--no-quotes）。"))
    if read is not None:
        found.append(difficulty.hardest(run, read))
        found.append(_or_why(run, made, lambda: reach.reach(run, progress)))
        found.append(_or_why(run, made, lambda: _units(run, quotes, live, made, progress)))
    return [*found, _or_why(run, made, lambda: alike.neighbours(run, read)), making.facts(run)]


def _units(run: Run, quotes: bool, live: units.Live | None, made: Report, progress: Progress) -> str:
    """Which unit does what."""
    chapter, shown = units.units(run, quotes, live, progress)
    if shown:
        made.quoted[str(run.path)] += shown
    return chapter


def _able(run: Run, made: Report) -> bool:
    """Whether a run's model can be in the page; if not, why is noted."""
    try:
        plan_of(run)
    except CharrnnError as error:
        made.left_out.append(told(run, error))
        return False
    return True


def _read(run: Run, made: Report, progress: Progress) -> Read | None:
    """Held-out text as the model reads it; if that cannot be, None, and why is noted."""
    if run.config.model.bidirectional:  # which is noted already
        return None
    try:
        return read_held_out(run, progress)
    except CharrnnError as error:
        made.left_out.append(told(run, error))
        return None


def _or_why(run: Run, made: Report, chapter: Callable[[], str]) -> str:
    """A chapter; if something for it is missing, nothing, and why is noted."""
    try:
        return chapter()
    except CharrnnError as error:
        made.left_out.append(told(run, error))
        return ""
