"""The recipe: the config that is taken for a text of which only its file is given. docs/recipes.md says why.

That page also says which figures were measured and which were not. A recipe depends on the text, the minutes and
whether there is a GPU, never on how busy a machine is, so that the same command trains the same model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from charrnn.device import find_device, is_cpu
from charrnn.errors import CharrnnError
from charrnn.loading import MAX_BYTES, dump_value, ready_made
from charrnn.store.folder import is_run
from charrnn.terminal import advance, reading
from charrnn.text.division import Documents
from charrnn.text.encoding import OPTION
from charrnn.text.reader import find_files, passed_over
from charrnn.text.survey import Survey, survey

MINUTES = 5.0
"""The length of a training, if none is given."""
CONFIGS = (".yaml", ".yml")
"""The endings of a config's name."""
LARGE = 500
"""An alphabet of more characters is one of ideographs: its output layer is most of the work."""
SMALL = 10_000
"""A text of fewer characters is learnt from as a whole: a tenth of it would say little, and is missed."""
SHORT, LONG = 3.0, 8.0
"""A training of fewer minutes is evaluated twice, and five times: oftener would take more than 1 or 2 % of it."""
PASSES = 40.0
"""The most passes over a text; a network that reads it more often knows it by heart."""
REREAD = 6.0
"""A text that is read more often than this needs more regularisation."""

SAMPLE, LONGEST_SAMPLE = 300, 5_000
"""The fewest and the most characters to which the recipe lets a sample grow."""


class Size(NamedTuple):
    """A size of the network, for trainings of at least some minutes."""

    minutes: float
    layers: int
    width: int
    speed: float
    """Characters a second in training with full batches, roughly."""


class Processor(NamedTuple):
    """What a processor is given to do: full batches, and networks by the size of the alphabet and the minutes."""

    where: str
    """How a title names it."""
    streams: int
    window: int
    letters: list[Size]
    ideographs: list[Size]

    @property
    def batch(self) -> int:
        """The characters of a full batch."""
        return self.streams * self.window


CPU = Processor(
    where="",
    streams=32,
    window=64,
    letters=[Size(0, 8, 128, 33_000), Size(7, 10, 160, 20_000), Size(20, 10, 224, 12_000)],
    ideographs=[Size(0, 5, 192, 19_000), Size(7, 6, 256, 11_000), Size(20, 6, 320, 8_000)],
)
"""Two cores with bfloat16."""
GPU = Processor(
    where=" on a GPU",
    streams=128,
    window=128,
    letters=[Size(0, 6, 512, 500_000)],
    ideographs=[Size(0, 5, 512, 380_000)],
)
"""A large one, on which a step takes as long with few characters as with 16,384."""
BATCHES = 25
"""The fewest full batches of a text: a pass over it should not be too few steps. A shorter text has shorter windows,
and is trained on as on a CPU."""

DROPOUTS = [(2, 0.0), (REREAD, 0.05), (12, 0.15), (25, 0.3), (float("inf"), 0.4)]
"""Dropout by the passes over the text, up to each."""


class Line(NamedTuple):
    """A line of a config: a key, its value, and why it is so."""

    key: str
    value: object
    reason: str = ""


@dataclass(frozen=True)
class Recipe:
    """A config for a text, as lines with their reasons."""

    name: str
    """A name for the run."""
    title: str
    lines: list[Line]

    def without(self, *keys: str) -> Recipe:
        """The recipe without some lines."""
        return replace(self, lines=[line for line in self.lines if line.key not in keys])

    def __str__(self) -> str:
        """The config as YAML, each line with its reason."""
        written, section = [f"# {line}" for line in self.title.splitlines()], ""
        for key, value, reason in self.lines:
            first, name = key.split(".")
            if first != section:
                written.append(f"{first}:")
                section = first
            line = f"  {name}: {dump_value(value)}"
            written.append(f"{line:<29} # {' '.join(reason.split())}" if reason else line)
        return "\n".join(written) + "\n"


