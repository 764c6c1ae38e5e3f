"""Measuring with a run: likelihood, surprise, what is copied, compression."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.errors import CharrnnError
from charrnn.run.opened import Opened, check_finite
from charrnn.terminal import advance, bar
from charrnn.text.reader import Report, normalizer

if TYPE_CHECKING:  # imported only where they are needed: writing on a CPU does without PyTorch, and begins at once
    from charrnn.evaluation.likelihood import Likelihood
    from charrnn.evaluation.novelty import Learnt, Novelty
    from charrnn.evaluation.surprise import Scored
    from charrnn.text.dataset import SplitName
    from charrnn.text.given import By


class Measuring(Opened):
    """What can be measured with a run: texts, and what they share with its corpus."""

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
        check_finite([result.nats])
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
        check_finite(row.bits_per_char for row in rows)
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
