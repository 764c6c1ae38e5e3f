"""Provokes what a hostile machine does to charrnn, in real processes, and prints what came of it.

    python tests/tools/hostile.py            # a few minutes
    python tests/tools/hostile.py --slow     # with what takes more than a minute each

Other users, damaged caches, compilers that hang, terminals that go, workers that do not answer, files without end.
The table is Markdown, and each outcome in it was observed. Exits with 1 where one is not the promised one. "The same
end" means: the same weights byte for byte as a training that nothing happened to.

Root provokes all twice: as root, and as a user without rights (nobody). A few faults can only be provoked by one of
them, because only root can be two users, and nothing is forbidden to root. `faults.py` has the faults of a training.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import hostile_cache
import hostile_files
import hostile_process
import kill
from provoke import FAULTS, NotProvoked, Place, outcome, python_for_all, python_path

NOBODY = 65534
MODULES = (hostile_cache, hostile_files, hostile_process)
"""Each adds its faults to the table when it is imported."""


class Other:
    """This tool in a process of another user, which provokes one fault after the other as it is told."""

    def __init__(self, slow: bool) -> None:
        """Raises OSError where the other user may not run this Python, or not read charrnn."""
        self._home = tempfile.TemporaryDirectory()
        os.chown(self._home.name, NOBODY, NOBODY)
        environment = os.environ | {"HOME": self._home.name, "PYTHONPATH": python_path()}
        environment.pop("XDG_CACHE_HOME", None)
        arguments = [__file__, "--serve", *(["--slow"] if slow else [])]
        self._process = subprocess.Popen(
            [python_for_all(), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self._home.name,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise OSError(f"this Python, or charrnn, is not for another user to read (exit {self._process.wait()})")

    def outcome(self, name: str) -> tuple[str, bool]:
        """As `provoke.outcome`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(name, file=self._process.stdin, flush=True)
        result, is_wrong = json.loads(self._process.stdout.readline() or '["**WRONG**: the tool died", true]')
        return result, is_wrong

    def end(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._home.cleanup()


def serve(place: Place) -> None:
    """Provokes the faults that standard input names, and writes what came of each."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(outcome(line.rstrip("\n"), place)), flush=True)


def rows(results: dict[str, str]) -> list[tuple[str, str]]:
    """The lines of a fault: who provoked it, and the outcome. One line where it is the same for all."""
    provoked = {who: result for who, result in results.items() if not result.startswith("not provoked")}
    if len(results) > 1 and len(provoked) == 1:
        ((who, result),) = provoked.items()
        return [(f"{who} only", result)]
    if len(set(results.values())) == 1:
        return [(", ".join(results), next(iter(results.values())))]
    return list(results.items())


def main() -> None:
    """Provokes one after the other and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only the faults with this in their name")
    parser.add_argument("--slow", action="store_true", help="also those that take more than a minute each")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    kill.import_all()
    wrong, other, why = 0, None, ""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CHARRNN_CACHE": str(Path(folder) / "cache"), "CUDA_VISIBLE_DEVICES": ""}
        os.environ.pop("CC", None)
        place = Place(Path(folder).resolve())
        place.slow = arguments.slow
        if arguments.serve:
            return serve(place)
        root = os.geteuid() == 0
        if root:
            try:
                other = Other(arguments.slow)
            except (OSError, NotProvoked) as error:
                why = f"not provoked: {error}"
        print("| fault | as | outcome |\n|---|---|---|", flush=True)
        for name in FAULTS:
            if arguments.only not in name:
                continue
            result, is_wrong = outcome(name, place)
            wrong += is_wrong
            results = {"root" if root else "a user": result}
            if other is not None:
                results["nobody"], is_wrong = other.outcome(name)
                wrong += is_wrong
            for who, shown in rows(results):
                print(f"| {name} | {who} | {shown} |", flush=True)
        if other is not None:
            other.end()
    if why:
        print(f"\nAs another user: {why}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
