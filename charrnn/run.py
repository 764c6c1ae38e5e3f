"""A run: what can be done with the model that a training leaves in its folder (`store/run_folder.py`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.device import find_device, is_cpu
from charrnn.errors import CharrnnError, NoNumbers
from charrnn.generation.constraints import DeadEnd
from charrnn.generation.fast import stepper as fast_stepper
from charrnn.generation.filters import Filter, Filters
from charrnn.generation.sampler import Piece, Sample, Sampler, check_samples
from charrnn.notebook import as_html
from charrnn.store.checkpoint import WEIGHTS, Which
from charrnn.store.run_folder import RunFolder
from charrnn.store.weights import COUNTS, Misfit, fill, load_arrays
from charrnn.terminal import advance, bar, say
from charrnn.text.prompts import Prompt, Unknown, read_prompts
from charrnn.text.reader import Report, normalizer

if TYPE_CHECKING:  # imported only where they are needed: writing on a CPU does without PyTorch, and begins at once
    import torch

    from charrnn.evaluation.likelihood import Likelihood
    from charrnn.evaluation.novelty import Learnt, Novelty
    from charrnn.evaluation.surprise import Scored
    from charrnn.generation.acrostic import Acrostic
    from charrnn.generation.constraints import Constraint
    from charrnn.generation.fill import Filled
    from charrnn.generation.stepper import Stepper
    from charrnn.generation.writer import Writer
    from charrnn.models import LanguageModel
    from charrnn.text.dataset import SplitName
    from charrnn.text.given import By
    from charrnn.verse.automaton import At, Verse
    from charrnn.verse.english import EnglishVerse
    from charrnn.verse.mending import Mended


OWN_TEXTS, OWN_TEXT = 8, 300
"""How many texts of how many characters tell how a model sets its lines."""


class Run(RunFolder):
    """A trained model in its folder: it writes, fills blanks, and measures texts. `charrnn.load` opens one."""

    def __repr__(self) -> str:
        """What it is, in a line: `Run runs/x: lstm 1 × 256, 2.13 bits`, the bits per character of its best step."""
        bits = self.best_bits
        return f"Run {self.path}: {self.config.model.shape}" + ("" if bits is None else f", {bits:.2f} bits")

    def _repr_html_(self) -> str:
        """The same line for a notebook, with the curve of the training and its last sample."""
        return as_html(repr(self), self.curve(), self.last_sample())

    @cached_property
    def device(self) -> torch.device:
        """The device that the model lives on."""
        return find_device(self.where)

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
        self._check_writes()
        return Sampler(self._stepper, self.vocabulary, filters, documents=self.is_documents)

    def _check_writes(self) -> None:
        """Raises CharrnnError for a model that does not write from left to right."""
        if self.config.model.bidirectional:
            raise CharrnnError(
                f"{self.path}: a bidirectional model cannot write from left to right: it needs what comes after; "
                f'fill blanks with it: charrnn fill {self.path} "a text with a blank ＿"'
            )

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
        filters: Sequence[Filter] = (),
        seed: int = 0,
        samples: int = 1,
        stop: str | None = None,
        unknown: Unknown = "error",
        strict: bool = False,
        constraint: Constraint | None = None,
        original: int | None = None,
        best_of: int = 1,
        fields: Mapping[str, str] | None = None,
    ) -> list[Sample]:
        """Texts that continue `prompt`. The section `sampling` of the run's config replaces each None.

        The same seed gives the same texts: sample i follows from the seed and i, however many there are. `filters` are
        functions of your own on the log-probabilities (`charrnn.Filter`), which come before temperature, top-k and
        top-p. A text ends after `stop`. `unknown` says what happens to characters of the prompt that the model knows in
        no form: `error`, `replace` (by <unk>), `skip`, or `keep`, which shows them; `strict` takes no other form of a
        character. Texts keep the `constraint`, such as that of `verse`, which ends them instead of `stop`. With
        `original` none is written in which a run of so many characters, from 2, stands in the training part of the
        corpus; the prompt may hold such runs, but none goes on from it. Each text is the likeliest of `best_of` ones,
        by its probability per character. `fields` are some of those of the heading, such as `{"title": "山中"}`, of
        which the model writes the others; all else that is asked for then is asked of the text below it. Raises
        CharrnnError for a prompt with unknown characters, for values out of bounds, and where no text can keep what is
        asked for.
        """
        chosen = Filters.of(self.config.sampling, temperature, top_k, top_p, repetition_penalty, filters)
        given = "" if prompt is None and fields is not None else prompt  # the config's prompt may be a heading
        begin, length = self._beginning(given, length, unknown, strict)
        if original is not None:
            constraint = self._original(original, len(begin.ids), constraint)
        is_free = constraint is None
        if fields is not None:
            begin, constraint = self._headed(fields, begin, constraint, unknown, strict)
        check_samples(samples)
        if best_of < 1:
            raise CharrnnError(f"‹best_of={best_of}›: a number of texts from 1 was expected")
        check_samples(tried := samples * best_of)
        if constraint is None:
            written = self.sampler(chosen).sample(begin.ids, length, seed, tried, stop, begin.text)
        elif stop is None:
            sampler = self.sampler(chosen)
            try:
                written = sampler.sample_within(constraint, begin.ids, length, seed, tried, begin.text)
            except DeadEnd:
                if original is None:
                    raise
                raise CharrnnError(
                    f"‹original={original}›: at one place every character that could come completes a run of so many "
                    "characters of the corpus; give a larger number, or another ‹seed›"
                ) from None
        else:
            why = "the model writes a part of the heading; give all of it" if is_free else "a constraint ends a text"
            raise CharrnnError(f"‹stop={stop}›: {why}, or leave this out")
        _check_finite(one.log_prob for one in written)
        groups = (written[i : i + best_of] for i in range(0, tried, best_of))
        new = len(begin.text) - 1  # what the model wrote is longer by one, if only for the end that it may have written
        best = [max(group, key=lambda one: one.log_prob / (len(one.text) - new)) for group in groups]
        if fields is None or self.headings is None:
            return best
        return [
            replace(
                one,
                fields=self.headings.read(one.text),
                constraint_bits=None if is_free else one.constraint_bits,  # to have a heading is no constraint
            )
            for one in best
        ]

    def _headed(
        self, fields: Mapping[str, str], begin: Prompt, below: Constraint | None, unknown: Unknown, strict: bool
    ) -> tuple[Prompt, Constraint | None]:
        """How a text begins that has a heading, and below it `begin`; and what it keeps, with the constraint `below`.

        Raises CharrnnError where the run has no headings, or not these fields.
        """
        from charrnn.generation.headed import with_heading
        from charrnn.text.headings import as_given

        if self.headings is None:
            asked = as_given(*next(iter(fields.items()))) if fields else "‹fields›"
            raise CharrnnError(
                f"{asked}: {self.path} was trained on texts without headings; train with a config whose texts have "
                "them (song-ci, tang-titled), or with the fields of a table (corpus.field)"
            )
        given = self.headings.taken(fields)
        read = self._read_prompts([*given.values()], unknown, strict, "write it without them")
        values = dict(zip(given, read, strict=True))
        return with_heading(self.headings.parts, values, begin, below, self.vocabulary)

    def _original(self, length: int, given: int, constraint: Constraint | None) -> Constraint:
        """A constraint, and that nothing longer is copied from the training part, behind a prompt of `given` ids."""
        from charrnn.generation.constraints import Both
        from charrnn.generation.original import Original

        original = Original(self.learnt.suffixes, length, self.vocabulary, given)
        return Both([original] if constraint is None else [constraint, original])

    def verse(
        self,
        form: str,
        *,
        tones: bool = False,
        rhyme: str | None = None,
        acrostic: str = "",
        acrostic_at: At | int = "start",
        words: Sequence[str] = (),
        seed: int = 0,
        repeat_characters: bool | None = None,
        rhyme_table: str | Path | None = None,
    ) -> Verse:
        """A form of verse as a constraint for `sample`: every poem is right (docs/verse.md).

        `form` is a name (wujue, 七律, a tune of ci such as 菩萨蛮), a size (5x8) or a YAML file. `tones` asks for the
        tones of the form, `rhyme` for rhymes: `any` group, or a group or a character of it, such as 東. The characters
        of an `acrostic` stand one in each line, at its `start`, `end`, on the `diagonal`, or at a place from 1.
        Each of the `words` occurs in a line, at one of a few places that follow from `seed`. Characters may occur twice
        unless `repeat_characters` is false, which it is by default for regulated verse.
        `rhyme_table` says what decides tones and rhymes: `pingshui`, the default for forms with tones and for classical
        corpora; `xinyun`, the readings of today; or a YAML file. The names of tables may stand for `any` too.

        Raises CharrnnError where no poem is possible, for a form that is not known, and where a table is missing.
        """
        from charrnn.verse.automaton import Verse, Wish
        from charrnn.verse.forms import find_form
        from charrnn.verse.tables import ANY, CLASSICAL, TABLES, table_of

        if acrostic_at not in ("start", "end", "diagonal") and not isinstance(acrostic_at, int):
            raise CharrnnError(f"‹acrostic_at={acrostic_at}›: start, end, diagonal or a number from 1 was expected")
        found = find_form(form)
        readings = None
        if tones or rhyme is not None:
            usual = "pingshui" if found.has_tones or self.config.corpus.name in CLASSICAL else "xinyun"
            readings = table_of(rhyme_table or (rhyme if rhyme in TABLES else usual))
        group = "" if rhyme is None or rhyme in ANY else str(rhyme)
        letters = self.vocabulary.decode(self.read_prompt(acrostic, remedy="choose others").ids) if acrostic else ""
        repeat = found.is_ci or not tones if repeat_characters is None else repeat_characters
        asked = tuple(self.vocabulary.decode(self.read_prompt(word, remedy="choose others").ids) for word in words)
        wish = Wish(tones, rhyme is not None, group, letters, acrostic_at, asked, seed, repeat)
        if self.vocabulary.kind == "byte":
            raise CharrnnError(f"‹form={form}›: {self.path} is a model of bytes; verse needs one of characters")
        return Verse(found, wish, self.vocabulary.characters, readings, len(self.vocabulary))

    def english_verse(self, rhyme_scheme: str = "", syllables: str = "") -> EnglishVerse:
        """English verse as a constraint for `sample`: lines that rhyme, or have so many syllables, or both.

        `rhyme_scheme` has a letter for each line, the same for lines that rhyme, such as `aabba`; `syllables` a number
        for each line, such as `5-7-5`, or one for all. Raises CharrnnError where these are something else, where the
        dictionary is missing, and where the alphabet does not spell enough of its words.
        """
        from charrnn.verse.english import EnglishVerse

        return EnglishVerse(self.vocabulary, rhyme_scheme, syllables)

    def writer(
        self,
        text: str = "",
        *,
        seed: int = 0,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float | None = None,
        filters: Sequence[Filter] = (),
        constraint: Constraint | None = None,
    ) -> Writer:
        """A text that you and the model write together, which begins with `text`, as yours (docs/desk.md).

        The parameters are those of `sample`. Raises CharrnnError for values out of bounds, and for a bidirectional
        model.
        """
        from charrnn.generation.writer import Writer

        chosen = Filters.of(self.config.sampling, temperature, top_k, top_p, repetition_penalty, filters)
        self._check_writes()
        writer = Writer(
            self._stepper,
            self.vocabulary,
            self.config.corpus,
            chosen,
            documents=self.is_documents,
            seed=seed,
            longest=self.config.sampling.length,
            verse=self.verse,
            constraint=constraint,
        )
        if text:
            writer.type(text)
        return writer

    def acrostic(self, letters: str, *, length: int = 10_000) -> Acrostic:
        """A constraint for `sample`: lines of any text, of which each begins with one of the letters.

        Between two lines stands what the model most often writes there: some texts of its own tell. All lines together
        have at most `length` characters. Raises CharrnnError for a letter that the model does not know, where it knows
        no line ends, and where the lines have no room.
        """
        from charrnn.generation.acrostic import Acrostic, usual_break

        known = self.vocabulary.decode(self.read_prompt("".join(letters.split()), remedy="choose others").ids)
        Acrostic(known, self.vocabulary, length)  # what is refused is refused before anything is written
        begun = self.sampler(Filters.of(self.config.sampling)).sample([], OWN_TEXT, seed=0, samples=OWN_TEXTS)
        return Acrostic(known, self.vocabulary, length, usual_break(one.text for one in begun))

    def mend(self, text: str, form: str, *, rhyme_table: str | Path | None = None) -> Mended:
        """A poem with the fewest changed characters after which it is right in its form, with tones and rhymes.

        Of all such changes the likeliest that a beam search finds are taken. Raises CharrnnError where the text does
        not have the lines of the form, and for a bidirectional model.
        """
        from charrnn.verse.forms import find_form
        from charrnn.verse.mending import mend

        if not self.model.causal:
            raise CharrnnError(f"{self.path}: a bidirectional model mends no poem; take one that reads left to right")
        tones = find_form(form).has_tones
        verse = self.verse(form, tones=tones, rhyme="any", repeat_characters=True, rhyme_table=rhyme_table)
        return mend(self.model, self.vocabulary, verse, text)

    def stream(
        self,
        prompt: str | bytes | None = None,
        *,
        length: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float | None = None,
        filters: Sequence[Filter] = (),
        seed: int = 0,
        stop: str | None = None,
        unknown: Unknown = "error",
        strict: bool = False,
    ) -> Iterator[str]:
        """The text of `sample` in pieces, as they are written: first the prompt, then one character at a time.

        What is refused is refused before the first piece. The parameters are those of `sample`.
        """
        pieces = self.pieces(
            prompt,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            filters=filters,
            seed=seed,
            stop=stop,
            unknown=unknown,
            strict=strict,
        )
        return (piece.text for piece in pieces)

    def pieces(
        self,
        prompt: str | bytes | None = None,
        *,
        length: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float | None = None,
        filters: Sequence[Filter] = (),
        seed: int = 0,
        stop: str | None = None,
        unknown: Unknown = "error",
        strict: bool = False,
    ) -> Iterator[Piece]:
        """What `stream` gives, with its log-probability and the bytes of a model of bytes."""
        chosen = Filters.of(self.config.sampling, temperature, top_k, top_p, repetition_penalty, filters)
        begin, length = self._beginning(prompt, length, unknown, strict)
        sampler = self.sampler(chosen)
        pieces = sampler.write(begin.ids, length, seed, stop=stop, block=1)
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

        if split not in ("train", "val", "test"):
            raise CharrnnError(f"‹split={split}›: train, val or test was expected")
        largest = largest_block(len(self.vocabulary))
        if block is not None and self.is_documents:
            raise CharrnnError(f"‹block={block}›: {self.path} reads documents, each from a fresh state; leave it out")
        if block is not None and (not 1 <= block <= largest or dynamic is not None):
            raise CharrnnError(f"‹block={block}›: 1 to {largest:,} characters were expected, and not ‹dynamic›")
        if dynamic is not None and not 0 < dynamic < 1:
            raise CharrnnError(f"‹dynamic={dynamic:g}›: expected above 0, below 1")
        if text is not None:
            part, what = self.given(text, encoding).part, str(text)
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

    def floor(self, split: SplitName = "val") -> float | None:
        """The bits per character that no model gets below, on a part of the corpus: known where a program has drawn it
        (docs/memory.md), None for any other text.
        """
        from charrnn.text.synthetic import floor_of, synthetic

        name = self.config.corpus.name
        if name is None or synthetic(name) is None:
            return None
        return floor_of(self.config.corpus, self.vocabulary, self.dataset().part(split, self.config.corpus))

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

        if by not in ("line", "document", "character"):
            raise CharrnnError(f"‹by={by}›: line, document or character was expected")
        given = self.given(text, encoding)
        if not given.part.characters:
            raise CharrnnError(f"{text}: the text is empty")
        rows = score(self.model, given, by, progress)
        _check_finite(row.bits_per_char for row in rows)
        return rows

    @cached_property
    def learnt(self) -> Learnt:
        """The training part of the corpus, in which runs of characters are looked up (docs/novelty.md).

        Its index is built once, and kept in the user's cache. Raises CharrnnError where the text is not in the cache,
        and cannot be made again (see `find_text`), and where pydivsufsort is missing.
        """
        from charrnn.evaluation.novelty import Learnt

        total = self.facts.characters["train"]
        with bar(total=total, desc="index", unit="char", unit_scale=True, leave=False, delay=1) as shown:
            return Learnt(self.dataset(), self.config.corpus, lambda count: advance(shown, count))

    def find_text(self, text: str | Path) -> None:
        """Puts the text that the run was trained on, a file of the user's, into the cache again, which was cleared.

        Raises CharrnnError where it is another text.
        """
        if self.config.corpus.validation is not None:
            raise CharrnnError(
                f"‹text={text}›: {self.path} has a text of its own to validate on (corpus.validation); put both into "
                "the cache with ‹resume› and ‹overrides=corpus.path=FILE›"
            )
        self.dataset(self._reading.model_copy(update={"name": None, "path": str(text)}))

    def novelty(self, text: str | bytes, given: int = 0) -> Novelty:
        """What a text of a person's or a model's shares with the training part of the corpus, and where that stands.

        `given` of its characters, those of a prompt, do not count. Raises CharrnnError as `learnt` does.
        """
        return self.learnt.novelty(self._ids(text), len(self._ids(text[:given])))

    def _ids(self, text: str | bytes) -> list[int]:
        """The ids of a text, read as the corpus was; those of a model of bytes are its bytes."""
        if isinstance(text, bytes):
            if self.vocabulary.kind == "byte":
                return list(text)
            raise CharrnnError(f"{self.path}: a model of characters; give it a text instead of bytes")
        read = text if self.vocabulary.kind == "byte" else normalizer(self.config.corpus)(text)
        return self.vocabulary.encode(read, "replace")

    def compress(self, data: bytes, progress: Report = lambda _: None) -> bytes:
        """`data` compressed with the model. Raises CharrnnError as `evaluation.compression.compress` does."""
        from charrnn.evaluation.compression import compress

        return compress(self.model, self.vocabulary, self.separator, data, progress)

    def decompress(self, packed: bytes, progress: Report = lambda _: None, large: bool = False) -> bytes:
        """The data that `compress` was given. Raises CharrnnError as `evaluation.compression.decompress` does."""
        from charrnn.evaluation.compression import decompress

        return decompress(self.model, self.vocabulary, self.separator, packed, progress, large)


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
