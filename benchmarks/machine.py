"""Describes the machine that a figure is measured on."""

from __future__ import annotations

import os
import platform

import torch

from charrnn.store.machine import processor


def describe() -> str:
    """The processor, its cores, the memory and the versions, in one line."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{processor()}, {os.cpu_count()} cores{gpu}; Python {platform.python_version()}, PyTorch {torch.__version__}"
    )
