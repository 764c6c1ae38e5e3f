"""Fills blanks in a text from the characters before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.generation.sampler import check_samples, check_seed
from charrnn.models import LanguageModel
from charrnn.text.vocab import Vocabulary

MAX_LENGTH = 20_000
"""The most characters of a text with blanks; all of them are read again and again."""
BEAM = 64
"""The number of texts that a beam search keeps."""
SWEEPS = 25
"""How often Gibbs sampling goes through all blanks before a text is taken."""


@dataclass(frozen=True)
class Filled:
    """A text whose blanks are filled."""

    text: str
    log_prob: float
    """ln P of the whole text for a model that reads from left to right; for a bidirectional model the sum over the
    blanks of ln P(character | all others), which is a pseudo-likelihood."""


class Filler:
    """Fills blanks with a model. With `documents` the text is one whole document, whose end counts too."""

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary, documents: bool) -> None:
        self.model, self.vocabulary = model, vocabulary
        self.documents = documents

    @torch.no_grad()
    def fill(self, ids: Sequence[int | None], samples: int = 1, best: bool = False, seed: int = 0) -> list[Filled]:
        """Up to `samples` different texts in which each None of `ids` is filled, likeliest first.

        Bidirectional models draw texts by Gibbs sampling, or with `best` climb to the likeliest. Models that read from
        left to right use a beam search, so that the characters after a blank count too. Raises CharrnnError where there
        is no blank, or the text is too long.
        """
        blanks = [t for t, i in enumerate(ids) if i is None]
        if not blanks:
            raise CharrnnError("no blank in the text; mark what is missing with ＿ or _, or name the mark with ‹blank›")
        if len(ids) > MAX_LENGTH:
            raise CharrnnError(f"{len(ids):,} characters; a text with blanks has at most {MAX_LENGTH:,}")
        check_samples(samples)
        check_seed(seed)
        if self.model.causal:
            found = self._beam(ids, max(BEAM, samples))
        else:
            found = self._gibbs(ids, blanks, samples, best, seed)
        texts: dict[str, float] = {}
        for row, log_prob in found:
            texts.setdefault(self.vocabulary.decode(row), log_prob)
        ranked = sorted(texts.items(), key=lambda item: -item[1])
        return [Filled(*item) for item in ranked[:samples]]

    def _beam(self, ids: Sequence[int | None], width: int) -> list[tuple[list[int], float]]:
        """The likeliest whole texts and their ln P, by a beam search that keeps the `width` likeliest beginnings."""
        rows: list[list[int]] = [[]]
        totals = torch.zeros(1, dtype=torch.float64, device=self.model.device)
        state = self.model.initial_state(1)
        last = torch.tensor([self.vocabulary.boundary], device=self.model.device)
        for wanted in [*ids, self.vocabulary.boundary] if self.documents else ids:
            logits, state = self.model.step(last, state)
            log_probs = logits.double().log_softmax(1)
            if log_probs.isnan().any():
                raise NoNumbers
            if wanted is not None:
                last = torch.full((len(rows),), wanted, device=self.model.device)
                totals = totals + log_probs[:, wanted]
                rows = [[*row, wanted] for row in rows]
                continue
            log_probs[:, self.vocabulary.unknown :] = -torch.inf
            every = (totals[:, None] + log_probs).flatten()
            totals, index = every.topk(min(width, int(torch.isfinite(every).sum())))
            parents, last = index // log_probs.shape[1], index % log_probs.shape[1]
            state = tuple(tensor[parents] for tensor in state)
            rows = [[*rows[p], c] for p, c in zip(parents.tolist(), last.tolist(), strict=True)]
        ended = [row[: len(ids)] for row in rows]
        return list(zip(ended, totals.tolist(), strict=True))

    def _gibbs(
        self, ids: Sequence[int | None], blanks: list[int], samples: int, best: bool, seed: int
    ) -> list[tuple[list[int], float]]:
        """Several texts at once and their pseudo-likelihoods. Blanks are drawn, or maximised, one after the other."""
        count = max(16, 4 * samples)
        generator = torch.Generator().manual_seed(seed)
        end = [self.vocabulary.boundary] if self.documents else []
        start = [0 if i is None else i for i in ids] + end
        text = torch.tensor(start, device=self.model.device)[:, None].repeat(1, count)
        size = len(self.vocabulary.characters)
        text[blanks] = torch.randint(size, (len(blanks), count), generator=generator).to(self.model.device)
        for sweep in range(SWEEPS):
            # With `best` the first sweeps draw and the last ones climb, so that climbs begin at different texts.
            climb = best and sweep >= SWEEPS // 2
            for t in (blanks[i] for i in torch.randperm(len(blanks), generator=generator).tolist()):
                p = self._conditional(text, t).exp()
                text[t] = (
                    p.argmax(1)
                    if climb
                    else torch.multinomial(p.cpu(), 1, generator=generator)[:, 0].to(self.model.device)
                )
        totals = torch.zeros(count, dtype=torch.float64, device=self.model.device)
        for t in blanks:
            totals += self._conditional(text, t).gather(1, text[t][:, None])[:, 0]
        return list(zip(text[: len(ids)].t().tolist(), totals.tolist(), strict=True))

    def _conditional(self, text: Tensor, t: int) -> Tensor:
        """ln P(character | all others) at time t, `[count, V]`; -inf for <unk> and the boundary."""
        model = self.model
        before = torch.full_like(text[:1], self.vocabulary.boundary)
        features, _ = model.read(torch.cat([before, text[:-1]]), text, model.initial_state(text.shape[1]))
        own = model.readout(features)[t].double()
        if not own.isfinite().all():
            raise NoNumbers
        own[:, self.vocabulary.unknown :] = -torch.inf
        return own.log_softmax(1)
