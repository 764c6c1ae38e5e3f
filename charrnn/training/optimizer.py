"""The optimizers of a config, over all weights as a few long vectors, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from charrnn.config import TrainingConfig
from charrnn.models import LanguageModel
from charrnn.training.muon import Muon, hidden_matrices

Optimizers = list[torch.optim.Optimizer]


class FlatWeights:
    """The weights of a model as three long vectors: matrices, the rest, and those that are kept `apart`. The weights of
    the model become views of these vectors.

    An operation on a few vectors is several times as fast as the same operation on fifty small tensors, and a small
    network spends a good part of a step on such operations.
    """

    def __init__(self, model: nn.Module, apart: Sequence[nn.Parameter] = ()) -> None:
        kept = set(apart)
        weights = [p for p in model.parameters() if p.requires_grad and p not in kept]
        self._weights = [[p for p in weights if p.ndim > 1], [p for p in weights if p.ndim <= 1], list(apart)]
        nothing = next(model.parameters()).new_zeros(0)
        self._flats = [self._flat(own, nothing) for own in self._weights]
        self.matrices, self.others, self.apart = self._flats

    def clear(self) -> list[Tensor]:
        """Sets all gradients to 0, and gives them as vectors to which a backward pass adds."""
        for flat, own in zip(self._flats, self._weights, strict=True):
            if flat.grad is None:
                flat.grad = torch.empty_like(flat)
                for p, part in zip(own, self._parts(flat.grad, own), strict=True):
                    p.grad = part
            flat.grad.zero_()
        return [flat.grad for flat in self._flats if flat.grad is not None]

    @classmethod
    @torch.no_grad()
    def _flat(cls, own: list[nn.Parameter], nothing: Tensor) -> nn.Parameter:
        flat = nn.Parameter(torch.cat([nothing, *(p.flatten() for p in own)]))
        for p, part in zip(own, cls._parts(flat.data, own), strict=True):
            p.data = part
        return flat

    @staticmethod
    def _parts(flat: Tensor, own: list[nn.Parameter]) -> list[Tensor]:
        """The part of a long vector that belongs to each weight, in the shape of the weight."""
        places = torch.split(flat, [p.numel() for p in own])
        return [place.view_as(p) for p, place in zip(own, places, strict=True)]


def build_optimizers(model: LanguageModel, config: TrainingConfig) -> tuple[FlatWeights, Optimizers]:
    """The weights of a model as vectors, and their optimizers. Matrices decay; biases do not."""
    hidden = hidden_matrices(model) if config.optimizer == "muon" else []
    weights = FlatWeights(model, [matrix.weight for matrix in hidden])
    groups = [
        {"params": [weights.matrices], "weight_decay": config.weight_decay},
        {"params": [weights.others], "weight_decay": 0.0},
    ]
    optimizers: Optimizers = [_first_order(groups, config)]
    if hidden:
        optimizers.append(Muon(weights.apart, hidden, config.learning_rate, config.weight_decay))
    return weights, optimizers


def _first_order(groups: list[dict[str, object]], config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer of the weights that Muon does not move: AdamW beside Muon, otherwise the config's."""
    rate, betas = config.learning_rate, (config.beta1, config.beta2)
    if config.optimizer in ("adamw", "muon"):
        return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate, betas=betas, fused=True)
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=rate, alpha=config.beta2, momentum=config.beta1)
    return torch.optim.SGD(groups, lr=rate, momentum=config.beta1, fused=True)


def optimizer_tensors(optimizers: Optimizers) -> dict[str, Tensor]:
    """The state of the optimizers as tensors named `{number of the vector}.{name}`. The config gives the rest."""
    return {
        f"{i}.{name}": value
        for i, (optimizer, vector) in enumerate(vectors(optimizers))
        for name, value in optimizer.state.get(vector, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer_tensors(optimizers: Optimizers, tensors: dict[str, Tensor]) -> None:
    """Restores what `optimizer_tensors` gave."""
    first = 0
    for optimizer in optimizers:
        state: dict[int, dict[str, Tensor]] = {}
        count = sum(len(group["params"]) for group in optimizer.param_groups)
        for key, value in tensors.items():
            i, name = key.split(".", 1)
            if first <= int(i) < first + count:
                state.setdefault(int(i) - first, {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        first += count


def vectors(optimizers: Optimizers) -> list[tuple[torch.optim.Optimizer, Tensor]]:
    """All optimized vectors, each with its optimizer."""
    return [(o, vector) for o in optimizers for group in o.param_groups for vector in group["params"]]


def apply_step(optimizers: Optimizers, rate: float, finite: Tensor) -> None:
    """One step with the current gradients if `finite` is true, otherwise no step.

    `finite` is a scalar on the device. Adam's fused kernels and Muon read it there; for other rules Python reads it.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        if isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW, Muon)):
            optimizer.found_inf = finite.logical_not().float()  # type: ignore[union-attr]
        elif not finite:
            continue
        optimizer.step()


def clip(gradients: list[Tensor], config: TrainingConfig) -> Tensor:
    """Clips the gradients as the config says, and gives their norm before clipping."""
    norm = nn.utils.get_total_norm(gradients)
    for gradient in gradients:
        if config.clip_norm is not None:
            gradient.mul_((config.clip_norm / (norm + 1e-6)).clamp(max=1.0))
        if config.clip_value is not None:
            gradient.clamp_(-config.clip_value, config.clip_value)
    return norm
