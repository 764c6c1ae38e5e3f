"""Fills blanks in a text from the characters before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.generation.blanks import Blanks
from charrnn.generation.sampler import check_samples, check_seed
from charrnn.models import LanguageModel
from charrnn.text.vocab import Vocabulary

MAX_LENGTH = 20_000
"""The most characters of a text with blanks; all of them are read again and again."""
BEAM = 64
"""The number of texts that a beam search keeps."""
SWEEPS = 25
"""How often Gibbs sampling goes through all blanks before a text is taken."""

Fillings = tuple[tuple[int, ...], ...]
"""The ids in each blank of a text. A model of bytes may write one character in several."""


@dataclass(frozen=True)
class Filled:
    """A text whose blanks are filled."""

    text: str
    """In the user's own characters but for the blanks."""
    log_prob: float
    """ln P of the whole text for a model that reads from left to right; for a bidirectional model the sum over the
    blanks of ln P(character | all others), which is a pseudo-likelihood."""


class _Beginning(NamedTuple):
    """A beginning of a text with blanks."""

    place: int = 0
    """The place in the text of what is read next."""
    filled: Fillings = ()
    begun: tuple[int, ...] = ()
    """The ids in the blank that is being filled."""


class Filler:
    """Fills blanks with a model. With `documents` the text is one whole document, whose end counts too."""

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary, documents: bool) -> None:
        self.model, self.vocabulary = model, vocabulary
        self.documents = documents
        self._blanks = Blanks(vocabulary)

    @torch.no_grad()
    def fill(
        self, ids: Sequence[int | None], samples: int = 1, best: bool = False, seed: int = 0
    ) -> list[tuple[Fillings, float]]:
        """Up to `samples` different fillings of each None of `ids`, with their `log_prob`, likeliest first.

        Bidirectional models draw texts by Gibbs sampling, or with `best` climb to the likeliest. Models that read from
        left to right use a beam search, so that the characters after a blank count too. Raises CharrnnError where there
        is no blank, or the text is too long, or a bidirectional model of bytes has no characters of one byte.
        """
        blanks = [t for t, i in enumerate(ids) if i is None]
        if not blanks:
            raise CharrnnError("no blank in the text; mark what is missing with ＿ or _, or name the mark with ‹blank›")
        if len(ids) > MAX_LENGTH:
            raise CharrnnError(f"{len(ids):,} characters; a text with blanks has at most {MAX_LENGTH:,}")
        check_samples(samples)
        check_seed(seed)
        if not self.model.causal and not self._blanks.alone:
            raise CharrnnError(
                f"a bidirectional model of bytes fills a blank with one byte, and in {self.vocabulary.encoding} each "
                "character is several bytes; train one with vocab.kind: char"
            )
        if self.model.causal:
            found = self._beam(ids, max(BEAM, samples))
        else:
            found = self._gibbs(ids, blanks, samples, best, seed)
        different = dict(reversed(found))  # of equal ones the first
        return sorted(different.items(), key=lambda item: -item[1])[:samples]

    def _beam(self, ids: Sequence[int | None], width: int) -> list[tuple[Fillings, float]]:
        """The likeliest fillings and ln P of their texts, by a beam search that keeps the `width` likeliest beginnings.

        Beginnings have read equally many ids, and may stand at different places: a character may be several bytes.
        """
        template = [*ids, self.vocabulary.boundary] if self.documents else ids
        rows, ended = [_Beginning()], []
        totals = torch.zeros(1, dtype=torch.float64, device=self.model.device)
        state = self.model.initial_state(1)
        last = torch.tensor([self.vocabulary.boundary], device=self.model.device)
        while rows:
            logits, state = self.model.step(last, state)
            log_probs = logits.double().log_softmax(1)
            if log_probs.isnan().any():
                raise NoNumbers
            wanted = [template[row.place] for row in rows]
            if None in wanted:
                allowed = torch.full_like(log_probs, -torch.inf)
                for row, own, character in zip(rows, allowed, wanted, strict=True):
                    own[[*self._blanks.ways(row.begun)] if character is None else character] = 0.0
                every = (totals[:, None] + log_probs + allowed).flatten()
                totals, index = every.topk(min(width, int(torch.isfinite(every).sum())))
                parents, last = index // log_probs.shape[1], index % log_probs.shape[1]
            else:
                parents = torch.arange(len(rows), device=last.device)
                last = torch.tensor(wanted, device=last.device)
                totals = totals + log_probs[parents, last]
            rows = [self._on(rows[p], template, c) for p, c in zip(parents.tolist(), last.tolist(), strict=True)]
            over = [row.place == len(template) for row in rows]
            ended += [(row.filled, total) for row, total, end in zip(rows, totals.tolist(), over, strict=True) if end]
            going = [i for i, end in enumerate(over) if not end]
            rows, totals, last = [rows[i] for i in going], totals[going], last[going]
            state = tuple(tensor[parents[going]] for tensor in state)
        return ended

    def _on(self, row: _Beginning, template: Sequence[int | None], character: int) -> _Beginning:
        """The beginning with one id more."""
        if template[row.place] is not None:
            return row._replace(place=row.place + 1)
        written = (*row.begun, character)
        if not self._blanks.ways(row.begun)[character]:
            return row._replace(begun=written)
        return _Beginning(row.place + 1, (*row.filled, written))

    def _gibbs(
        self, ids: Sequence[int | None], blanks: list[int], samples: int, best: bool, seed: int
    ) -> list[tuple[Fillings, float]]:
        """Several texts at once and their pseudo-likelihoods. Blanks are drawn, or maximised, one after the other.

        Each blank is one id: in a model of bytes, a character of one byte.
        """
        count = max(16, 4 * samples)
        generator = torch.Generator().manual_seed(seed)
        end = [self.vocabulary.boundary] if self.documents else []
        start = [0 if i is None else i for i in ids] + end
        text = torch.tensor(start, device=self.model.device)[:, None].repeat(1, count)
        alone = torch.tensor(self._blanks.alone)
        drawn = alone[torch.randint(len(alone), (len(blanks), count), generator=generator)]
        text[blanks] = drawn.to(self.model.device)
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
        rows = [tuple((i,) for i in row) for row in text[blanks].t().tolist()]
        return list(zip(rows, totals.tolist(), strict=True))

    def _conditional(self, text: Tensor, t: int) -> Tensor:
        """ln P(character | all others) at time t, `[count, V]`; -inf for what is no character by itself."""
        model = self.model
        before = torch.full_like(text[:1], self.vocabulary.boundary)
        features, _ = model.read(torch.cat([before, text[:-1]]), text, model.initial_state(text.shape[1]))
        own = model.readout(features)[t].double()
        if not own.isfinite().all():
            raise NoNumbers
        alone = self._blanks.alone
        masked = torch.full_like(own, -torch.inf)
        masked[:, alone] = own[:, alone]
        return masked.log_softmax(1)
