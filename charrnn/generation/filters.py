"""From the model's distribution over the next character to the one that is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.config import SamplingConfig
from charrnn.errors import CharrnnError

MEMORY = 64
"""Characters back to which a repetition is penalised."""


@dataclass(frozen=True)
class Filters:
    """Temperature, top-k, top-p and repetition penalty; the docstring of each key is in `config.SamplingConfig`."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name, value, good, bounds in (
            (
                "temperature",
                self.temperature,
                0 <= self.temperature <= 100,
                "0 (always the most likely) to 100",
            ),
            ("top-k", self.top_k, self.top_k is None or self.top_k >= 1, "1 or more"),
            ("top-p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1 (all characters)"),
            (
                "repetition-penalty",
                self.repetition_penalty,
                1 <= self.repetition_penalty <= 100,
                "1 (none) to 100",
            ),
        ):
            if not good:
                raise CharrnnError(f"--{name} {value:g}: expected {bounds}")

    @classmethod
    def of(
        cls,
        config: SamplingConfig,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float | None = None,
    ) -> Filters:
        """The given values, and the config's for those that are None. Raises CharrnnError out of bounds."""
        return cls(
            config.temperature if temperature is None else temperature,
            config.top_k if top_k is None else top_k,
            config.top_p if top_p is None else top_p,
            config.repetition_penalty if repetition_penalty is None else repetition_penalty,
        )

    def __call__(self, log_probs: Tensor, recent: Tensor) -> Tensor:
        """log p `[N, V]` and the last characters `[N, R]` to probabilities `[N, V]` that sum to 1.

        In this order: repetition penalty (arXiv:1909.05858, on log-probabilities, where it means the same at every
        scale), temperature, top-k, top-p.
        """
        if self.repetition_penalty > 1 and recent.shape[1]:
            seen = torch.zeros_like(log_probs, dtype=torch.bool).scatter_(1, recent, True)
            log_probs = torch.where(seen, log_probs * self.repetition_penalty, log_probs)
        if self.temperature == 0:
            return torch.zeros_like(log_probs).scatter_(1, log_probs.argmax(1, keepdim=True), 1.0)
        scaled = log_probs / max(self.temperature, 1e-4)
        if self.top_k is not None and self.top_k < scaled.shape[1]:
            order = scaled.argsort(dim=1, descending=True, stable=True)
            scaled = scaled.scatter(1, order[:, self.top_k :], -torch.inf)
        probabilities = scaled.softmax(1)
        if self.top_p < 1:
            order = probabilities.argsort(dim=1, descending=True, stable=True)
            ordered = probabilities.gather(1, order)
            # A character stays if those before it hold less than top_p: the likeliest one always does.
            drop = ordered.cumsum(1) - ordered >= self.top_p
            drop[:, 0] = False
            probabilities = probabilities.masked_fill(drop.gather(1, order.argsort(1)), 0)
            probabilities = probabilities / probabilities.sum(1, keepdim=True)
        return probabilities
