"""Bad input by the thousand: each must give a right answer or one clear message with exit code 2.

    python tests/tools/fuzz.py --examples 2000
    python tests/tools/fuzz.py --examples 100 --only checkpoint --seed 7

Never a traceback, never more than 20 seconds, never gigabytes: the process may take 3 GB of address space beyond what
it has when PyTorch is loaded. Prints a table, and every failure with what led to it; exits with 1 where there is one.
The kinds of input are in `bad_input.py`.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LIMIT = 20
"""Seconds that an example may take."""
MEMORY = 3 * 2**30
"""Bytes of address space that may be taken beyond those of the start."""

# What is imported may make threads and caches: they must be few, and not the user's.
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch  # noqa: E402
from bad_input import KINDS, Draw, tried, workshop  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402


class TooLongError(BaseException):
    """No `except Exception` may swallow it."""


@dataclass
class Count:
    """What became of the examples of a kind."""

    right: int = 0
    refused: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """The last line of the traceback to a whole description, so that one mistake is shown once."""
    failed: int = 0
    slowest: float = 0.0

    @property
    def tried(self) -> int:
        """All of them."""
        return self.right + self.refused + self.failed


def try_kind(kind: Callable[[Draw], bool], examples: int, number: int) -> Count:
    """Draws so many examples and counts what became of them."""
    count = Count()

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def one(data: st.DataObject) -> None:
        tried.clear()
        started = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        try:
            if kind(lambda strategy: data.draw(strategy)):
                count.right += 1
            else:
                count.refused += 1
        except (Exception, TooLongError) as error:
            if type(error).__module__.startswith("hypothesis"):
                raise  # it could not draw an example
            count.failed += 1
            frames = traceback.extract_tb(error.__traceback__)
            where = next((f for f in reversed(frames) if "charrnn/" in f.filename.replace("\\", "/")), frames[-1])
            key = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
            if key not in count.failures:
                count.failures[key] = "\n".join([*tried, *traceback.format_exception(error)[-12:]])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            count.slowest = max(count.slowest, time.perf_counter() - started)

    one()
    return count


def _too_long(*_: object) -> None:
    raise TooLongError(f"more than {LIMIT} seconds")


def _limit_memory() -> None:
    """From here on, memory beyond the limit is refused, and the refusal is a failure."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))


def main() -> None:
    """Tries every kind, and says what became of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=200, help="of each kind")
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # hypothesis's and codecs' own
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _too_long)
    setattr(os, "fsync", lambda _: None)  # noqa: B010 (nothing here must outlive the machine)
    counts: dict[str, Count] = {}
    with tempfile.TemporaryDirectory() as place:
        os.environ["CHARRNN_CACHE"] = str(Path(place) / "cache")
        os.environ["XDG_CACHE_HOME"] = str(Path(place) / "home")
        os.environ.pop("CHARRNN_MIRROR", None)
        here = Path.cwd()
        (Path(place) / "work").mkdir()
        os.chdir(Path(place) / "work")
        try:
            workshop()
            _limit_memory()
            print("| what | tried | right answers | refused with a message | failures | slowest |")
            print("|---|---:|---:|---:|---:|---:|")
            for name, kind in KINDS.items():
                if arguments.only in name:
                    c = counts[name] = try_kind(kind, arguments.examples, arguments.seed)
                    row = f"| {name} | {c.tried:,} | {c.right:,} | {c.refused:,} | {c.failed:,} | {c.slowest:.1f} s |"
                    print(row, flush=True)
        finally:
            os.chdir(here)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\npeak memory {peak:.1f} GB")
    for name, c in counts.items():
        for key, story in c.failures.items():
            print(f"\n=== {name}: {key}\n{story}")
    sys.exit(1 if any(c.failed for c in counts.values()) else 0)


if __name__ == "__main__":
    main()
