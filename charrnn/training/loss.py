"""The loss of a batch and its gradient, in memory that does not grow with the vocabulary."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.device import in_bfloat16, to_device
from charrnn.models import LanguageModel, State
from charrnn.text.batches import IGNORE, Batch
from charrnn.training.penalty import ActivationPenalty

CHUNK = 2**21
"""Logits that are held at a time: 8 MB. The alphabet of a European language is one chunk; with thousands of characters
chunks are also quicker than the whole, since they stay in the processor's cache."""


def backward(
    model: LanguageModel,
    batch: Batch,
    state: State,
    penalty: ActivationPenalty,
    precision: str = "float32",
) -> tuple[Tensor, State]:
    """Adds the gradient of mean loss per character plus penalty to each `grad`; nats of all targets and the new state.

    `precision` is `training.precision`. The mean is over `batch.characters`, which with several workers
    are those of all of them.
    """
    device = model.device
    inputs, targets = to_device(batch.inputs, device), to_device(batch.targets, device)
    with torch.autocast(device.type, torch.bfloat16, enabled=in_bfloat16(precision, device)):
        features, state = model.read(inputs, targets, state)
        rows = max(1, CHUNK // model.vocab_size)
        nats, gradient = loss_by_rows(model.readout, features, targets, 1 / batch.characters, rows)
    outputs, gradients, extra = [features], [gradient], penalty.take()
    if isinstance(extra, Tensor):  # a mean, over the columns too
        outputs.append(extra)
        gradients.append(torch.full_like(extra, batch.inputs.shape[1] / batch.columns))
    torch.autograd.backward(outputs, gradients)
    return nats, state


def loss_by_rows(
    readout: Callable[[Tensor], Tensor], features: Tensor, targets: Tensor, scale: float, rows: int
) -> tuple[Tensor, Tensor]:
    """Total nats of `targets` `[T, B]` given `features` `[T, B, D]`, and `scale` times their gradient.

    Adds the gradient by the weights of `readout` to their `grad`. Of the logits `[T·B, V]` so many rows are computed at
    a time, turned into their gradient and dropped; the result is that of doing it at once, but for rounding.
    """
    nats, gradients = torch.zeros((), device=features.device), []
    inputs, answers = torch.split(features.detach().flatten(0, 1), rows), torch.split(targets.flatten(), rows)
    for x, y in zip(inputs, answers, strict=True):
        x.requires_grad_()
        own = F.cross_entropy(readout(x).float(), y, ignore_index=IGNORE, reduction="sum")
        torch.autograd.backward(own * scale)
        assert x.grad is not None
        gradients.append(x.grad)
        nats += own.detach()
    return nats, torch.cat(gradients).view_as(features)
