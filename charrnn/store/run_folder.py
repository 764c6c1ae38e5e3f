"""The folder of a run, which a training leaves: what lies in it, and the text that it was trained on.

config.yaml     the whole config, with every default written out
run.json        format, corpus, parameters
vocab.json      the alphabet
headings.json   what stands above the text of each document, such as its title, and the authors that are known; only
                where the corpus has headings
metrics.jsonl   a line for every log and every evaluation
samples.txt     the samples that the model wrote during the training
checkpoints/    weights and optimizer state
"""

from __future__ import annotations

import math
import os
import re
import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.cache import cache_folder
from charrnn.cells import CELLS
from charrnn.config import Config, CorpusConfig
from charrnn.device import find_device, is_cpu
from charrnn.errors import CharrnnError
from charrnn.files import read_json, read_record, replace_text, write_json
from charrnn.loading import dump, parse_run_config
from charrnn.store.checkpoint import Checkpoint, Checkpoints, Which
from charrnn.store.facts import FORMAT, RESULTS, Facts
from charrnn.store.folder import is_run
from charrnn.store.history import read_history
from charrnn.store.machine import this_machine
from charrnn.terminal import say, warn
from charrnn.text.documents import joint
from charrnn.text.reader import find_files
from charrnn.text.vocab import Vocabulary
from charrnn.version import __version__

if TYPE_CHECKING:  # imported only where they are needed: writing on a CPU does without PyTorch, and begins at once
    import torch
    from typing_extensions import Self

    from charrnn.text.dataset import Dataset, Part
    from charrnn.text.given import GivenText
    from charrnn.text.headings import Headings


HEADINGS = "headings.json"
CURVE = 5_000_000
"""The most bytes of metrics.jsonl that are read for a curve, the last ones."""
LAST_SAMPLE = 4_000
"""The most bytes of samples.txt in which the last sample is looked for."""


