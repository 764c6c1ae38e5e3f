"""From a key to the screen: `charrnn write` in a pseudo-terminal, over thousands of keys.

    python benchmarks/desk.py runs/tang
    python benchmarks/desk.py runs/tang --keys 1000 --form "wujue tones rhyme"

A key is pressed as soon as the screen shows what the last one did, and no sooner than a person's next one (`--pause`).
The time is that from the key to the last piece of what the desk writes for it; a screen that stays as it is for 20 ms
is taken for whole. Four of ten keys type a character, two take a proposal, one has the model write one, two undo, one
makes it again. Keys that come while words are looked for are among them.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time

import numpy as np
from machine import describe
from pseudo_terminal import PseudoTerminal

QUIET = 0.02
KINDS = ("type", "type", "type", "type", "take", "take", "write", "undo", "undo", "redo")
KEYS = {"take": "\t", "write": "\x0e", "undo": "\x1a", "redo": "\x19"}


def press(terminal: PseudoTerminal, key: str) -> float:
    """Presses a key, and gives the seconds until its last piece of the screen has come."""
    begin = last = time.perf_counter()
    terminal.send(key)
    if not terminal.read(5):
        return last - begin  # such as an undo of nothing, twice: the screen stays as it is
    last = time.perf_counter()
    while terminal.read(QUIET):
        last = time.perf_counter()
    return last - begin


def measure(run: str, keys: int, form: str, alphabet: str, pause: float) -> tuple[dict[str, list[float]], float]:
    """The seconds of each key, by its kind, and those for which the desk kept a processor busy."""
    choice = random.Random(1)
    found: dict[str, list[float]] = {kind: [] for kind in dict.fromkeys(KINDS)}
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "charrnn", "write", run, "--seed", "1", *(["--form", form] if form else [])]
        terminal = PseudoTerminal(command, environment={"XDG_STATE_HOME": state})
        terminal.until("Tab take", 120)
        while terminal.read(1):
            pass
        begin = terminal.busy()
        for number in range(keys):
            kind = choice.choice(KINDS)
            found[kind].append(press(terminal, KEYS.get(kind) or choice.choice(alphabet)))
            wait = time.perf_counter() + choice.uniform(0, 2 * pause)
            while (left := wait - time.perf_counter()) > 0:
                terminal.read(left)  # words that were found
            if number % 1000 == 999:
                print(f"{number + 1:,} keys", file=sys.stderr)
        busy = terminal.busy() - begin
        terminal.kill()
    return found, busy


def main() -> None:
    """Prints the percentiles of each kind of key."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--form", default="")
    parser.add_argument("--alphabet", default="春風花月山水人天", help="what is typed")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between keys, on average")
    given = parser.parse_args()
    found, busy = measure(given.run, given.keys, given.form, given.alphabet, given.pause)
    print(describe())
    print(f"{1000 * busy / given.keys:.1f} ms of the processor for a key, words included")
    print("\n| key | number | 50 % | 95 % | 99 % | all |\n|---|---:|---:|---:|---:|---:|")
    rows = {**found, "all": [seconds for kind in found.values() for seconds in kind]}
    for kind, seconds in rows.items():
        if seconds:
            quantiles = 1000 * np.quantile(seconds, [0.5, 0.95, 0.99, 1])
            print(f"| {kind} | {len(seconds):,} | " + " | ".join(f"{one:.1f} ms" for one in quantiles) + " |")


if __name__ == "__main__":
    main()
