"""Writing with a run: texts, pieces as they come, a text written together, blanks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from charrnn.errors import CharrnnError
from charrnn.generation.constraints import DeadEnd
from charrnn.generation.filters import Filter, Filters
from charrnn.generation.ranking import Judge, rank, repetition
from charrnn.generation.sampler import Piece, Sample, check_samples
from charrnn.run.measuring import Measuring
from charrnn.run.opened import check_finite
from charrnn.run.verses import Verses
from charrnn.text.prompts import Prompt, Unknown

if TYPE_CHECKING:  # imported only where they are needed: writing on a CPU does without PyTorch, and begins at once
    from charrnn.generation.constraints import Constraint
    from charrnn.generation.fill import Filled
    from charrnn.generation.writer import Writer


class Writing(Verses, Measuring):
    """What a run writes."""

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
        judge: Judge | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[Sample]:
        """Texts that continue `prompt`. The section `sampling` of the run's config replaces each None.

        The same seed gives the same texts: sample i follows from the seed and i, however many there are. `filters` are
        functions of your own on the log-probabilities (`charrnn.Filter`), which come before temperature, top-k and
        top-p. A text ends after `stop`. `unknown` says what happens to characters of the prompt that the model knows in
        no form: `error`, `replace` (by <unk>), `skip`, or `keep`, which shows them; `strict` takes no other form of a
        character. Texts keep the `constraint`, such as that of `verse`, which ends them instead of `stop`. With
        `original` none is written in which a run of so many characters, from 2, stands in the training part of the
        corpus; the prompt may hold such runs, but none goes on from it. Each text is the best of `best_of` ones: by its
        probability per character, less something for each fault that `judge` names, by default each repetition (see
        `charrnn.generation.ranking`; `Run.judge` for verse). `fields` are some of those of the heading, such as
        `{"title": "山中"}`, of which the model writes the others; all else that is asked for then is asked of the text
        below it. Raises CharrnnError for a prompt with unknown characters, for values out of bounds, and where no text
        can keep what is asked for.
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
        check_finite(one.log_prob for one in written)
        if fields is not None and self.headings is not None:
            written = [
                replace(
                    one,
                    fields=self.headings.read(one.text),
                    constraint_bits=None if is_free else one.constraint_bits,  # to have a heading is no constraint
                )
                for one in written
            ]
        return written if best_of == 1 else self._best(written, best_of, len(begin.text), judge)

    def _best(self, written: Sequence[Sample], best_of: int, given: int, judge: Judge | None) -> list[Sample]:
        """The best of each `best_of` texts, of which so many characters were `given`."""
        below = self.headings.below if self.headings is not None else str
        ranked = [  # one more than is shown was written: the end of the text, if only where the model came to it
            replace(one, rank=rank(below(one.text), one.log_prob, len(one.text) - given + 1, judge or repetition))
            for one in written
        ]
        groups = (ranked[i : i + best_of] for i in range(0, len(ranked), best_of))
        return [min(group, key=lambda one: one.rank.score if one.rank else 0.0) for group in groups]

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
        check_finite([first[0].log_prob])  # what is refused is refused before anything is shown
        yield Piece(begin.text, 0.0, sampler.data(begin.ids))
        for (piece,) in chain([first], pieces):
            check_finite([piece.log_prob])
            yield piece

    def _beginning(
        self, prompt: str | bytes | None, length: int | None, unknown: Unknown, strict: bool
    ) -> tuple[Prompt, int]:
        """The prompt and the length. The config replaces each None."""
        sampling = self.config.sampling
        remedy = "write the text without them, or give ‹unknown=keep›, ‹unknown=skip› or ‹unknown=replace›"
        begin = self.read_prompt(sampling.prompt if prompt is None else prompt, unknown, strict, remedy)
        return begin, sampling.length if length is None else length

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
