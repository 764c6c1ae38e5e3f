"""Where tensors live."""

from __future__ import annotations

import torch

from charrnn.errors import CharrnnError


def find_device(name: str = "auto") -> torch.device:
    """`auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:n`. Raises CharrnnError where it cannot be had."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise CharrnnError(f"--device {name}: auto, cpu, cuda or cuda:n was expected")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            has = f"{count} CUDA device{'s' * (count != 1)}" if count else "no CUDA device that PyTorch can use"
            raise CharrnnError(f"--device {name}: this machine has {has}; use --device cpu")
    return device
