"""C for the hot loops. The machine's own compiler compiles it when it is first needed.

Nothing depends on it: without a compiler, or with CHARRNN_NATIVE=0, `load` gives None, and the caller computes the same
with PyTorch or NumPy, more slowly. The C is portable. Macros of the compiler decide the lengths of vectors and tiles,
how 1/x is computed (`__AVX512F__`), and how a number is rounded to bfloat16 (`__AVX512BF16__`).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from charrnn.cache import cache_folder
from charrnn.terminal import say

SOURCES = Path(__file__).parent
FLAGS = ["-O3", "-std=gnu11", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]


@cache
def load(name: str, openmp: bool = False) -> ctypes.CDLL | None:
    """The library of `NAME.c` in this folder; None where it cannot be compiled or loaded.

    With `openmp` its loops run in the threads of PyTorch's own OpenMP, so PyTorch must have been imported. Two OpenMP
    runtimes in one process would wait for each other's threads on the same cores.
    """
    if os.environ.get("CHARRNN_NATIVE", "1") == "0" or os.name == "nt":
        return None
    runtime = _openmp_of_torch() if openmp else None
    refused = ""
    for threads in ["-fopenmp", ""] if runtime else [""]:
        try:
            if threads:
                ctypes.CDLL(runtime, mode=ctypes.RTLD_GLOBAL)  # so that no second runtime is loaded
            return ctypes.CDLL(str(_compiled(SOURCES / f"{name}.c", threads)))
        except (OSError, LookupError):
            continue
        except subprocess.SubprocessError as error:
            refused = _reason(getattr(error, "stderr", None) or b"")
    if refused:
        say(f"charrnn: {name}.c could not be compiled, it goes on more slowly without: {refused}")
    return None


def _reason(said: bytes) -> str:
    """The first line of a compiler's output with an error, or else its first line."""
    lines = said.decode("utf-8", "replace").strip().splitlines() or ["the compiler says nothing"]
    return next((line for line in lines if "error" in line), lines[0])


def _compiled(source: Path, threads: str) -> Path:
    """The file of a source's shared library, which is compiled if it is not in the cache.

    Raises LookupError where there is no compiler, and SubprocessError where it fails.
    """
    compiler = (
        shlex.split(os.environ.get("CC", "")) or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1]
    )
    if not compiler:
        raise LookupError("no C compiler")
    flags = [*FLAGS, "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"]
    # A library belongs to one source, one compiler and one processor. Several machines may share a home folder.
    key = hashlib.sha256("\0".join([*compiler, *flags, threads, _processor()]).encode())
    for file in sorted(SOURCES.glob("*.[ch]")):
        key.update(file.read_bytes())
    library = cache_folder() / "native" / f"{source.stem}-{key.hexdigest()[:24]}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as place:
            made = Path(place) / library.name
            compiling = [*compiler, *flags, *([threads] if threads else []), "-c", str(source), "-o", f"{made}.o"]
            # It is linked without -fopenmp, so that OpenMP's symbols come from the runtime that is already loaded.
            dynamic = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
            linking = [*compiler, "-shared", *dynamic, f"{made}.o", "-o", str(made), "-lm"]
            for command in (compiling, linking):
                subprocess.run(command, check=True, capture_output=True, timeout=120)
            made.replace(library)
    return library


def _processor() -> str:
    """The processor that the compiler's `native` means, as a text, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
    except OSError:
        return platform.processor() + platform.machine()


def _openmp_of_torch() -> str | None:
    """The file of the OpenMP library that PyTorch has loaded into this process; None if it is not found."""
    import torch

    places = [Path(torch.__file__).parent / "lib", Path(torch.__file__).parent.parent / "torch.libs"]
    found = [
        file for place in places for pattern in ("libgomp*", "libomp*", "libiomp*") for file in place.glob(pattern)
    ]
    return str(found[0]) if found else None
