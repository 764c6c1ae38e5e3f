"""The machine of a training: what decides its results to the bit, and its speed (docs/reproducibility.md)."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn import native
from charrnn.device import cores
from charrnn.files import Count, Record

if TYPE_CHECKING:
    import torch


class Machine(Record):
    """What a training was begun on."""

    processor: str = ""
    cores: Count = 0
    """Cores that the process might use."""
    threads: Count = 0
    """Threads in which PyTorch and the C computed."""
    device: str = ""
    """`cpu`, or the name of the GPU."""
    compiler: str = ""
    """The compiler of the C; nothing where there was none."""
    python: str = ""
    system: str = ""


def this_machine(device: torch.device) -> Machine:
    """This machine, with the device of a training."""
    import torch

    return Machine(
        processor=processor(),
        cores=cores(),
        threads=torch.get_num_threads(),
        device="cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
        compiler=native.compiler_version(),
        python=platform.python_version(),
        system=platform.platform(),
    )


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())[:200]
