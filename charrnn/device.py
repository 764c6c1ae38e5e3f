"""The device that tensors live on, and how arrays get there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.errors import CharrnnError

if TYPE_CHECKING:  # PyTorch is imported only where it is needed: writing on a CPU does without it
    import numpy.typing as npt
    import torch
    from torch import Tensor

DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd", "C:/Windows/System32/nvcuda.dll")
"""Files of a machine whose GPU PyTorch could use: the drivers of NVIDIA, of WSL, of AMD, and of NVIDIA on Windows."""


def is_cpu(name: str) -> bool:
    """Whether a device is certainly the CPU. PyTorch is not asked, because its import takes seconds."""
    if name != "auto":
        return name == "cpu"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not any(Path(file).exists() for file in DRIVERS):
        return True
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def in_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether `training.precision` means bfloat16 on this device."""
    if device.type == "cuda":
        return precision != "float32"
    import torch

    return precision == "bfloat16" and bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def find_device(name: str = "auto") -> torch.device:
    """The device of a name: `auto` (CUDA if there is one, else the CPU), `cpu`, `cuda` or `cuda:n`.

    Raises CharrnnError where this machine does not have it.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]?))?", name):
        raise CharrnnError(f"‹device={name}›: auto, cpu, cuda or cuda:n was expected")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            has = f"{count} CUDA device{'s' * (count != 1)}" if count else "no CUDA device that PyTorch can use"
            raise CharrnnError(f"‹device={name}›: this machine has {has}; use ‹device=cpu›")
    return device


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def to_device(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """The array as a tensor on a device. It goes to CUDA from pinned memory, so that nobody waits for the copy."""
    import torch

    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies of the tensors on the CPU. Each has memory of its own, as safetensors requires."""
    return {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}
