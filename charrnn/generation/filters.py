"""The filters of sampling, from the model's probabilities to those that a character is drawn with, and the draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.config import SamplingConfig
from charrnn.errors import CharrnnError, NoNumbers
from charrnn.mistakes import check_values

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MEMORY = 64
"""The number of last characters that the repetition penalty makes less likely."""


class Filter(Protocol):
    """A filter of your own: any function from log-probabilities to log-probabilities."""

    def __call__(self, log_probs: Floats, /) -> npt.NDArray[np.floating[Any]]:
        """ln p `[N, V]` of the next character of N texts to an array of that shape, from which they are drawn.

        A row is a text and a column a character, in the order of `run.vocabulary`; -inf forbids one. What the model may
        not write is forbidden already. The array may be changed and returned. The rows of what is returned need not be
        normalised. It is called once for each character, and possibly for some after the end of a text, which are left
        out.
        """
        ...


@dataclass(frozen=True)
class Filters:
    """Filters of one's own, temperature, top-k, top-p and repetition penalty. `config.SamplingConfig` explains each."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    own: Sequence[Filter] = ()
    """They come first, one after the other."""

    @property
    def only_temperature(self) -> bool:
        """Whether only the temperature is set, which is the fastest case."""
        return self.top_k is None and self.top_p == 1 and self.repetition_penalty == 1 and not self.own

    def __post_init__(self) -> None:
        check_values(  # the bounds are those of the config
            SamplingConfig,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
        )
        if callable(self.own) or not all(map(callable, self.own)):
            raise CharrnnError(f"‹filters›: {self.own!r}: a list of functions of log-probabilities was expected")

    @classmethod
    def of(
        cls,
        config: SamplingConfig,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float | None = None,
        own: Sequence[Filter] = (),
    ) -> Filters:
        """The filters of these values. The config replaces each None. Raises CharrnnError for values out of bounds."""
        return cls(
            config.temperature if temperature is None else temperature,
            config.top_k if top_k is None else top_k,
            config.top_p if top_p is None else top_p,
            config.repetition_penalty if repetition_penalty is None else repetition_penalty,
            own,
        )

    def __call__(self, log_probs: Floats, recent: Ints) -> Floats:
        """ln p `[N, V]` and the last characters `[N, R]` to probabilities `[N, V]` that sum to 1.

        The order is: filters of one's own, repetition penalty (arXiv:1909.05858, here on log-probabilities, whose scale
        is fixed), temperature, top-k, top-p. Of equally likely characters the one with the lower id comes first.
        """
        rows = np.arange(len(log_probs))[:, None]
        for one in self.own:
            log_probs = filtered(one, log_probs)
        if self.repetition_penalty > 1 and recent.shape[1]:
            log_probs = log_probs.copy()
            log_probs[rows, recent] = log_probs[rows, recent] * np.float32(self.repetition_penalty)
        if self.temperature == 0:
            return (np.arange(log_probs.shape[1]) == log_probs.argmax(1)[:, None]).astype(np.float32)
        scaled = log_probs / np.float32(max(self.temperature, 1e-4))
        if self.top_k is not None and self.top_k < scaled.shape[1]:
            order = np.argsort(-scaled, axis=1, kind="stable")
            scaled[rows, order[:, self.top_k :]] = -np.inf
        probabilities = np.exp(scaled - scaled.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        if self.top_p < 1:
            order = np.argsort(-probabilities, axis=1, kind="stable")
            ordered = probabilities[rows, order]
            # A character stays if those before it have less than top_p together; the likeliest one always stays.
            drop = ordered.cumsum(1) - ordered >= self.top_p
            drop[:, 0] = False
            ordered[drop] = 0
            probabilities[rows, order] = ordered
            probabilities /= probabilities.sum(1, keepdims=True)
        return probabilities


def by_row(filters: Sequence[Filters], log_probs: Floats, recent: Ints) -> Floats:
    """What the filters of each row make of it, as `Filters` does. Rows that share their filters go through together."""
    groups: dict[int, list[int]] = {}
    for row, own in enumerate(filters):
        groups.setdefault(id(own), []).append(row)
    if len(groups) == 1:
        return filters[0](log_probs, recent)
    probabilities = np.empty_like(log_probs)
    for rows in groups.values():
        probabilities[rows] = filters[rows[0]](log_probs[rows], recent[rows])
    return probabilities


def filtered(one: Filter, log_probs: Floats) -> Floats:
    """What a filter makes of ln p `[N, V]`, normalised. Raises CharrnnError for what cannot be drawn from."""
    if np.isnan(log_probs).any():
        raise NoNumbers  # which is not the filter's doing
    name = getattr(one, "__name__", type(one).__name__)
    given = np.asarray(one(log_probs.copy()))
    if given.shape != log_probs.shape or given.dtype.kind not in "fiu":
        what = "nothing" if given.dtype == object else f"{given.dtype} {list(given.shape)}"
        raise CharrnnError(
            f"‹filters›: {name}: an array of log-probabilities {list(log_probs.shape)} was expected, not {what}"
        )
    logits = np.where(np.isneginf(log_probs), -np.inf, given).astype(np.float32)  # what is forbidden stays so
    most = logits.max(1)
    if np.isnan(most).any() or np.isposinf(most).any():
        raise CharrnnError(
            f"‹filters›: {name}: gave NaN or +inf; log-probabilities are numbers, or -inf for what is forbidden"
        )
    if np.isneginf(most).any():
        raise CharrnnError(f"‹filters›: {name}: no character is left to be drawn; forbid fewer of them")
    return log_softmax(logits)


def log_softmax(logits: Floats) -> Floats:
    """ln p `[N, V]` of logits `[N, V]`."""
    shifted = logits - logits.max(1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(1, keepdims=True))
    return shifted


def draw(probabilities: Floats, race: Doubles) -> Ints:
    """One index `[N]` for each row of probabilities `[N, V]`, from independent exponential numbers `race` `[N, V]`.

    The index with the smallest race / p is taken; it is i with probability p_i. Backends whose probabilities differ by
    a relative ε pick another character with probability at most 2ε, for an alphabet of any size. A draw by cumulative
    sums would add up the errors of the whole alphabet.
    """
    chosen: Ints = (probabilities / np.maximum(race, 1e-300)).argmax(1)
    return chosen


def races(generators: Sequence[np.random.Generator], length: int, size: int) -> Doubles:
    """Exponential numbers for `length` draws of each of N texts among `size` characters: `[N, length, size]`."""
    numbers = np.empty((len(generators), length, size))
    for generator, own in zip(generators, numbers, strict=True):
        generator.standard_exponential(out=own)
    return numbers
