"""A run: the folder that a training leaves, which is complete in itself, and what can be done with it.

config.yaml     the whole config, with every default written out
run.json        format, corpus, parameters
vocab.json      the alphabet
metrics.jsonl   a line for every log and every evaluation
samples.txt     the samples that the model wrote during the training
checkpoints/    weights and optimizer state
"""

from __future__ import annotations

import math
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.cache import cache_folder
from charrnn.cells import CELLS
from charrnn.config import Config, CorpusConfig
from charrnn.device import find_device, is_cpu
from charrnn.errors import CharrnnError, NoNumbers
from charrnn.files import read_json, read_record, replace_text, write_json
from charrnn.generation.fast import stepper as fast_stepper
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Piece, Sample, Sampler, check_samples
from charrnn.loading import dump, parse_run_config
from charrnn.store.checkpoint import WEIGHTS, Checkpoint, Checkpoints, Which
from charrnn.store.facts import FORMAT, Facts
from charrnn.store.folder import is_run
from charrnn.store.history import read_history
from charrnn.store.weights import COUNTS, Misfit, fill, load_arrays
from charrnn.terminal import say
from charrnn.text.documents import joint
from charrnn.text.prompts import Prompt, Unknown, read_prompts
from charrnn.text.reader import Report, find_files
from charrnn.text.vocab import Vocabulary
from charrnn.version import __version__

if TYPE_CHECKING:  # imported only where they are needed: writing on a CPU does without PyTorch, and begins at once
    import torch

    from charrnn.evaluation.likelihood import Likelihood
    from charrnn.evaluation.surprise import Scored
    from charrnn.generation.fill import Filled
    from charrnn.generation.stepper import Stepper
    from charrnn.models import LanguageModel
    from charrnn.text.dataset import Dataset, Part, SplitName
    from charrnn.text.given import By, GivenText


