"""The likelihood of a text from a sample of it, and how far it may be wrong."""

from __future__ import annotations

import math

from charrnn.evaluation.likelihood import Likelihood, by_text, ratio_error, some_characters
from charrnn.models import LanguageModel
from charrnn.text.dataset import Array, Part

FEWEST = 30
"""The fewest texts of a sample from which the slope of the yardstick is found."""
KNOWN = 500_000
"""The most characters that the yardstick reads: a second or two."""


def sampled(model: LanguageModel, sample: Part, whole: Part, run_up: int, known: Likelihood | None) -> Likelihood:
    """The likelihood of `whole` under a model that reads a `sample` of it (`some_characters`).

    `known` is what `yardstick` gives: the likelihood of `whole` under an n-gram in the model.
    """
    nats, characters = by_text(model, sample, run_up=run_up)
    count, fraction = int(characters.sum()), sample.characters / whole.characters
    if known is None or model.yardstick is None or len(nats) < FEWEST:
        return Likelihood(float(nats.sum()), count, ratio_error(nats, characters, fraction))
    others, _ = by_text(model.yardstick, sample, run_up=run_up)
    mean, error = corrected(nats, others, characters, fraction, known)
    return Likelihood(mean * count, count, error)


def yardstick(model: LanguageModel, whole: Part, run_up: int) -> Likelihood | None:
    """The likelihood of a text under the n-gram in a model, which reads it many times as fast; None without one."""
    if model.yardstick is None:
        return None
    return sampled(model.yardstick, some_characters(whole, KNOWN), whole, run_up, known=None)


def corrected(nats: Array, others: Array, characters: Array, fraction: float, known: Likelihood) -> tuple[float, float]:
    r"""The nats per character of a whole, and their standard error, from C texts of it.

    `nats` and `others` `[C]` are those of a model and of its yardstick for each text, `fraction` is that of the whole
    that was read. With y, z and x for nats, others and characters:

    .. math::
        e_i &= y_i - \bar y x_i, \quad d_i = z_i - \bar z x_i, \qquad
        \bar y = \frac{\sum_i y_i}{\sum_i x_i}, \quad \bar z = \frac{\sum_i z_i}{\sum_i x_i}, \quad
        \beta = \frac{\sum_i e_i d_i}{\sum_i d_i^2} \\
        r &= \bar y + \beta (Z - \bar z), \qquad
        s^2 = (1 - f) \frac{C}{C - 2} \frac{\sum_i (e_i - \beta d_i)^2}{(\sum_i x_i)^2} + \beta^2 s_Z^2

    Z is the yardstick's on the whole, with the error s_Z. Places that are hard for the yardstick are mostly hard for
    the model; so the sample is corrected by how much harder it is than the whole. This is the regression estimator
    (Cochran, Sampling Techniques, 1977, chapter 7), for ratios.
    """
    total = characters.sum()
    mean, other = nats.sum() / total, others.sum() / total
    e, d = nats - mean * characters, others - other * characters
    squares = float(d @ d)
    slope = float(e @ d) / squares if squares > 0 else 0.0
    left = e - slope * d
    texts = len(nats)
    variance = (1 - fraction) * texts / (texts - 2) * float(left @ left) / total**2
    variance += (slope * (known.standard_error or 0.0)) ** 2
    return float(mean + slope * (known.nats_per_char - other)), math.sqrt(variance)
