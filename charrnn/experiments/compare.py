"""Compares runs: a row of figures for each, tables of those that may be ranked, and words for what differs."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from charrnn.errors import CharrnnError
from charrnn.experiments.differences import SEED, essence, flat, varied
from charrnn.experiments.sweep import is_finished
from charrnn.run import Run
from charrnn.store.facts import RESULTS
from charrnn.store.folder import is_run
from charrnn.store.history import read_history
from charrnn.terminal import say


@dataclass(frozen=True)
class Row:
    """The figures of a run."""

    run: str
    architecture: str
    varied: dict[str, Any]
    """What the run's config has for the keys in which the compared configs differ."""
    seed: int
    parameters: int
    bits_per_char: float
    """The bits per character of the best checkpoint, on the whole validation part; infinite without any evaluation."""
    standard_error: float | None
    """Of `bits_per_char`, as `Likelihood` has it, in bits. Runs on one text share most of it."""
    characters: int
    """The characters of the validation part, which were evaluated."""
    measure: str
    """`likelihood`, or for a bidirectional model `pseudo-likelihood`; the two must not be compared."""
    estimated: bool
    """Whether `bits_per_char` is the best value of the training itself, because it could not be measured now."""
    finished: bool
    """Whether the training came to its end."""
    seconds: float
    """The time of training."""
    characters_seen: int
    corpus: str
    """The name of the corpus, or of its first file."""
    held_out: str
    """What decides the validation part, in words."""
    fingerprint: str
    """That of the text."""
    floor: float | None = None
    """The bits per character that no model gets below, where they are known; None for most texts."""
    code: str = ""
    """That of the file of a cell of the user's own, as it was when the run began."""

    @property
    def minutes(self) -> float:
        """The minutes of training."""
        return self.seconds / 60

    @property
    def characters_per_second(self) -> float:
        """The characters seen in a second of training."""
        return self.characters_seen / max(self.seconds, 1e-9)

    @property
    def text(self) -> str:
        """The text on which the figure was measured; only figures of one text and one measure may be ranked."""
        return f"{self.corpus}, {self.held_out}, {self.characters:,} characters"


@dataclass(frozen=True)
class Group:
    """The rows of runs that differ in their seed only."""

    rows: list[Row]

    @property
    def name(self) -> str:
        """The name of the run; that of several without their seeds, which the runs of a sweep have in their names."""
        names = {re.sub(r",seed=[0-9]+(?=(-[0-9]+)?$)", "", row.run) for row in self.rows}
        return names.pop() if len(names) == 1 else f"{self.rows[0].run} and {len(self.rows) - 1} more"

    @property
    def bits_per_char(self) -> float:
        """The mean over the seeds."""
        return fmean(row.bits_per_char for row in self.rows)

    @property
    def deviation(self) -> float | None:
        """The standard deviation over the seeds; None for one seed."""
        bits = [row.bits_per_char for row in self.rows]
        return stdev(bits) if len(bits) > 1 and all(map(math.isfinite, bits)) else None

    def is_no_better_than(self, other: Group) -> bool | None:
        """Whether this mean lies within two standard errors of the `other`'s. None where either has one seed."""
        if self.deviation is None or other.deviation is None:
            return None
        error = math.hypot(*(one.deviation / math.sqrt(len(one.rows)) for one in (self, other) if one.deviation))
        return abs(self.bits_per_char - other.bits_per_char) < 2 * error


@dataclass(frozen=True)
class Table:
    """The groups of one text and one measure, best first."""

    title: str
    groups: list[Group]

    @property
    def keys(self) -> list[str]:
        """The keys in which groups differ without their architecture saying so."""
        first = [group.rows[0] for group in self.groups]
        return [
            key
            for key in (first[0].varied if first else ())
            if any(
                one.varied[key] != other.varied[key]
                and (one.architecture == other.architecture or not key.startswith("model."))
                for one, other in itertools.combinations(first, 2)
            )
        ]


def runs_in(paths: Sequence[Path], device: str = "cpu") -> list[Run]:
    """The runs of some folders: each is a run, or holds runs. Raises CharrnnError where there is none."""
    found: list[Run] = []
    for path in paths:
        if is_run(path) or not path.is_dir():
            found.append(Run.open(path, device))
            continue
        inside = sorted(folder for folder in path.iterdir() if is_run(folder))
        if not inside:
            raise CharrnnError(f"{path}: neither a run nor a folder of runs; give folders that `charrnn train` printed")
        for folder in inside:
            try:
                found.append(Run.open(folder, device))
            except CharrnnError as error:
                say(f"{error}; it is left out")
    if len({run.path.resolve() for run in found}) < len(found):
        raise CharrnnError("compare: a run was given twice")
    return found


def compare(runs: Iterable[Run]) -> list[Row]:
    """A row for each run: those that may be ranked together stand together, best first, groups of seeds together.

    Each run is evaluated again, because trainings evaluate on different numbers of characters.
    """
    runs = list(runs)
    keys = [key for key in varied([essence(run.config) for run in runs]) if key != SEED]
    rows = [_row(run, {key: flat(run.config)[key] for key in keys}) for run in runs]
    return [row for table in tables(rows) for group in table.groups for row in group.rows]


