"""The validation of a training: the likelihood of a text that it does not learn from."""

from __future__ import annotations

from typing import Literal

from charrnn.evaluation.likelihood import RUN_UP, Likelihood, likelihood, some_characters
from charrnn.models import LanguageModel
from charrnn.text.dataset import Part
from charrnn.training.standing import Standing

SHARE = 60
"""`evaluate_characters: auto` reads one character for 60 that were learnt from before the first evaluation. That takes
some 1 % of the time, because reading a character is several times as fast as learning from it. A short training reads
more than that: LEAST."""
LEAST = 12_000
"""The fewest characters that `auto` reads: the standard error is then some 1 % of the loss (docs/comparing.md)."""
STREAM = 100
"""The fewest characters of a stream of `auto`. Many short streams say more of a text than a few long ones."""
SHORT_RUN_UP = 200
"""The characters before each stream of `auto` that are read and not counted. More changed the losses of small LSTMs
by less than 1e-6 nats (红楼梦, tiny-shakespeare)."""


class Validation:
    """The validation part of a corpus, or as much of it as `training.evaluate_characters` says."""

    def __init__(self, part: Part, wanted: int | Literal["auto", "all"]) -> None:
        self._whole = part
        self._part = some_characters(part, wanted, STREAM) if isinstance(wanted, int) else part
        self._is_auto = wanted == "auto"
        self.characters = self._part.characters

    def measure(self, model: LanguageModel, standing: Standing) -> Likelihood:
        """The likelihood, with the error of reading only a part.

        With `auto`, the first call sets how many characters are read, which `standing` keeps. Where all are read, it is
        what `charrnn eval` says.
        """
        part = self._part
        if self._is_auto:
            standing.evaluated = standing.evaluated or max(LEAST, standing.learnt // SHARE)
            part = some_characters(self._whole, standing.evaluated, STREAM)
        run_up = RUN_UP if part is self._whole else SHORT_RUN_UP
        return likelihood(model, part, run_up=run_up, of=self._whole.characters)


def metrics(measured: Likelihood) -> dict[str, float]:
    """The metrics of an evaluation: the loss in nats and bits per character, and its standard error in nats."""
    found = {"val_loss": measured.nats_per_char, "val_bits_per_char": measured.bits_per_char}
    error = measured.standard_error
    return found if error is None else found | {"val_error": error}
