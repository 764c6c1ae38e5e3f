"""Dynamic evaluation: a model goes on learning from a text while it reads it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch

from charrnn.errors import CharrnnError
from charrnn.evaluation.likelihood import RUN_UP, Likelihood, surprisal
from charrnn.models import LanguageModel, State
from charrnn.text.batches import Batch, once
from charrnn.text.dataset import Part

WINDOW = 32
"""The number of characters that are scored before the model learns from them."""
DOCUMENTS = 8
"""The number of documents that are scored before the model learns from them."""


def dynamic_likelihood(
    model: LanguageModel,
    part: Part,
    rate: float = 1e-4,
    decay: float = 1e-3,
    progress: Callable[[int], None] = lambda _: None,
) -> Likelihood:
    """The likelihood of a text under a copy of the model that adapts to the text, window by window.

    Only after a window has been scored, the weights take a step along its gradient, divided by the root of its mean
    square, and move back by `decay` towards the trained weights (arXiv:1709.07432, section 4; here the mean square is
    that of the text read so far). A text is read as one stream, each piece of it after its run-up. The given
    model does not change.

    Raises CharrnnError for a model without weights.
    """
    adapting = copy.deepcopy(model).requires_grad_(True).eval()
    weights = list(adapting.parameters())
    if not weights:
        raise CharrnnError(f"‹dynamic={rate:g}›: an n-gram has no weights that could go on learning")
    trained = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.RMSprop(weights, lr=rate, alpha=0.999)
    nats, characters = 0.0, 0
    state: State = ()
    for batch in _windows(part, adapting.boundary):
        if batch.fresh:
            state = adapting.initial_state(batch.inputs.shape[1])
        if not batch.characters:  # a run-up, which is not learnt from
            with torch.no_grad():
                _, state = surprisal(adapting, batch, state)
            continue
        own, state = surprisal(adapting, batch, state)
        state = tuple(tensor.detach() for tensor in state)
        nats += own.detach().double().sum().item()
        characters += batch.characters
        optimizer.zero_grad()
        torch.autograd.backward(own.sum() / batch.characters)
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        with torch.no_grad():
            for weight, before in zip(weights, trained, strict=True):
                weight.lerp_(before, decay)
        progress(batch.characters)
    return Likelihood(nats, characters)


def _windows(part: Part, boundary: int) -> Iterator[Batch]:
    """A stream is read piece by piece, documents in groups."""
    if part.documents is None:
        return once(part, part.spans, 1, (256, WINDOW), boundary, RUN_UP)
    return once(part, part.documents, DOCUMENTS, (256, 256), boundary)
