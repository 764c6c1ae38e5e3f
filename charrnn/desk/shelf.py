"""The runs that a server writes with."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from charrnn.desk.batching import Batching
from charrnn.desk.limits import Limits
from charrnn.desk.requests import Verse
from charrnn.errors import CharrnnError
from charrnn.evaluation.novelty import Learnt, usual_run
from charrnn.generation.constraints import Both, Constraint, Without
from charrnn.generation.filters import Filters
from charrnn.generation.original import Original, check_original
from charrnn.generation.stepper import Stepper
from charrnn.generation.writer import Writer
from charrnn.run import Run
from charrnn.text.prompts import Prompt, Unknown, read_prompts


class Served:
    """A run that is open, with the thread that writes."""

    def __init__(self, name: str, run: Run) -> None:
        self.name, self.run = name, run
        self.batching: Batching | None = None
        self._opening = threading.Lock()
        self.verse = lru_cache(maxsize=16)(self._verse)
        if self.writes:
            self.model.begin([run.vocabulary.boundary], 1)  # what is made when it is first needed is made now

    @property
    def writes(self) -> bool:
        """Whether the model reads from left to right. Others only fill blanks."""
        return not self.run.config.model.bidirectional

    @property
    def model(self) -> Stepper:
        """The model. Raises CharrnnError where it cannot write."""
        return self.run.sampler(Filters()).model

    def start(self, limits: Limits, post: Callable[[Callable[[], None]], object]) -> None:
        """Starts the thread that writes."""
        if self.writes:
            run = self.run
            self.batching = Batching(self.model, run.vocabulary, run.is_documents, limits.texts, limits.queue, post)

    def read(self, text: str, unknown: Unknown = "error", strict: bool = False) -> tuple[Prompt, str]:
        """A prompt as `Run.read_prompt` reads it, and a line that says what was taken for what."""
        remedy = "write the text without them, or give ‹unknown=keep›, ‹unknown=skip› or ‹unknown=replace›"
        (prompt,), note = read_prompts([text], self.run.vocabulary, self.run.config.corpus, unknown, strict, remedy)
        return prompt, note

    def constraint(self, asked: Verse, seed: int, given: int) -> Constraint | None:
        """What is asked for of a text that begins with `given` ids of a prompt. Raises CharrnnError where there is no
        verse of that kind, and where the text that the model has learnt from, or pydivsufsort, is missing.
        """
        parts: list[Constraint] = []
        if asked.form is not None:
            words = tuple(asked.words)
            keys = (asked.form, asked.tones, asked.rhyme, asked.acrostic, asked.acrostic_at, words)
            parts.append(self.verse(*keys, seed if words else 0, asked.repeat_characters, asked.rhyme_table))
        elif asked.tones or asked.rhyme is not None or asked.acrostic or asked.words:
            raise CharrnnError("‹tones›, ‹rhyme›, ‹acrostic› and ‹words› belong to a form of verse: give ‹form› too")
        if asked.without:
            parts.append(Without(asked.without, self.run.vocabulary))
        if asked.original is not None:
            check_original(asked.original)
            parts.append(Original(self.learnt.suffixes, asked.original, self.run.vocabulary, given))
        # `Both` looks ahead, without which a text could run into a place where every character completes a run
        return Both(parts) if len(parts) > 1 or asked.original is not None else parts[0] if parts else None

    def _verse(
        self,
        form: str,
        tones: bool,
        rhyme: str | None,
        acrostic: str,
        acrostic_at: Any,
        words: Sequence[str],
        seed: int,
        repeat: bool | None,
        table: str | None,
    ) -> Constraint:
        return self.run.verse(
            named(form),
            tones=tones,
            rhyme=rhyme,
            acrostic=acrostic,
            acrostic_at=acrostic_at,
            words=words,
            seed=seed,
            repeat_characters=repeat,
            rhyme_table=table,
        )

    def writer(self, text: str, constraint: Constraint | None) -> Writer:
        """A writer at the end of a text, who proposes what is likely to the model itself, without filters."""
        run = self.run
        writer = Writer(
            self.model,
            run.vocabulary,
            run.config.corpus,
            Filters(),
            documents=run.is_documents,
            constraint=constraint,
        )
        writer.type(text)
        return writer

    @property
    def learnt(self) -> Learnt:
        """The text that the model has learnt from, whose index one thread opens for all."""
        with self._opening:
            return self.run.learnt

    def facts(self) -> dict[str, Any]:
        """What a person should know of it."""
        run, bits = self.run, self.run.best_bits
        return {
            "name": self.name,
            "model": run.config.model.shape,
            "corpus": run.config.corpus.name,
            "characters": len(run.vocabulary.characters),
            "kind": run.vocabulary.kind,
            "documents": run.is_documents,
            "writes": self.writes,
            "bits_per_char": bits if bits is not None and math.isfinite(bits) else None,
            "step": run.checkpoint.step,
            "copied_from": usual_run(run.vocabulary),
            "sampling": run.config.sampling.model_dump(),
        }


def named(form: str) -> str:
    """The name of a form. Raises CharrnnError for that of a file: a server reads none."""
    if form.lower().endswith((".yaml", ".yml")):
        raise CharrnnError(f"‹form={form}›: a name, a tune of ci or a size was expected; a server reads no files")
    return form


class Shelf:
    """All runs, by their names."""

    def __init__(self, runs: Sequence[Run]) -> None:
        """A run is called as its folder is, or by its whole path if two are called so."""
        names = [run.path.resolve().name for run in runs]
        self._served = [
            Served(name if names.count(name) == 1 else str(run.path), run)
            for name, run in zip(names, runs, strict=True)
        ]

    def __iter__(self) -> Any:
        return iter(self._served)

    def find(self, name: str | None) -> Served:
        """The run of a name; the first one without a name. Raises CharrnnError where there is none."""
        for one in self._served:
            if name is None or one.name == name:
                return one
        raise NoSuchRun(f"‹run={name}›: no such run; there are {', '.join(one.name for one in self._served)}")

    def start(self, limits: Limits, post: Callable[[Callable[[], None]], object]) -> None:
        """Starts the threads that write."""
        for one in self._served:
            one.start(limits, post)

    def close(self) -> None:
        """Ends all texts where they are."""
        for one in self._served:
            if one.batching is not None:
                one.batching.close()


class NoSuchRun(CharrnnError):
    """A name that no run has."""
