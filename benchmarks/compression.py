"""Compares a model as a compressor with the usual ones, on the part of its corpus that it did not learn from.

    python benchmarks/compression.py RUN [RUN ...]

Prints bytes and bits per character of gzip -9, xz -9e, zstd -19 (if the package zstandard is installed) and each run.
The text is also decompressed with each run and compared. The figure of `charrnn eval` is printed beside: the two agree
within 1 %.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import time
from collections.abc import Callable
from importlib import import_module

import numpy as np
from machine import describe

import charrnn


def main() -> None:
    """Compresses the validation part of the first run's corpus in every way, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    runs = [charrnn.load(path, "cpu") for path in parser.parse_args().runs]
    part = runs[0].dataset().part("val", runs[0].config.corpus)
    if part.documents is not None:
        parser.error("a run in stream mode was expected: its held-out part is one text")
    text = runs[0].vocabulary.decode(np.concatenate([part.ids[a:b] for a, b in part.spans]).tolist())
    data = text.encode()
    usual: dict[str, Callable[[bytes], bytes]] = {
        "gzip -9": lambda data: gzip.compress(data, 9),
        "xz -9e": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    }
    try:
        usual["zstd -19"] = import_module("zstandard").ZstdCompressor(level=19).compress
    except ImportError:
        print("zstd is left out: pip install zstandard")
    print(describe())
    print(f"{len(text):,} characters, {len(data):,} bytes\n")
    print("| | bytes | bits per character | `charrnn eval` | seconds |\n|---|---:|---:|---:|---:|")
    for name, pack in usual.items():
        started = time.perf_counter()
        packed = pack(data)
        seconds = time.perf_counter() - started
        print(f"| {name} | {len(packed):,} | {8 * len(packed) / len(text):.3f} | | {seconds:.2f} |")
    for run in runs:
        started = time.perf_counter()
        packed = run.compress(data)
        seconds = time.perf_counter() - started
        if run.decompress(packed) != data:
            raise SystemExit(f"{run.path}: the text did not come back")
        bits = run.evaluate().bits_per_char
        print(
            f"| {run.config.model.describe()} | {len(packed):,} | {8 * len(packed) / len(text):.3f} | {bits:.3f} "
            f"| {seconds:.1f} |"
        )


if __name__ == "__main__":
    main()