@dataclass(frozen=True)
class Run:
    """The folder of a training. `Run.create` makes one and `charrnn.load` opens one."""

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
    ) -> Run:
        """Writes a new run, without checkpoints, into a folder that is empty or does not exist yet.

        `init_from` is the id of the run that it begins from, `recognised` the encoding that was recognised, in words.
        """
        import torch

        plugin = CELLS[config.model.cell].plugin
        facts = Facts(
            format=FORMAT,
            charrnn=__version__,
            torch=str(torch.__version__),
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
        )
        vocabulary = dataset.vocabulary.in_encoding(config.corpus.encoding)
        run = cls(path, config, vocabulary, facts, str(device))
        try:
            path.mkdir(parents=True, exist_ok=True)
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
    def open(cls, path: str | Path, device: str = "auto", checkpoint: Which = "best") -> Run:
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
        config = parse_run_config(path / "config.yaml")
        if not is_cpu(device):
            device = str(find_device(device))
        vocabulary = Vocabulary.load(path / "vocab.json").in_encoding(config.corpus.encoding)
        return cls(path, config, vocabulary, facts, device, checkpoint)

    def with_size(self, parameters: int) -> Run:
        """The run with its number of parameters written down. That of an n-gram is known only after counting."""
        if parameters == self.facts.parameters:
            return self
        facts = self.facts.model_copy(update={"parameters": parameters})
        try:
            write_json(self.path / "run.json", facts.model_dump())
        except OSError as error:
            raise CharrnnError(f"{self.path}/run.json: cannot be written: {error.strerror}") from None
        return replace(self, facts=facts)

    def with_config(self, config: Config) -> Run:
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
    def device(self) -> torch.device:
        """The device that the model lives on."""
        return find_device(self.where)

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

    @cached_property
    def model(self) -> LanguageModel:
        """The model with the weights of `checkpoint`, ready to predict. Raises CharrnnError where there are none."""
        import torch

        from charrnn.models import build_model

        with torch.device("meta"):  # a stranger's config may ask for any size: the memory comes with the weights
            model = build_model(self.config.model, len(self.vocabulary))
        fill(model, self.checkpoint.folder / WEIGHTS)
        return model.to(self.device).eval().requires_grad_(False)

    def sampler(self, filters: Filters) -> Sampler:
        """A sampler that writes with this run's model. On the CPU it does without PyTorch if the model allows it."""
        if self.config.model.bidirectional:
            raise CharrnnError(
                f"{self.path}: a bidirectional model cannot write from left to right: it needs what comes after; "
                f'fill blanks with it: charrnn fill {self.path} "a text with a blank ＿"'
            )
        return Sampler(self._stepper, self.vocabulary, filters, documents=self.is_documents)

    @cached_property
    def _stepper(self) -> Stepper:
        if is_cpu(self.where):
            file = self.checkpoint.folder / WEIGHTS
            try:
                arrays = load_arrays(file)
                if self.config.model.ngram is not None:
                    arrays |= load_arrays(file.with_name(COUNTS))
                fast = fast_stepper(self.config.model, len(self.vocabulary), arrays)
            except Misfit as error:
                raise CharrnnError(f"{file}: {error.message}") from None
            if fast is not None:
                return fast
            say(f"charrnn: {self.config.model.cell} has no way to write without PyTorch, whose start takes seconds")
        from charrnn.generation.torch_stepper import TorchStepper

        return TorchStepper(self.model)

    def sample(
        self,
        prompt: str | bytes | None = None,
        *,
        length: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float | None = None,
        seed: int = 0,
        samples: int = 1,
        stop: str | None = None,
        unknown: Unknown = "error",
        strict: bool = False,
    ) -> list[Sample]:
        """Texts that continue `prompt`. The section `sampling` of the run's config replaces each None.

        Sample i has the seed `seed + i`. `unknown` and `strict` are those of `read_prompts`. Raises CharrnnError for a
        prompt with unknown characters and for values out of bounds.
        """
        filters = Filters.of(self.config.sampling, temperature, top_k, top_p, repetition_penalty)
        begin, length = self._beginning(prompt, length, unknown, strict)
        check_samples(samples)
        seeds = [seed + i for i in range(samples)]
        written = self.sampler(filters).sample(begin.ids, length, seeds, stop, begin.text)
        _check_finite(one.log_prob for one in written)
        return written

    def stream(self, prompt: str | bytes | None = None, **how: Any) -> Iterator[str]:
        """The text of `sample` in pieces, as they are written: first the prompt, then one character at a time.

        `how` holds what `pieces` takes.
        """
        return (piece.text for piece in self.pieces(prompt, **how))

    def pieces(
        self,
        prompt: str | bytes | None = None,
        *,
        length: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float | None = None,
        seed: int = 0,
        stop: str | None = None,
        unknown: Unknown = "error",
        strict: bool = False,
    ) -> Iterator[Piece]:
        """What `stream` gives, with the bytes of a model of bytes."""
        filters = Filters.of(self.config.sampling, temperature, top_k, top_p, repetition_penalty)
        begin, length = self._beginning(prompt, length, unknown, strict)
        sampler = self.sampler(filters)
        pieces = sampler.write(begin.ids, length, [seed], stop, block=1)
        first = next(pieces)
        _check_finite([first[0].log_prob])  # what is refused is refused before anything is shown
        yield Piece(begin.text, 0.0, sampler.data(begin.ids))
        for (piece,) in chain([first], pieces):
            _check_finite([piece.log_prob])
            yield piece

    def _beginning(
        self, prompt: str | bytes | None, length: int | None, unknown: Unknown, strict: bool
    ) -> tuple[Prompt, int]:
        """The prompt and the length. The config replaces each None."""
        sampling = self.config.sampling
        remedy = "write the text without them, or give ‹unknown=keep›, ‹unknown=skip› or ‹unknown=replace›"
        begin = self.read_prompt(sampling.prompt if prompt is None else prompt, unknown, strict, remedy)
        return begin, sampling.length if length is None else length

    def read_prompt(
        self,
        text: str | bytes,
        unknown: Unknown = "error",
        strict: bool = False,
        remedy: str = "write the text without them",
    ) -> Prompt:
        """A prompt as `text.prompts.read_prompts` reads it. What is taken for what is named on standard error."""
        return self._read_prompts([text], unknown, strict, remedy)[0]

    def _read_prompts(self, given: Sequence[str | bytes], unknown: Unknown, strict: bool, remedy: str) -> list[Prompt]:
        prompts, note = read_prompts(given, self.vocabulary, self.config.corpus, unknown, strict, remedy)
        if note:
            say(note)
        return prompts

    def encode_prompt(
        self,
        text: str | bytes,
        unknown: Unknown = "error",
        remedy: str = "write the text without them",
        strict: bool = False,
    ) -> list[int]:
        """The ids of a prompt. Raises CharrnnError for unknown characters, with the `remedy` that the caller offers."""
        return self.read_prompt(text, unknown, strict, remedy).ids

    def fill(
        self,
        text: str,
        blanks: str = "＿_",
        *,
        samples: int = 1,
        best: bool = False,
        seed: int = 0,
        unknown: Unknown = "error",
        strict: bool = False,
    ) -> list[Filled]:
        """Up to `samples` different texts in which each of the characters `blanks` is filled, likeliest first.

        All other characters stay as they are, also where the model reads others in their place (see `read_prompts`).
        `best` and `seed` are those of `Filler.fill`. Raises CharrnnError as that does, and as `read_prompts` does.
        """
        from charrnn.generation.fill import Filled, Filler

        parts = re.split(f"[{re.escape(blanks)}]", text)
        remedy = "write the text without them, put blanks in their place, or give ‹unknown=keep›"
        first, *others = self._read_prompts(parts, unknown, strict, remedy)
        ids: list[int | None] = [*first.ids]
        for other in others:
            ids += [None, *other.ids]
        found = Filler(self.model, self.vocabulary, self.is_documents).fill(ids, samples, best, seed)
        decode = self.vocabulary.decode
        return [
            Filled("".join(chain(*zip_longest(parts, map(decode, fillings), fillvalue=""))), log_prob)
            for fillings, log_prob in found
        ]

    def evaluate(
        self,
        text: str | Path | None = None,
        split: SplitName = "val",
        block: int | None = None,
        dynamic: float | None = None,
        progress: Report = lambda _: None,
        encoding: str | None = None,
    ) -> Likelihood:
        """The likelihood of a part of the run's corpus, or of a text file, which is read as `score` reads it.

        `block` is a number of characters after which the state is fresh again. `dynamic` is a rate at which the model
        goes on learning from the characters that it has been scored on (see `dynamic_likelihood`); `progress` is then
        given the number of characters read since its last call. Characters outside the vocabulary count as <unk>.
        Raises CharrnnError where there is nothing to evaluate, and for options that exclude each other.
        """
        from charrnn.evaluation.dynamic import dynamic_likelihood
        from charrnn.evaluation.likelihood import largest_block, likelihood

        largest = largest_block(len(self.vocabulary))
        if block is not None and (not 1 <= block <= largest or self.is_documents or dynamic is not None):
            raise CharrnnError(
                f"‹block={block}›: 1 to {largest:,} characters were expected, and a model of streams, not dynamic"
            )
        if dynamic is not None and not 0 < dynamic < 1:
            raise CharrnnError(f"‹dynamic={dynamic:g}›: expected above 0, below 1")
        if text is not None:
            part, what = self._given(text, encoding).part, str(text)
        else:
            part, what = self.dataset().part(split, self.config.corpus), f"the {split} part of the corpus"
        if not part.characters:
            raise CharrnnError(
                f"{what} is empty (corpus.split is {self.config.corpus.split}); give ‹text=FILE› or another ‹split›"
            )
        if dynamic is not None:
            result = dynamic_likelihood(self.model, part, dynamic, progress=progress)
        else:
            result = likelihood(self.model, part, block=block)
        _check_finite([result.nats])
        return result

    def score(
        self,
        text: str | Path,
        by: By = "line",
        progress: Report = lambda _: None,
        encoding: str | None = None,
    ) -> list[Scored]:
        """The surprise of each line, document or character of a text file, which are shown as they stand there.

        The text is in `encoding`; None is that of the corpus, unless the text surely is in another. That, and what the
        model does not know, is said on standard error. Raises CharrnnError for an empty file.
        """
        from charrnn.evaluation.surprise import score

        given = self._given(text, encoding)
        if not given.part.characters:
            raise CharrnnError(f"{text}: the text is empty")
        rows = score(self.model, given, by, progress)
        _check_finite(row.bits_per_char for row in rows)
        return rows

    def compress(self, data: bytes, progress: Report = lambda _: None) -> bytes:
        """`data` compressed with the model. Raises CharrnnError as `evaluation.compression.compress` does."""
        from charrnn.evaluation.compression import compress

        return compress(self.model, self.vocabulary, self.separator, data, progress)

    def decompress(self, packed: bytes, progress: Report = lambda _: None, large: bool = False) -> bytes:
        """The data that `compress` was given. Raises CharrnnError as `evaluation.compression.decompress` does."""
        from charrnn.evaluation.compression import decompress

        return decompress(self.model, self.vocabulary, self.separator, packed, progress, large)

    def read_part(self, text: str | Path) -> Part:
        """A text file in this run's alphabet, read in the same way as its corpus."""
        return self._given(text, None).part

    def _given(self, text: str | Path, encoding: str | None) -> GivenText:
        """A text file as the model reads it. What a person should know of it is said on standard error."""
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

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, without lines that a kill cut short."""
        return list(read_history(self.metrics))


def _check_finite(numbers: Iterable[float]) -> None:
    """Raises CharrnnError where what a model gave is not finite."""
    if not all(map(math.isfinite, numbers)):
        raise NoNumbers


def load(path: str | Path, device: str = "auto", checkpoint: Which = "best") -> Run:
    """Opens the folder of a run, to sample from it and to evaluate it.

    `checkpoint` is `best`, `last` or a step. Raises CharrnnError where the folder is not a run. A step without a
    checkpoint is told when the model is first needed.
    """
    return Run.open(path, device, checkpoint)
