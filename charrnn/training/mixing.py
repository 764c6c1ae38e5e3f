"""The n-gram's side of the training of a mixture: it counts beside the first steps, and its weight is fitted to a text
that neither it nor the network has seen.
"""

from __future__ import annotations

from threading import Thread

import numpy as np
import torch
from torch import Tensor

from charrnn.device import to_device
from charrnn.evaluation.likelihood import evaluation_batches, some_characters
from charrnn.models import Mixture, NGramModel, State
from charrnn.models.mixture import Piece, mixed
from charrnn.text.batches import IGNORE
from charrnn.text.dataset import Array, Part
from charrnn.training.validation import SHORT_RUN_UP

SHARE = 50
"""One character of so many is set aside."""
MOST = 20_000
"""The most characters that are set aside."""
LOGITS = 2**23
"""The most logits of a fit: of a text with thousands of characters in its alphabet, less is set aside."""
STREAM = 500
"""The characters of each piece of a stream that is set aside."""


def set_aside(part: Part, vocab_size: int) -> tuple[Part, Part]:
    """A training part as two: what the network learns from, and a small rest to which the mixture is fitted."""
    wanted = max(1, min(part.characters // SHARE, MOST, LOGITS // vocab_size))
    if part.documents is None:
        aside = some_characters(part, wanted, STREAM)
        return Part(part.ids, pieces=_between(part.spans, aside.spans)), aside
    lengths = (part.documents[:, 1] - part.documents[:, 0])[::-1].cumsum()
    cut = len(lengths) - max(1, int((lengths <= wanted).sum()))
    return Part(part.ids, part.documents[:cut]), Part(part.ids, part.documents[cut:])


@torch.no_grad()
def read_apart(mixture: Mixture, part: Part, run_up: int) -> list[Piece]:
    """What network and n-gram say of each character of a part, after a run-up that is not counted."""
    pieces: list[Piece] = []
    state: State = ()
    for batch in evaluation_batches(mixture, part, run_up=run_up):
        if batch.fresh:
            state = mixture.initial_state(batch.inputs.shape[1])
        features, state = mixture.features(to_device(batch.inputs, mixture.device), state)
        counted = batch.targets != IGNORE if batch.counted is None else (batch.targets != IGNORE) & batch.counted
        there = to_device(counted.flatten(), mixture.device)
        x, known = mixture.experts(features.flatten(0, 1)[there])
        pieces.append((x, known, to_device(batch.targets.flatten(), mixture.device)[there]))
    return pieces


def _between(spans: Array, taken: Array) -> Array:
    """The pieces `[P, 2]` of `spans` that are left between those that are `taken` from inside them."""
    bounds = np.sort(np.concatenate([spans, taken]).ravel())  # begin, taken from, taken to, ..., end
    left = bounds.reshape(-1, 2)
    return left[left[:, 1] > left[:, 0]]


class Alone:
    """A model without an n-gram beside it: nothing is counted or fitted."""

    def begin(self) -> None:
        """Begins to count, in a thread."""

    def wait(self) -> None:
        """Waits until all is counted. Raises what made that impossible."""

    def tables(self) -> dict[str, Tensor]:
        """What was counted, for the checkpoints."""
        return {}

    def fit(self) -> dict[str, float]:
        """Fits the mixture to the network as it is, and gives metrics of its parts."""
        return {}


ALONE = Alone()


class Mixing(Alone):
    """Counts the n-gram of a mixture, and fits the mixture to the text that was set aside.

    Two n-grams are counted. That of the mixture counts the whole training part. The other one leaves out what is set
    aside, and stands for it in the fit: the first one has seen that text.
    """

    def __init__(self, model: Mixture, whole: Part, rest: Part, aside: Part) -> None:
        self._model, self._aside = model, aside
        self._stand_in = NGramModel(model.vocab_size, model.ngram.order)
        self._whole, self._rest = whole, rest
        self._counting = Thread(target=self._count, daemon=True)
        self._error: BaseException | None = None

    def begin(self) -> None:
        """Begins to count, in a thread."""
        self._counting.start()

    def _count(self) -> None:
        try:
            self._model.ngram.fit(self._whole)
            self._stand_in.to(self._model.device).fit(self._rest)
        except BaseException as error:
            self._error = error

    def tables(self) -> dict[str, Tensor]:
        """The tables of the mixture's n-gram, when they are counted."""
        self.wait()
        state = self._model.state_dict()
        return {name: state[name].cpu() for name in self._model.counted}

    @torch.no_grad()
    def fit(self) -> dict[str, float]:
        """Fits the weights of the mixture to the network as it is.

        Gives the nats per character of the text that was set aside: of network and n-gram, each alone, and of both.
        """
        self.wait()
        together = Mixture(self._model.network, self._stand_in)
        training = together.network.training
        together.eval()
        pieces = read_apart(together, self._aside, SHORT_RUN_UP)
        together.network.train(training)
        if not pieces:
            return {}
        self._model.fit(pieces)
        nats = torch.zeros(3, dtype=torch.float64)
        for x, known, came in pieces:
            network, ngram = x.unbind(1)
            ways = torch.stack([network, ngram, mixed(network, ngram, self._model.trust[known])])
            nats -= ways[:, torch.arange(len(came), device=came.device), came].sum(1, dtype=torch.float64).cpu()
        mean = nats / sum(len(came) for *_, came in pieces)
        return dict(zip(("aside_network", "aside_ngram", "aside_both"), mean.tolist(), strict=True))

    def wait(self) -> None:
        """Waits until all is counted. Raises what made that impossible."""
        self._counting.join()
        if self._error is not None:
            raise self._error
