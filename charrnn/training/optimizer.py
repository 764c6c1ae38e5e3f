"""The optimizer of a config, over all weights as two long vectors, and its state as named tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from charrnn.config import TrainingConfig


class FlatWeights:
    """The weights of a model as two vectors, matrices and the rest; the model's own become views of them.

    An operation on two vectors is several times as fast as the same on fifty small tensors one by one, and a small
    network spends a good part of a step on nothing else.
    """

    def __init__(self, model: nn.Module) -> None:
        weights = [p for p in model.parameters() if p.requires_grad]
        self._weights = [[p for p in weights if p.ndim > 1], [p for p in weights if p.ndim <= 1]]
        self.matrices, self.others = (self._flat(own) for own in self._weights)

    def clear(self) -> list[Tensor]:
        """Makes all gradients 0, and gives them as two vectors into which a backward pass adds."""
        for flat, own in zip((self.matrices, self.others), self._weights, strict=True):
            if flat.grad is None:
                flat.grad = torch.empty_like(flat)
                for p, part in zip(own, self._parts(flat.grad, own), strict=True):
                    p.grad = part
            flat.grad.zero_()
        return [flat.grad for flat in (self.matrices, self.others) if flat.grad is not None]

    @classmethod
    @torch.no_grad()
    def _flat(cls, own: list[nn.Parameter]) -> nn.Parameter:
        like = own[0] if own else torch.empty(0)
        flat = nn.Parameter(torch.cat([p.flatten() for p in own]) if own else like.new_zeros(0))
        for p, part in zip(own, cls._parts(flat.data, own), strict=True):
            p.data = part
        return flat

    @staticmethod
    def _parts(flat: Tensor, own: list[nn.Parameter]) -> list[Tensor]:
        """Each weight's place in a long vector."""
        places = torch.split(flat, [p.numel() for p in own])
        return [place.view_as(p) for p, place in zip(own, places, strict=True)]


def build_optimizer(weights: FlatWeights, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer over all weights; matrices decay, biases do not."""
    groups = [
        {"params": [weights.matrices], "weight_decay": config.weight_decay},
        {"params": [weights.others], "weight_decay": 0.0},
    ]
    rate, betas = config.learning_rate, (config.beta1, config.beta2)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate, betas=betas, fused=True)
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=rate, alpha=config.beta2, momentum=config.beta1)
    return torch.optim.SGD(groups, lr=rate, momentum=config.beta1, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer remembers, as `{parameter number}.{name}`: the rest of it follows from the config."""
    state = optimizer.state_dict()["state"]
    return {
        f"{i}.{name}": value for i, own in state.items() for name, value in own.items() if isinstance(value, Tensor)
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Puts back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor | None]] = {}
    for key, value in tensors.items():
        i, name = key.split(".", 1)
        state.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def apply_step(optimizer: torch.optim.Optimizer, rate: float, finite: Tensor) -> None:
    """One step with the gradients as they are, if `finite` (a scalar of the device) is true; otherwise nothing.

    Adam's fused kernels look at it where it lies; for the other rules Python has to.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    if isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
        optimizer.found_inf = finite.logical_not().float()  # type: ignore[attr-defined]
    elif not finite:
        return
    optimizer.step()


def clip(gradients: list[Tensor], config: TrainingConfig) -> Tensor:
    """Shortens the gradient as the config says; its norm before that."""
    norm = nn.utils.get_total_norm(gradients)
    for gradient in gradients:
        if config.clip_norm is not None:
            gradient.mul_((config.clip_norm / (norm + 1e-6)).clamp(max=1.0))
        if config.clip_value is not None:
            gradient.clamp_(-config.clip_value, config.clip_value)
    return norm
