"""Writes texts, character by character, many side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from charrnn.errors import CharrnnError
from charrnn.generation.filters import MEMORY, Filters
from charrnn.models import LanguageModel
from charrnn.text.vocab import Vocabulary

WINDOW = 256
"""Characters of a prompt that are read at once."""


@dataclass(frozen=True)
class Sample:
    """A text that a model wrote."""

    text: str
    """The prompt and what came after it."""
    log_prob: float
    """ln of the model's probability of what came after the prompt (at temperature 1, without filters); where a document
    was ended by the model, with its end."""
    seed: int
    """Gives the same text again."""


class Sampler:
    """Writes with a model; each sample has a random generator of its own, so that its text follows from its seed."""

    def __init__(
        self,
        model: LanguageModel,
        vocabulary: Vocabulary,
        filters: Filters,
        documents: bool,
        device: torch.device,
    ) -> None:
        """`documents`: the model may end a text; otherwise it writes on until the length is reached."""
        self.model, self.vocabulary, self.filters = model, vocabulary, filters
        self.documents, self.device = documents, device

    def sample(self, prompt: Sequence[int], length: int, seeds: Sequence[int], stop: str | None = None) -> list[Sample]:
        """One text a seed: the prompt and at most `length` characters, ended before by `stop` (kept) or by the model.

        Raises CharrnnError for a length or a number of samples below 1.
        """
        texts = [self.vocabulary.decode(prompt)] * len(seeds)
        log_probs = [0.0] * len(seeds)
        for piece in self.write(prompt, length, seeds, stop):
            for i, (text, log_prob) in enumerate(piece):
                texts[i] += text
                log_probs[i] += log_prob
        return [Sample(*sample) for sample in zip(texts, log_probs, seeds, strict=True)]

    @torch.no_grad()
    def write(
        self, prompt: Sequence[int], length: int, seeds: Sequence[int], stop: str | None = None
    ) -> Iterator[list[tuple[str, float]]]:
        """Yields, character by character, what each text gains: some text and its log-probability.

        A text that has ended gains nothing more.
        """
        if length < 1:
            raise CharrnnError(f"--length {length}: expected 1 or more characters")
        if not seeds:
            raise CharrnnError("--samples 0: expected 1 or more")
        if any(not 0 <= seed < 2**63 for seed in seeds):
            raise CharrnnError(f"--seed {seeds[0]}: expected 0 to 2^63 - 1")
        count, vocabulary = len(seeds), self.vocabulary
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        logits, state = self._read([vocabulary.boundary, *prompt], count)
        decoders = [vocabulary.decoder() for _ in seeds]
        running, tails = [True] * count, [""] * count
        recent = torch.tensor([list(prompt)[-MEMORY:]] * count, dtype=torch.long, device=self.device).reshape(count, -1)
        never = [vocabulary.unknown] if self.documents else [vocabulary.unknown, vocabulary.boundary]
        for n in range(length):
            log_probs = logits.float().log_softmax(1)
            allowed = log_probs.clone()
            allowed[:, never] = -torch.inf
            probabilities = self.filters(allowed, recent)
            uniform = torch.stack([torch.rand(1, generator=g, dtype=torch.float64) for g in generators]).to(self.device)
            chosen = draw(probabilities, uniform)
            gained = log_probs.gather(1, chosen[:, None])[:, 0].tolist()
            pieces: list[tuple[str, float]] = []
            for i, character in enumerate(chosen.tolist()):
                if not running[i]:
                    pieces.append(("", 0.0))
                    continue
                text = decoders[i].add(character)
                running[i] = character != vocabulary.boundary and n + 1 < length
                if stop:
                    tails[i] = (tails[i] + text)[-len(stop) - len(text) :]
                    running[i] = running[i] and stop not in tails[i]
                pieces.append((text if running[i] else text + decoders[i].end(), gained[i]))
            yield pieces
            if not any(running):
                return
            recent = torch.cat([recent, chosen[:, None]], dim=1)[:, -MEMORY:]
            logits, state = self.model.step(chosen, state)

    def _read(self, ids: Sequence[int], count: int) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Logits `[count, V]` and state after reading a text once, for `count` writers."""
        state = self.model.initial_state(1)
        text = torch.tensor(ids, device=self.device)[:, None]
        features = text
        for i in range(0, len(ids), WINDOW):
            features, state = self.model.features(text[i : i + WINDOW], state)
        logits = self.model.readout(features[-1])
        return logits.expand(count, -1), tuple(s.expand(count, *s.shape[1:]).contiguous() for s in state)


def draw(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """One index a row of probabilities `[N, V]`, by inverting the distribution at `uniform` `[N, 1]` in [0, 1)."""
    cumulative = probabilities.double().cumsum(1)
    index = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)[:, 0]
    # Rounding could point past the last possible character; step back to it.
    last = probabilities.shape[1] - 1 - (probabilities > 0).flip(1).int().argmax(1)
    return torch.minimum(index, last)
