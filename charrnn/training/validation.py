"""The validation of a training: the likelihood of a text that it does not learn from."""

from __future__ import annotations

from typing import Literal

from charrnn.evaluation.likelihood import likelihood, some_characters
from charrnn.models import LanguageModel
from charrnn.text.dataset import Part
from charrnn.training.standing import Standing

SHARE = 60
"""`evaluate_characters: auto` reads one character for 60 that were learnt from before the first evaluation. That takes
some 1 % of the time, because reading a character is several times as fast as learning from it."""
LEAST = 5_000
"""The fewest characters that `auto` reads."""
STREAM = 1_000
"""The fewest characters of a stream of `auto`. Many short streams are read faster than a few long ones, but the
beginnings of streams raise the loss by a little."""


class Validation:
    """The validation part of a corpus, or as much of it as `training.evaluate_characters` says."""

    def __init__(self, part: Part, wanted: int | Literal["auto", "all"]) -> None:
        self._part = some_characters(part, wanted) if isinstance(wanted, int) else part
        self._is_auto = wanted == "auto"
        self.characters = self._part.characters

    def nats(self, model: LanguageModel, standing: Standing) -> float:
        """The nats per character. With `auto`, the first call sets how many are read, which `standing` keeps."""
        if not self._is_auto:
            return likelihood(model, self._part).nats_per_char
        standing.evaluated = standing.evaluated or max(LEAST, standing.learnt // SHARE)
        part = some_characters(self._part, standing.evaluated, STREAM)
        return likelihood(model, part, stream=STREAM).nats_per_char