def tables(rows: Sequence[Row]) -> list[Table]:
    """The rows in tables of what may be ranked together, with their seeds together. Likelihoods come first."""

    def place(row: Row) -> tuple[object, ...]:
        return row.measure != "likelihood", row.text, row.fingerprint

    found = []
    for _, same in groupby(sorted(rows, key=place), key=place):
        own = list(same)
        groups = [
            Group(group)
            for group in _gathered(own, lambda row: (row.architecture, row.parameters, row.varied, row.code))
        ]
        groups.sort(key=lambda group: group.bits_per_char)
        title = own[0].text + ("" if own[0].measure == "likelihood" else f", {own[0].measure}")
        floor = "" if own[0].floor is None else f"; floor {own[0].floor:.4f} bits"
        found.append(Table(title + floor, groups))
    return found


def notes(runs: Sequence[Run], rows: Sequence[Row]) -> list[str]:
    """What must be known of runs that are compared, in words: what differs although nothing in a table shows it."""
    said = []
    if len(texts := {(row.text, row.fingerprint) for row in rows}) > 1:
        said.append(f"{len(texts)} texts, each with its own table: figures of different texts must not be ranked")
    if len(lengths := _counted(_length(run) for run in runs if run.config.model.cell != "ngram")) > 1:
        said.append(f"lengths differ: {_told(lengths)}")
    if unfinished := [row for row in rows if not row.finished]:
        names = ", ".join(Path(row.run).name for row in unfinished[:5])
        said.append(f"{len(unfinished)} not finished: {names}{', ...' if len(unfinished) > 5 else ''}")
    machines = _counted(
        f"{machine.processor}, {machine.threads} thread{'s' * (machine.threads != 1)}"
        for machine in (run.facts.machine for run in runs)
        if machine is not None
    )
    if len(machines) > 1 and any(run.config.training.minutes for run in runs):
        said.append(f"the same minutes on different machines: {_told(machines)}")
    versions = _counted(f"PyTorch {run.facts.torch.partition('+')[0]}" for run in runs)
    if len(versions) > 1:
        said.append(f"versions differ: {_told(versions)}")
    if len({run.facts.results for run in runs}) > 1 or any(run.facts.results != RESULTS for run in runs):
        said.append("some were trained by an earlier charrnn, in another way")
    return said


def as_dicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for JSON and CSV, with a column for every key that varies. What is infinite is None, as in JSON."""
    keys = ("architecture", "seed", "parameters", "bits_per_char", "characters", "measure")
    more = (
        "estimated",
        "finished",
        "seconds",
        "minutes",
        "characters_seen",
        "characters_per_second",
        "corpus",
        "fingerprint",
    )
    return [
        {"run": row.run, **row.varied}
        | {key: getattr(row, key) for key in keys}
        | {"standard_error_bits": row.standard_error}
        | {key: getattr(row, key) for key in more}
        | ({} if math.isfinite(row.bits_per_char) else {"bits_per_char": None})
        | ({} if row.floor is None else {"floor_bits": row.floor})
        for row in rows
    ]


def _row(run: Run, varied: dict[str, Any]) -> Row:
    last, best = {"step": 0, "minutes": 0.0, "epochs": 0.0}, math.inf
    for line in read_history(run.metrics):
        last = max(last, line, key=lambda one: one["step"])
        best = min(best, line.get("val_bits_per_char", math.inf))
    floor, error, characters = None, None, run.facts.characters["val"]
    try:
        result = run.evaluate()
        bits, characters, estimated = result.bits_per_char, result.characters, False
        error = result.standard_error_bits
        floor = None if run.config.model.bidirectional else run.floor()
    except CharrnnError:
        bits, estimated = best, True
    corpus = run.config.corpus
    first = corpus.path if isinstance(corpus.path, str) or corpus.path is None else corpus.path[0]
    return Row(
        run=str(run.path),
        architecture=run.config.model.describe(),
        varied=varied,
        seed=run.config.training.seed,
        parameters=run.facts.parameters,
        bits_per_char=bits,
        standard_error=error,
        characters=characters,
        measure="pseudo-likelihood" if run.config.model.bidirectional else "likelihood",
        estimated=estimated,
        finished=is_finished(run),
        seconds=round(last["minutes"] * 60, 1),
        characters_seen=round(last["epochs"] * run.facts.characters["train"]),
        corpus=corpus.name or Path(first or "").name,
        held_out=_held_out(run),
        fingerprint=run.facts.fingerprint,
        floor=floor,
        code=run.facts.code,
    )


def _held_out(run: Run) -> str:
    """What was held out, in words."""
    corpus = run.config.corpus
    if corpus.validation is not None:
        return "a text of its own"
    share = f"{corpus.split[1]:.0%} held out"
    return f"{share} as documents" if run.is_documents else f"{share} ({corpus.holdout})"


def _length(run: Run) -> str:
    given = run.config.training.model_dump(include={"minutes", "steps", "epochs"}, exclude_none=True)
    key, value = next(iter(given.items()))
    return f"{value:g} {key}"


def _gathered(rows: Iterable[Row], key: Callable[[Row], object]) -> list[list[Row]]:
    """The rows in lists of equal keys, each list in the order of its seeds."""
    found: list[tuple[object, list[Row]]] = []
    for row in sorted(rows, key=lambda row: row.seed):
        same = (group for known, group in found if known == key(row))
        own = next((group for group in same if group[-1].seed != row.seed), None)  # a copy is no other seed
        if own is None:
            found.append((key(row), [row]))
        else:
            own.append(row)
    return [group for _, group in found]


def _counted(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{word} ({count} run{'s' * (count != 1)})" for word, count in counts.items())
