"""C for the hot loops. The machine's own compiler compiles it when it is first needed.

A library is code that runs as the user. It is loaded only from a folder in which nobody but this user and root may
write, and only if it is byte for byte what was compiled (its manifest has the SHA-256).

Nothing depends on it: without a compiler, or with CHARRNN_NATIVE=0, `load` gives None, and the caller computes the same
with PyTorch or NumPy, more slowly. The C is portable. Macros of the compiler decide the lengths of vectors and tiles,
how 1/x is computed (`__AVX512F__`), and how a number is rounded to bfloat16 (`__AVX512BF16__`).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from charrnn.cache import cache_folder
from charrnn.errors import CharrnnError
from charrnn.files import read_json, remove, sha256, sync
from charrnn.terminal import warn_once
from charrnn.trust import Untrusted, check_file, trusted

SOURCES = Path(__file__).parent
FLAGS = ["-O3", "-std=gnu11", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
PATIENCE = 60
"""Seconds that a compiler may take: it needs two, and many more beside other processes."""
ABANDONED = 3600
"""Seconds after which a folder of a compilation is that of a process that died."""


class NoLibrary(Exception):
    """The C cannot be had here; the message says why, and is empty where nothing is wrong."""


@cache
def load(name: str, openmp: bool = False) -> ctypes.CDLL | None:
    """The library made of `NAME.c` in this folder, or None where it cannot be had; why is told once.

    With `openmp` its loops run in the threads of PyTorch's own OpenMP, so PyTorch must have been imported. Two OpenMP
    runtimes in one process would wait for each other's threads on the same cores.
    """
    if os.environ.get("CHARRNN_NATIVE", "1") == "0" or os.name == "nt":
        return None
    runtime = openmp_of_torch() if openmp else None
    refused = ""
    for threads in ["-fopenmp", ""] if runtime else [""]:
        try:
            if threads:
                ctypes.CDLL(runtime, mode=ctypes.RTLD_GLOBAL)  # its symbols, not those of a second runtime
            return _loaded(_library(SOURCES / f"{name}.c", threads))
        except NoLibrary as error:
            refused = str(error) or refused
        except OSError as error:
            refused = f"{error.filename or name}: {error.strerror or error}"
    if refused:
        warn_once(f"charrnn: goes on more slowly, without C: {refused}")
    return None


def _loaded(library: Path) -> ctypes.CDLL:
    """The library of a file. What cannot be loaded is removed, since it was the compiler's mistake. Raises OSError."""
    try:
        return ctypes.CDLL(str(library))
    except OSError:
        for path in (library, _manifest(library)):
            remove(path)
        raise


def _library(source: Path, threads: str) -> Path:
    """The shared library of a source file, from the cache or compiled now. Raises NoLibrary."""
    folder, compiler = _folder(), _compiler()
    flags = [*FLAGS, "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"]
    # A library belongs to one source, one compiler and one processor. Several machines may share a home folder.
    key = hashlib.sha256("\0".join([*compiler, *flags, threads, _processor()]).encode())
    for file in sorted(SOURCES.glob("*.[ch]")):
        key.update(file.read_bytes())
    library = folder / f"{source.stem}-{key.hexdigest()[:24]}.so"
    if library.exists() and (found := fault(library)):
        warn_once(f"charrnn: {library}: {found}; it is compiled again")
        for path in (library, _manifest(library)):
            remove(path)
    if not library.exists():
        _compile(source, [*compiler, *flags, *([threads] if threads else [])], compiler, library)
    return library


def _folder() -> Path:
    """Where libraries lie. Raises NoLibrary where others may write there, or nobody."""
    try:
        return trusted(cache_folder("native"), make=True)
    except CharrnnError as error:
        raise NoLibrary(str(error)) from None
    except Untrusted as error:
        raise NoLibrary(f"{error}, so that no library is loaded from there") from None
    except OSError as error:
        raise NoLibrary(f"{error.filename}: {error.strerror}") from None


def _compiler() -> list[str]:
    """The command of the C compiler: $CC, or the first that is found. Raises NoLibrary where there is none."""
    try:
        given = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise NoLibrary(f"CC={os.environ['CC']} is no command: {error}") from None
    compiler = given or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1]
    if not compiler or not shutil.which(compiler[0]):
        raise NoLibrary(f"CC={compiler[0]}: there is no such compiler" if compiler else "")
    return compiler


def compiler_version() -> str:
    """The first line with which the compiler names itself; nothing where there is no compiler, or none is wanted."""
    if os.environ.get("CHARRNN_NATIVE", "1") == "0" or os.name == "nt":
        return ""
    try:
        command = [*_compiler(), "--version"]
        said = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    except (NoLibrary, OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.decode("utf-8", "replace").partition("\n")[0].strip()[:200]


def _compile(source: Path, compiling: list[str], linking: list[str], library: Path) -> None:
    """Makes a library, and its manifest, which is there before it. Raises NoLibrary where the compiler fails."""
    for left in library.parent.glob(".compiling-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".compiling-", dir=library.parent) as place:
        made, manifest = Path(place) / library.name, Path(place) / "manifest.json"
        # Linked without -fopenmp, so that its symbols come from the runtime that is there.
        dynamic = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
        for command in (
            [*compiling, "-c", str(source), "-o", f"{made}.o"],
            [*linking, "-shared", *dynamic, f"{made}.o", "-o", str(made), "-lm"],
        ):
            with tempfile.TemporaryFile() as said:  # not in memory: a compiler may talk without end
                try:
                    subprocess.run(
                        command,
                        check=True,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=said,
                        timeout=PATIENCE,
                    )
                except subprocess.TimeoutExpired:
                    raise NoLibrary(f"{command[0]} did not end in {PATIENCE} seconds") from None
                except subprocess.CalledProcessError:
                    said.seek(0)
                    raise NoLibrary(f"{source.name} could not be compiled: {_reason(said.read(100_000))}") from None
        manifest.write_text(json.dumps(facts_of(made)), encoding="ascii")
        for file in (made, manifest):
            file.chmod(0o600)
            sync(file)
        manifest.replace(_manifest(library))
        made.replace(library)
    sync(library.parent)


def fault(library: Path) -> str | None:
    """What is wrong with a library, or None: it must be what was compiled, byte for byte."""
    try:
        for file in (library, _manifest(library)):
            check_file(file)
        return None if facts_of(library) == read_json(_manifest(library)) else "is damaged"
    except Untrusted as error:
        return f"is not loaded: {error}"
    except (OSError, CharrnnError) as error:
        return f"is damaged ({error})"


def facts_of(library: Path) -> dict[str, object]:
    """What a manifest says of a library."""
    return {"bytes": library.stat().st_size, "sha256": sha256(library).hex()}


def _manifest(library: Path) -> Path:
    return library.with_suffix(".json")


def _reason(said: bytes) -> str:
    """The line of a compiler's output that says what is wrong."""
    lines = said.decode("utf-8", "replace").strip().splitlines() or ["the compiler does not say why"]
    return next((line for line in lines if "error" in line), lines[0])


def _processor() -> str:
    """The processor that the compiler's `native` means, as a text, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
    except OSError:
        return platform.processor() + platform.machine()


def openmp_of_torch() -> str | None:
    """The file of the OpenMP library that PyTorch has loaded into this process; None if it is not found."""
    import torch

    places = [Path(torch.__file__).parent / "lib", Path(torch.__file__).parent.parent / "torch.libs"]
    found = [
        file for place in places for pattern in ("libgomp*", "libomp*", "libiomp*") for file in place.glob(pattern)
    ]
    return str(found[0]) if found else None
