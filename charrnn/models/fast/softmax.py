"""The cross-entropy of logits and its gradient at once, in C on the CPU (charrnn/native/softmax.c)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn import native
from charrnn.models.fast.kernels import call
from charrnn.text.batches import IGNORE

LANES = 16
"""The most numbers of a vector of the C."""


def cross_entropy(logits: Tensor, targets: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    r"""The nats of all `targets` `[N]` under `logits` `[N, V]`, and the gradient `[N, V]` of `scale` times them.

    .. math:: L = -\sum_n \ln p_n(y_n), \qquad \frac{\partial L}{\partial o_n} = p_n - \mathrm{onehot}(y_n)

    A target is IGNORE where there is nothing to predict. Sums are float32, also for logits in bfloat16.
    """
    kinds = {torch.float32: "float", torch.bfloat16: "bfloat16"}
    if logits.device.type != "cpu" or logits.dtype not in kinds or native.load("softmax", openmp=True) is None:
        return _plain(logits, targets, scale)
    logits = logits.detach().contiguous()
    count, size = logits.shape
    answers = targets.masked_fill(targets == IGNORE, -1)
    nats, gradient = torch.empty(count), torch.empty_like(logits)
    scratch = torch.empty(torch.get_num_threads(), size + LANES)
    arguments = logits, answers, torch.tensor(scale), nats, gradient, scratch
    call(f"cross_entropy_{kinds[logits.dtype]}", count, size, *arguments, library="softmax")
    return nats.sum(), gradient


def _plain(logits: Tensor, targets: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The same in PyTorch."""
    own = logits.detach().requires_grad_()
    with torch.enable_grad():
        nats = F.cross_entropy(
            own if own.dtype == torch.float64 else own.float(), targets, ignore_index=IGNORE, reduction="sum"
        )
    (gradient,) = torch.autograd.grad(nats * scale, own)
    return nats.detach(), gradient
