"""The optimizer of a config, and its state as named tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from charrnn.config import TrainingConfig


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer over all weights; matrices decay, biases do not."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
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


def clip(model: nn.Module, config: TrainingConfig) -> Tensor:
    """Shortens the gradient as the config says; its norm before that."""
    norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    if config.clip_norm is not None:
        nn.utils.clip_grads_with_norm_(model.parameters(), config.clip_norm, norm)
    if config.clip_value is not None:
        nn.utils.clip_grad_value_(model.parameters(), config.clip_value)
    return norm
