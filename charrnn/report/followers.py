"""A unit that follows something best, and whether that says anything: the controls, and what overwriting it changes."""

from __future__ import annotations

from dataclasses import dataclass

from charrnn.report.features import Feature
from charrnn.report.units import Unit

LEAST = 0.75
"""The AUC from which on a unit may be said to follow something."""
MARGIN = 0.02
"""By how much it must be above the AUC of each control, if `CHARACTERS` are looked at."""
CHARACTERS = 20_000
"""The characters that are looked at: half to choose a unit by, half to measure it on."""
CHANGE = 0.01
"""Bits per character: the smallest change that confirms that a unit matters."""


def margin_for(characters: int) -> float:
    """The margin where so many characters are looked at: an AUC of fewer is less sure, by the root of their number."""
    return MARGIN * max(1.0, (CHARACTERS / characters) ** 0.5)


@dataclass(frozen=True)
class Clamped:
    """What overwriting a unit changes, in bits per character; above 0, it predicts worse."""

    concerned: float
    """At the characters that the feature concerns."""
    elsewhere: float
    """At all others."""


@dataclass(frozen=True)
class Follower:
    """The unit that follows a feature best, and the controls."""

    feature: Feature
    unit: Unit
    place: int
    """Its place among all units."""
    high: bool
    """Whether its values are high where the feature holds; low ones otherwise."""
    auc: float
    untrained: float
    """The AUC of the best unit of the same network before its training."""
    shifted: float
    """The AUC of the best unit for the best of all shifted labels."""
    last_eight: float
    """The AUC of a predictor that sees the last eight characters only."""
    margin: float = MARGIN
    """By how much its AUC must be above that of each control."""
    others: int = 0
    """The number of other units that are beyond the controls."""
    mean: Clamped | None = None
    """What it changes to hold the unit at its mean."""
    opposite: Clamped | None = None
    """What it changes to hold the unit where it would be if the feature held where it does not, and the reverse."""

    @property
    def best_control(self) -> float:
        """The highest AUC of a control."""
        return max(self.untrained, self.shifted, self.last_eight)

    @property
    def is_found(self) -> bool:
        """Whether it is beyond all controls."""
        return self.auc >= LEAST and self.auc >= self.best_control + self.margin

    @property
    def is_too_seldom(self) -> bool:
        """Whether too few places of the text have it to tell.

        Shifted labels then reach by chance what would count, or the unit that one half chooses fails on the other.
        """
        return not self.is_found and (self.auc < 0.5 or self.shifted >= LEAST)

    @property
    def is_confirmed(self) -> bool:
        """Whether the prediction of what the feature concerns depends on it, and more than that of other characters."""
        one = self.opposite
        return one is not None and one.concerned >= max(CHANGE, 2 * one.elsewhere)

    @property
    def is_used(self) -> bool:
        """Whether the prediction of any character depends on it."""
        return self.opposite is not None and max(self.opposite.concerned, self.opposite.elsewhere) >= CHANGE

    @property
    def verdict(self) -> str:
        """What overwriting it says, in words."""
        if self.is_confirmed:
            return "yes"
        return "no: as much depends on it elsewhere" if self.is_used else "no: nothing depends on it"

    @property
    def why_not(self) -> str:
        """Why it is not reported, in words."""
        if self.auc < LEAST:
            return f"no unit reaches {LEAST:g}"
        failed = [
            name
            for name, value in (
                ("the untrained network", self.untrained),
                ("shifted labels", self.shifted),
                ("the last eight characters", self.last_eight),
            )
            if self.auc < value + self.margin
        ]
        return f"not beyond {', '.join(failed)}"