def is_text(given: str | Path) -> bool:
    """Whether what a user gives to train is a text (a file, a folder, a glob), and not a config.

    A config's name ends in .yaml, or it is the name of a ready-made one, or it has a section `corpus`, also in JSON.
    What cannot be opened is neither, and is left to `find_config`, whose message names it.
    """
    try:
        path = Path(given).expanduser()
        if path.suffix.lower() in CONFIGS or (str(given) in ready_made() and not path.is_file()):
            return False
        if path.is_file():
            with path.open("rb") as file:
                return re.search(rb'^[\s{]*"?corpus"?\s*:', file.read(MAX_BYTES), re.MULTILINE) is None  # YAML, or JSON
        return path.is_dir() or bool(set(str(given)) & set("*?["))
    except (OSError, RuntimeError):  # a name too long, a file that may not be read; such as ~nobody
        return False


def namesake(given: str | Path) -> str:
    """What is said where a name is that of a ready-made config and of a folder or a file; nothing where it is one."""
    name = str(given)
    try:
        there = Path(given)
        if name not in ready_made() or not there.exists() or is_run(there):
            return ""
        if there.is_file():
            return (
                f"{name}: the file here is taken; the ready-made config of that name: charrnn configs copy {name} FILE"
            )
        return f"{name}: the ready-made config is taken; to train on the folder here: charrnn train ./{name}"
    except OSError:  # a name too long
        return ""


def find_recipe(
    paths: Sequence[str | Path],
    minutes: float | None = None,
    quiet: bool = True,
    encoding: str = "auto",
    option: str = OPTION,
    device: str = "cpu",
) -> Recipe:
    """The recipe for a text, which may be several files. `encoding` and `option` are those of `survey`.

    `device` is where the training will be; `auto` a GPU if there is one. `quiet` shows no progress bar. Raises
    CharrnnError where the text cannot be read, or this machine has no such device.
    """
    processor = CPU if is_cpu(device) or find_device(device).type == "cpu" else GPU
    named = [str(path) for path in paths]
    for path in named:
        if is_run(Path(path)):
            raise CharrnnError(f"{path}: a run, not a text; go on with it: ‹resume={path}›")
    files = find_files(named, "text")
    with reading("look at", sum(file.stat().st_size for file in files), quiet) as bar:
        return recipe(survey(files, lambda count: advance(bar, count), encoding, option), named, minutes, processor)


def recipe(text: Survey, paths: list[str], minutes: float | None = None, processor: Processor = CPU) -> Recipe:
    """The recipe for a text that was surveyed. `paths` are what the user named; `minutes` are MINUTES by default."""
    minutes = MINUTES if minutes is None else minutes
    if not minutes > 0:
        raise CharrnnError(f"‹minutes={minutes:g}›: a length above 0 was expected")
    documents = Documents.of(text)
    if text.characters < BATCHES * processor.batch:
        processor = CPU
    size = _size(processor, text.alphabet, minutes)
    shape = _windows(processor, text, documents)
    possible = size.speed * _share_of_speed(processor, shape) * 60 * minutes / text.characters
    passes = min(possible, PASSES)
    is_small = text.characters < SMALL
    tied = "one matrix for reading and writing a large alphabet"
    dropout = next(dropout for most, dropout in DROPOUTS if passes < most)
    lines = [
        Line("corpus.path", paths[0] if len(paths) == 1 else paths, passed_over(paths, text.files)),
        Line("corpus.encoding", text.encoding.name, text.encodings),
        *([Line("corpus.errors", "skip", f"{text.damage}")] if text.damage else []),
        Line("corpus.mode", "documents" if documents.separator else "stream", documents.reason),
    ]
    if documents.separator:
        lines.append(Line("corpus.separator", documents.separator))
    if is_small:
        lines.append(Line("corpus.split", [1, 0, 0], "so small a text is learnt from as a whole; nothing is held out"))
    lines += [
        Line("vocab.min_count", "auto", "what occurs once becomes <unk>, but nothing of a short text"),
        Line("model.cell", "mingru", "deep and narrow, it learnt most in a given time"),
        Line("model.num_layers", size.layers),
        Line("model.hidden_size", size.width, f"for {text.alphabet:,} characters and {minutes:g} minutes"),
        Line("model.embedding_size", size.width),
        *([Line("model.tie_embedding", True, tied)] if text.alphabet > LARGE else []),
        Line("model.residual", True),
        Line("model.norm", "rms"),
        Line("model.dropout", dropout, f"the text is read some {passes:.2g} times"),
        Line("model.locked_dropout", True),
        Line("model.embedding_dropout", 0.1 if passes > REREAD else 0.0),
        Line(
            "model.ngram",
            {} if documents.separator else {"order": 8},  # long texts repeat themselves, poems hardly do
            "an n-gram, counted in seconds, predicts together with the network",
        ),
        Line("training.minutes", minutes),
    ]
    if possible > PASSES:
        took = minutes * PASSES / possible
        why = f"some {took:.2g} of the {minutes:g} minutes: a network that reads it oftener knows it by heart"
        lines.append(Line("training.epochs", PASSES, why))
    elif minutes < LONG and not is_small:
        every = "50%" if minutes < SHORT else "20%"
        lines.append(Line("training.evaluate_every", every, "an evaluation takes about a second"))
    lines += [
        Line("training.batch_size", shape[0]),
        Line("training.window", shape[1]),
        Line("training.optimizer", "muon"),
        Line("training.learning_rate", 5e-3),
        Line("training.precision", "bfloat16", "twice as fast where the processor has it"),
    ]
    if not documents.separator:
        lines.append(Line("training.forget", 0.2, "reads well from a fresh state too, and forgets what went wrong"))
    lines += [_sample_length(documents), Line("sampling.temperature", 0.7)]
    return Recipe(_name(paths[0]), _title(text, paths, minutes, processor), lines)


