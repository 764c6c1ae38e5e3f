"""The n-gram's side of the training of a mixture: it counts beside the first steps, and its weight is fitted to a text
that neither it nor the network has seen.
"""

from __future__ import annotations

from threading import Thread

import torch
from torch import Tensor

from charrnn.device import to_device
from charrnn.evaluation.likelihood import evaluation_batches
from charrnn.models import Mixture, NGramModel, State
from charrnn.models.mixture import Piece
from charrnn.text.batches import IGNORE
from charrnn.text.dataset import Part
from charrnn.training.validation import STREAM

SHARE = 50
"""One character of so many is set aside."""
LEAST, MOST = 2_000, 20_000
"""The fewest and the most characters that are set aside, of a text that is long enough."""

LOGITS = 2**23
"""The most logits of a fit. With thousands of characters in the alphabet, only a part of what is set aside is read."""


def set_aside(part: Part) -> tuple[Part, Part]:
    """A training part as two: what the network learns from, and a small rest to which the mixture is fitted."""
    wanted = min(max(part.characters // SHARE, LEAST), MOST, part.characters // 5)
    if part.documents is None:
        cut = len(part.ids) - wanted
        return Part(part.ids[:cut]), Part(part.ids[cut:])
    lengths = (part.documents[:, 1] - part.documents[:, 0])[::-1].cumsum()
    cut = len(lengths) - max(1, int((lengths <= wanted).sum()))
    return Part(part.ids, part.documents[:cut]), Part(part.ids, part.documents[cut:])


class Mixing:
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
        return {name: tensor.cpu() for name, tensor in self._model.state_dict().items() if name in self._model.counted}

    @torch.no_grad()
    def fit(self) -> None:
        """Fits the weights of the mixture to the network as it is."""
        self.wait()
        together = Mixture(self._model.network, self._stand_in)
        training = together.network.training
        together.eval()
        pieces: list[Piece] = []
        room = LOGITS // together.vocab_size
        state: State = ()
        for batch in evaluation_batches(together, self._aside, stream=STREAM):
            if batch.fresh:
                state = together.initial_state(batch.inputs.shape[1])
            ids = to_device(batch.inputs, together.device)
            came = to_device(batch.targets, together.device).flatten()
            features, state = together.features(ids, state)
            there = came != IGNORE
            x, known = together.experts(features.flatten(0, 1)[there])
            pieces.append((x, known, came[there]))
            room -= len(known)
            if room <= 0:
                break
        if pieces:
            self._model.fit(pieces)
        together.network.train(training)

    def wait(self) -> None:
        """Waits until all is counted. Raises what made that impossible."""
        self._counting.join()
        if self._error is not None:
            raise self._error
