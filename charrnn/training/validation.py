"""What a training is judged by: the likelihood of a text that it does not learn from."""

from __future__ import annotations

from typing import Literal

from charrnn.evaluation.likelihood import likelihood, some_characters
from charrnn.models import LanguageModel
from charrnn.text.dataset import Part
from charrnn.training.standing import Standing

SHARE = 60
"""`evaluate_characters: auto` reads one character for so many that were learnt from before the first evaluation: some
1 % of the time, since a character is read several times as quickly as it is learnt from."""
LEAST = 5_000
"""Characters that it reads at least."""
STREAM = 1_000
"""Characters of each of its streams, at least: what is read quickly is read as more and shorter streams, whose
beginnings raise the loss by a little."""


class Validation:
    """The held-out part, or as much of it as `training.evaluate_characters` leaves."""

    def __init__(self, part: Part, wanted: int | Literal["auto", "all"]) -> None:
        self._part = some_characters(part, wanted) if isinstance(wanted, int) else part
        self._is_auto = wanted == "auto"
        self.characters = self._part.characters

    def nats(self, model: LanguageModel, standing: Standing) -> float:
        """Nats per character. For `auto` the first call decides how many are read; `standing` keeps that number."""
        if not self._is_auto:
            return likelihood(model, self._part).nats_per_char
        standing.evaluated = standing.evaluated or max(LEAST, standing.learnt // SHARE)
        part = some_characters(self._part, standing.evaluated, STREAM)
        return likelihood(model, part, stream=STREAM).nats_per_char
