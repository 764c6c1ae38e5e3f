"""The n-gram's side of the training of a mixture: it counts beside the first steps, and its weight is fitted to a text
that neither it nor the network has seen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from charrnn.device import copied
from charrnn.models import Mixture, NGramModel
from charrnn.models.background import put_behind
from charrnn.models.mixture import mixed
from charrnn.store.weights import BACKGROUND, COUNTS
from charrnn.text.dataset import Part
from charrnn.training.aside import likeliest_weight, read_apart

if TYPE_CHECKING:
    from charrnn.store.checkpoint import Shared


class Alone:
    """A model without an n-gram beside it: nothing is counted or fitted."""

    def begin(self) -> None:
        """Begins to count, in a thread."""

    def wait(self) -> None:
        """Waits until all is counted. Raises what made that impossible."""

    @property
    def shared(self) -> Shared:
        """What was counted, for the checkpoints."""
        return {}

    def fit(self) -> dict[str, float]:
        """Fits the mixture to the network as it is, and gives metrics of its parts."""
        return {}


ALONE = Alone()


class Mixing(Alone):
    """Counts the n-gram of a mixture, and fits the mixture to the text that was set aside.

    Two n-grams are counted. That of the mixture counts the whole training part. The other one leaves out what is set
    aside, and stands for it in the fit: the first one has seen that text. A background, where there is one, is put
    behind both, with the weight `keep`, or the one that the text set aside is likeliest under.
    """

    def __init__(
        self,
        model: Mixture,
        whole: Part,
        rest: Part,
        aside: Part,
        background: NGramModel | None = None,
        keep: float | Literal["auto"] = "auto",
    ) -> None:
        self._model, self._aside = model, aside
        self._stand_in = NGramModel(model.vocab_size, model.ngram.order)
        self._whole, self._rest = whole, rest
        self._background, self._keep = background, keep
        self._kept: dict[str, float] = {}
        self._counting = Thread(target=self._count, daemon=True)
        self._error: BaseException | None = None

    def begin(self) -> None:
        """Begins to count, in a thread."""
        self._counting.start()

    def _count(self) -> None:
        try:
            self._model.ngram.fit(self._whole)
            self._stand_in.to(self._model.device).fit(self._rest)
            if self._background is not None:
                self._put_behind(self._background)
        except BaseException as error:
            self._error = error

    def _put_behind(self, background: NGramModel) -> None:
        found, nats = likeliest_weight(self._stand_in, background.to(self._model.device), self._aside)
        weight = found if self._keep == "auto" else self._keep
        for ngram in (self._model.ngram, self._stand_in):
            put_behind(ngram, background, weight)
        self._kept = {"kept_weight": weight, "aside_ngram_unkept": nats}

    @property
    def shared(self) -> Shared:
        """The tables of the mixture's n-gram, when they are counted, and its background."""
        files: dict[str, Callable[[], dict[str, Tensor]]] = {COUNTS: self._tables}
        if self._background is not None:
            files[BACKGROUND] = partial(copied, self._background.state_dict())
        return files

    def _tables(self) -> dict[str, Tensor]:
        self.wait()
        state = self._model.state_dict()
        return {name: state[name].cpu() for name in self._model.counted}

    @torch.no_grad()
    def fit(self) -> dict[str, float]:
        """Fits the weights of the mixture to the network as it is.

        Gives the nats per character of the text that was set aside: of each expert alone, and of all together.
        Where there is a background, gives also its weight, and the nats of the n-gram without it.
        """
        self.wait()
        together = Mixture(self._model.network, self._stand_in, self._model.recent)
        training = together.network.training
        together.eval()
        pieces = read_apart(together, self._aside)
        together.network.train(training)
        if not pieces:
            return {}
        self._model.fit(pieces)
        nats = torch.zeros(1 + pieces[0][0].shape[1], dtype=torch.float64)
        for x, known, came in pieces:
            experts = x.unbind(1)
            ways = torch.stack([mixed(experts, self._model.trust[known]), *experts])
            nats -= ways[:, torch.arange(len(came), device=came.device), came].sum(1, dtype=torch.float64).cpu()
        mean = nats / sum(len(came) for *_, came in pieces)
        names = ("aside_both", "aside_network", "aside_ngram", "aside_recent")
        return dict(zip(names, mean.tolist(), strict=False)) | self._kept

    def wait(self) -> None:
        """Waits until all is counted. Raises what made that impossible."""
        self._counting.join()
        if self._error is not None:
            raise self._error
