"""The validation of a training: the likelihood of a text that it does not learn from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from charrnn.evaluation.likelihood import Likelihood, likelihood, some_characters
from charrnn.evaluation.sampled import sampled, yardstick
from charrnn.models import LanguageModel
from charrnn.text.dataset import Part
from charrnn.training.standing import Standing

SHARE = 200
"""`evaluate_characters: auto` reads one character for 200 that were learnt from before the first evaluation, some 1 %
of the time ..."""
ENOUGH = 0.01
"""... or, in a short training, so many that the standard error is this share of the loss ..."""
LEAST, MOST = 3_000, 12_000
"""... within these bounds (docs/comparing.md)."""
STREAM = 50
"""The fewest characters of a stream of `auto`. Many short streams say more of a text than a few long ones."""
SHORT_RUN_UP = 100
"""The characters before each stream of `auto` that are read and not counted. Without the 900 before them, losses are
some 0.001 nats higher, which is a tenth of the standard error at most (docs/comparing.md)."""


class Validation:
    """The validation part of a corpus, or as much of it as `training.evaluate_characters` says."""

    def __init__(self, part: Part, wanted: int | Literal["auto", "all"]) -> None:
        self._whole = part
        self._part = some_characters(part, wanted, STREAM) if isinstance(wanted, int) else part
        self._is_auto = wanted == "auto"
        self._known: Likelihood | None = None
        self.characters = self._part.characters

    def measure(self, model: LanguageModel, standing: Standing) -> Likelihood:
        """The likelihood, with the error of reading only a part.

        With `auto`, the first call sets how many characters are read, which `standing` keeps. Where all are read, it is
        what `charrnn eval` says. An n-gram in the model must have counted all that it will.
        """
        part = self._part
        if self._is_auto:
            standing.evaluated = standing.evaluated or max(self._enough(model), standing.learnt // SHARE)
            part = some_characters(self._whole, standing.evaluated, STREAM)
        return self._read(model, part)

    def _read(self, model: LanguageModel, part: Part) -> Likelihood:
        if part is self._whole:
            return replace(likelihood(model, part), standard_error=0.0)
        self._known = self._known or yardstick(model, self._whole, SHORT_RUN_UP)
        return sampled(model, part, self._whole, SHORT_RUN_UP, self._known)

    def _enough(self, model: LanguageModel) -> int:
        """So many characters that the standard error is ENOUGH, as a few of them tell."""
        tried = self._read(model, some_characters(self._whole, LEAST, STREAM))
        if tried.standard_error is None or not 0 < tried.nats < math.inf:
            return MOST
        needed = tried.characters * (tried.standard_error / (ENOUGH * tried.nats_per_char)) ** 2
        return max(LEAST, min(MOST, math.ceil(needed)))


def metrics(measured: Likelihood) -> dict[str, float]:
    """The metrics of an evaluation: the loss in nats and bits per character, and its standard error in nats."""
    found = {"val_loss": measured.nats_per_char, "val_bits_per_char": measured.bits_per_char}
    error = measured.standard_error
    return found if error is None else found | {"val_error": error}