@dataclass(frozen=True, repr=False)
class RunFolder:
    """The folder of a training, complete in itself. `create` makes one and `open` opens one."""

    path: Path
    config: Config
    vocabulary: Vocabulary
    facts: Facts
    where: str
    """The name of the device, which may be `auto`."""
    which: Which = "best"
    """The checkpoint that is asked for; `checkpoint` is the one that is taken."""

    @classmethod
    def create(
        cls,
        path: Path,
        config: Config,
        dataset: Dataset,
        parameters: int,
        device: torch.device,
        init_from: str = "",
        recognised: str = "",
    ) -> Self:
        """Writes a new run, without checkpoints, into a folder that is empty or does not exist yet.

        `init_from` is the id of the run that it begins from, `recognised` the encoding that was recognised, in words.
        """
        import torch

        from charrnn.text.headings import Headings

        plugin = CELLS[config.model.cell].plugin
        facts = Facts(
            format=FORMAT,
            charrnn=__version__,
            torch=str(torch.__version__),
            results=RESULTS,
            machine=this_machine(device),
            id=uuid.uuid4().hex,
            parameters=parameters,
            fingerprint=dataset.fingerprint,
            mode=dataset.mode,
            characters={name: dataset.part(name, config.corpus).characters for name in ("train", "val", "test")},
            documents=None if dataset.starts is None else len(dataset.starts) - 1,
            vocabulary=len(dataset.vocabulary.characters),
            rare=dataset.rare,
            damage=dataset.damage,
            recognised=recognised,
            init_from=init_from,
            plugin=plugin,
            cell=config.model.cell if plugin else "",
            code=CELLS[config.model.cell].code,
        )
        vocabulary = dataset.vocabulary.in_encoding(config.corpus.encoding)
        run = cls(path, config, vocabulary, facts, str(device))
        try:
            path.mkdir(parents=True, exist_ok=True)
            if (headings := Headings.of(dataset, config.corpus)) is not None:
                write_json(path / HEADINGS, headings.model_dump())
            run.write()
        except OSError as error:
            raise CharrnnError(f"{error.filename or path}: the run cannot be written: {error.strerror}") from None
        return run

    def write(self) -> None:
        """Writes the files that do not change in training. `run.json` comes last, because it makes the folder a run."""
        (self.path / "config.yaml").write_text(dump(self.config), encoding="utf-8")
        self.vocabulary.save(self.path / "vocab.json")
        write_json(self.path / "run.json", self.facts.model_dump())

    @classmethod
    def open(cls, path: str | Path, device: str = "auto", checkpoint: Which = "best") -> Self:
        """Opens a run. Raises CharrnnError where the folder is not a run, or has a newer format."""
        path = Path(path)
        if not is_run(path):
            what = (
                "no such folder"
                if not os.path.exists(path)  # noqa: PTH110 (Path.exists raises where a name is too long)
                else "not a run: run.json is not in it"
                if path.is_dir()
                else "not a folder"
            )
            raise CharrnnError(f"{path}: {what}; give the folder that `charrnn train` printed")
        version = read_json(path / "run.json").get("format")
        if not isinstance(version, int) or version > FORMAT:
            shown = repr(version)[:30]
            raise CharrnnError(
                f"{path}: a run of format {shown}, and this charrnn ({__version__}) knows {FORMAT}: upgrade charrnn"
            )
        facts = read_record(path / "run.json", Facts)
        if facts.plugin and facts.cell not in CELLS:
            raise CharrnnError(
                f"{path}: its cell {facts.cell} is not charrnn's own; give the file that defines it: "
                f"‹plugin={facts.plugin}›"
            )
        if facts.cell_has_changed:
            warn(f"{path}: {facts.plugin} has changed since: what is computed now is not what was trained")
        config = parse_run_config(path / "config.yaml")
        if not is_cpu(device):
            device = str(find_device(device))
        vocabulary = Vocabulary.load(path / "vocab.json").in_encoding(config.corpus.encoding)
        return cls(path, config, vocabulary, facts, device, checkpoint)

    def with_size(self, parameters: int) -> Self:
        """The run with its number of parameters written down. That of an n-gram is known only after counting."""
        if parameters == self.facts.parameters:
            return self
        facts = self.facts.model_copy(update={"parameters": parameters})
        try:
            write_json(self.path / "run.json", facts.model_dump())
        except OSError as error:
            raise CharrnnError(f"{self.path}/run.json: cannot be written: {error.strerror}") from None
        return replace(self, facts=facts)

    def with_config(self, config: Config) -> Self:
        """The run with another config, which is also written. Raises CharrnnError where it cannot be written."""
        try:
            replace_text(self.path / "config.yaml", dump(config))
        except OSError as error:
            raise CharrnnError(f"{self.path}: config.yaml cannot be written: {error.strerror}") from None
        return replace(self, config=config)

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of this run."""
        return Checkpoints(self.path, self.facts.id)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint whose weights the model has. Raises CharrnnError where the one that is wanted is not there."""
        return self.checkpoints.find(self.which)

    @cached_property
    def headings(self) -> Headings | None:
        """What stands above the text of each document; None where nothing does."""
        from charrnn.text.headings import MAX_BYTES, Headings

        file = self.path / HEADINGS
        return read_record(file, Headings, MAX_BYTES) if file.exists() else None

    @property
    def is_documents(self) -> bool:
        """Whether the corpus is many short texts, each read from a fresh state, instead of one long text."""
        return self.facts.mode == "documents"

    @property
    def separator(self) -> str | None:
        """The text between the documents of the corpus; None if the corpus is one long text."""
        if not self.is_documents:
            return None
        corpus = self.config.corpus
        return joint(corpus.separator) if corpus.field is None else ""

    def read_part(self, text: str | Path) -> Part:
        """A text file in this run's alphabet, as `given` reads it."""
        return self.given(text).part

    def given(self, text: str | Path, encoding: str | None = None) -> GivenText:
        """A text file as the model reads it, in the same way as its corpus.

        It is in `encoding`; None is that of the corpus, unless the text surely is in another. That, and what the model
        does not know, is said on standard error. Raises CharrnnError where the file cannot be read.
        """
        from charrnn.text.given import GivenText

        given = GivenText(find_files(str(text), "text"), self._reading, self.vocabulary, encoding)
        for note in given.notes:
            say(note)
        return given

    @property
    def _reading(self) -> CorpusConfig:
        """How the corpus was read, with its mode."""
        return self.config.corpus.model_copy(update={"mode": self.facts.mode})

    def dataset(self, corpus: CorpusConfig | None = None) -> Dataset:
        """The corpus that the run was trained on. It comes from the user's cache; a named corpus can be made again.

        The files that the run's config names are never read, because a stranger may have written it. The user names
        files in `corpus`. Raises CharrnnError where the text is not found, or is another text.
        """
        from charrnn.text.corpora import resolve
        from charrnn.text.dataset import cached_dataset, load_dataset

        fingerprint = self.facts.fingerprint
        if corpus is None and (cached := cached_dataset(fingerprint)) is not None:
            return self._checked(cached)
        if corpus is None and (self.config.corpus.name is None or self.config.corpus.validation is not None):
            raise CharrnnError(
                f"{self.path}: its text is not in the cache ({cache_folder('ids').parent}), and a run may not say "
                "which files are read; name the file yourself: ‹overrides=corpus.path=FILE› with ‹resume›, ‹text=FILE› "
                "otherwise"
            )
        files, resolved = resolve(corpus or self.config.corpus)
        dataset = load_dataset(files, resolved, self.config.vocab)
        if dataset.fingerprint != fingerprint:
            raise CharrnnError(
                f"{self.path}: was trained on another text than {', '.join(map(str, files[:3]))}, "
                "or on one that has changed since"
            )
        return self._checked(dataset)

    def _checked(self, dataset: Dataset) -> Dataset:
        """The dataset. Raises CharrnnError where its ids mean other characters: a stranger's run may name any text."""
        wanted = (self.vocabulary.kind, self.vocabulary.characters, self.facts.mode)
        if (dataset.vocabulary.kind, dataset.vocabulary.characters, dataset.mode) != wanted:
            raise CharrnnError(
                f"{self.path}: was not trained on the text that its run.json names: that has another alphabet or mode; "
                "name a file: ‹text=FILE›"
            )
        return dataset

    @property
    def metrics(self) -> Path:
        """The file of what was measured in the training (see `store.history`)."""
        return self.path / "metrics.jsonl"

    @property
    def best_bits(self) -> float | None:
        """The bits per character of the best evaluation of the training; None before the first one."""
        try:
            best = self.checkpoints.summary("last").best
        except CharrnnError:
            return None
        return None if best is None else best / math.log(2)

    def curve(self) -> list[tuple[float, float]]:
        """The minutes and the bits per character of the evaluations of the training, the last ones of a long one."""
        lines = read_history(self.metrics, "val_bits_per_char", last=CURVE)
        return [(line["minutes"], line["val_bits_per_char"]) for line in lines]

    def last_sample(self) -> str:
        """The last sample that the model wrote during the training; empty if there is none."""
        try:
            with (self.path / "samples.txt").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_SAMPLE))
                end = file.read(LAST_SAMPLE).decode("utf-8", "replace")
        except OSError:
            return ""
        return re.split(r"^=== step \d+\n", end, flags=re.MULTILINE)[-1].strip("\n")

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, without lines that a kill cut short."""
        return list(read_history(self.metrics))