def _size(processor: Processor, alphabet: int, minutes: float) -> Size:
    """The network for an alphabet and a time."""
    sizes = processor.letters if alphabet <= LARGE else processor.ideographs
    return next(size for size in reversed(sizes) if minutes >= size.minutes)


def _windows(processor: Processor, text: Survey, documents: Documents) -> tuple[int, int]:
    """How many texts are read side by side, and the window: as many and as long as the text has characters for.

    A document is read as a whole, up to a length that most have.
    """
    if documents.separator is None:
        batch = max(1, min(processor.streams, text.characters // 1_000))
        return batch, max(1, min(processor.window, text.characters // (BATCHES * batch)))
    lengths = documents.lengths
    longest = sorted(lengths)[int(0.95 * (len(lengths) - 1))]
    window = min(128, max(8, longest + 1))
    return max(1, min(len(lengths) // 2, max(16, processor.batch // window))), window


def _sample_length(documents: Documents) -> Line:
    """How long a sample may be: as nearly all documents, which end by themselves."""
    if not documents.lengths:
        return Line("sampling.length", SAMPLE)
    longest = sorted(documents.lengths)[math.ceil(0.95 * len(documents.lengths)) - 1]
    unit = 10 ** max(0, len(str(longest)) - 2)
    length = max(SAMPLE, -(-longest // unit) * unit)
    if length > LONGEST_SAMPLE:
        return Line("sampling.length", LONGEST_SAMPLE, "documents end by themselves; many are longer than this")
    return Line("sampling.length", length, "documents end by themselves, 95 % of them within so many characters")


def _share_of_speed(processor: Processor, shape: tuple[int, int]) -> float:
    """The share of its speed that a network has in batches of this shape. A third of a full step's time remains for the
    smallest one (measured with 64, 288 and 960 characters).
    """
    full = min(1.0, shape[0] * shape[1] / processor.batch)
    return full / (1 / 3 + 2 / 3 * full)


def _title(text: Survey, paths: list[str], minutes: float, processor: Processor) -> str:
    encodings = text.encodings.partition(": ")[2]
    table = f"\n{text.table}" if text.table else ""
    named = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    files = f", {len(text.files):,} files" if len(text.files) > 1 else ""
    return (
        f"{named}{files}: {text.characters:,} characters in {encodings}, an alphabet of {text.alphabet:,}, "
        f"{minutes:g} minutes{processor.where}. Why these values: docs/recipes.md.{table}"
    )


def _name(path: str) -> str:
    """A run's name for a text: of a glob what is left of its last part, or else of the folder in which it looks."""
    whole = Path(path).expanduser().absolute()
    name = re.sub(r"[*?\[\]]", "", whole.stem).strip()
    folders = (parent.name for parent in whole.parents if not set(parent.name) & set("*?["))
    return name or next(folders, "") or "run"
