"""What of the text at the desk is copied from the text that the model has learnt from."""

from __future__ import annotations

from itertools import pairwise

from charrnn.desk.screen import View
from charrnn.errors import CharrnnError
from charrnn.evaluation.copying import Copying
from charrnn.evaluation.novelty import Learnt
from charrnn.run import Run
from charrnn.text.dataset import cached_dataset
from charrnn.text.vocab import Vocabulary


def learnt_quietly(run: Run) -> Learnt:
    """The text that a run has learnt from, if it is in the cache: nothing is fetched or shown, since nobody has asked.

    Raises CharrnnError where it is not there, and where pydivsufsort is missing.
    """
    if cached_dataset(run.facts.fingerprint) is None:
        raise CharrnnError(f"{run.path}: its text is not in the cache")
    return Learnt(run.dataset(), run.config.corpus)


class Copied:
    """Marks what is copied on a view."""

    def __init__(self, learnt: Learnt, vocabulary: Vocabulary, least: int) -> None:
        """Runs of `least` or more characters count."""
        self._vocabulary = vocabulary
        self._copying = Copying(learnt, least)

    def mark(self, view: View) -> None:
        """Marks the text of the view as it is now, and the proposals with which a run would begin, or go on."""
        ids: list[int] = []
        ends: list[int] = []
        for character in view.writer.characters:
            ids += character.ids or (self._vocabulary.unknown,)  # a run does not go on over what is not read
            ends.append(len(ids))
        copied = self._copying.follow(ids)
        view.copied = [any(copied[a:b]) for a, b in pairwise([0, *ends])]
        share = sum(view.copied) / max(1, len(ends))
        view.told = f"copied {share:.0%}/{self._copying.longest}" if ends else ""
        texts = [one.text for one in (*view.proposals, *view.words)]
        found = self._copying.lengthen([self._vocabulary.encode(text, "replace") for text in texts])
        view.lengthening = {text for text, lengthens in zip(texts, found, strict=True) if lengthens}
