"""The loss of a batch and its gradient, in memory that does not grow with the vocabulary."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from charrnn.device import in_bfloat16, to_device
from charrnn.models import LanguageModel, State
from charrnn.models.fast.softmax import cross_entropy
from charrnn.text.batches import Batch
from charrnn.training.penalty import ActivationPenalty

CHUNK = 2**21
"""The most logits that are held at a time: 8 MB. With the alphabet of a European language a window is one chunk. With
thousands of characters chunks are also faster than the whole, because they stay in the processor's cache."""


def backward(
    model: LanguageModel,
    batch: Batch,
    state: State,
    penalty: ActivationPenalty,
    precision: str = "float32",
) -> tuple[Tensor, State]:
    """Adds the gradient of the mean loss per character, plus the penalty, to the `grad` of each weight.

    Gives the nats of all targets together, and the new state. `precision` is `training.precision`. The mean is over
    `batch.characters`, the characters of all workers.
    """
    device = model.device
    inputs, targets = to_device(batch.inputs, device), to_device(batch.targets, device)
    with torch.autocast(device.type, torch.bfloat16, enabled=in_bfloat16(precision, device)):
        features, state = model.read(inputs, targets, state)
        rows = max(1, CHUNK // model.vocab_size)
        nats, gradient = loss_by_rows(model.readout, features, targets, 1 / batch.characters, rows)
    pairs = [(features, gradient)]
    extra = penalty.take()
    if isinstance(extra, Tensor):  # a mean over this worker's columns
        pairs.append((extra, torch.full_like(extra, batch.inputs.shape[1] / batch.columns)))
    learning = [pair for pair in pairs if pair[0].requires_grad]  # none, where all but the last layer is frozen
    if learning:
        outputs, gradients = zip(*learning, strict=True)
        torch.autograd.backward(outputs, gradients)
    return nats, state


def loss_by_rows(
    readout: Callable[[Tensor], Tensor], features: Tensor, targets: Tensor, scale: float, rows: int
) -> tuple[Tensor, Tensor]:
    """The nats of all `targets` `[T, B]` from `features` `[T, B, D]`, and the gradient of `scale` times them by these.

    Adds the gradient of the weights of `readout` to their `grad`. Only `rows` rows of the logits `[T·B, V]` are held at
    a time. The result is that of all logits at once, up to rounding.
    """
    nats, gradients = torch.zeros((), device=features.device), []
    inputs, answers = torch.split(features.detach().flatten(0, 1), rows), torch.split(targets.flatten(), rows)
    for x, y in zip(inputs, answers, strict=True):
        x.requires_grad_()
        logits = readout(x)
        own, gradient = cross_entropy(logits, y, scale)
        torch.autograd.backward(logits, gradient)
        assert x.grad is not None
        gradients.append(x.grad)
        nats += own
    return nats, torch.cat(gradients).view_as(features)
