"""Tunes of ci: how learnt patterns fit poems that they were not learnt from, and what a model writes to them.

    python benchmarks/tunes.py                          # the patterns, on the corpus song-ci
    python benchmarks/tunes.py --run RUN --poems 500    # and 500 poems to each of the 20 most frequent tunes by a model

The patterns are learnt from one half of the poems and judged on the other. `shape` is the share of poems to a tune
that have its most frequent shape. Of these, `tones` is the share of places with a fixed tone where a poem has another,
and `right` the share of poems without any fault. The model's poems are judged by the patterns that come with charrnn.
A model whose texts have the tune in their heading (the config song-ci) writes below a heading with the tune. Of it
`free` is the share of poems that have the shape of the tune, though nothing but the heading asks for it, and the share
of poems without any fault.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from itertools import islice
from typing import Any

from machine import describe
from tqdm import tqdm

import charrnn
from charrnn.text.corpora import prepare
from charrnn.verse.check import judge_as
from charrnn.verse.forms import tune, tunes
from charrnn.verse.learning import learn, lines_of, titled
from charrnn.verse.readings import pingshui

SIDE_BY_SIDE = 50


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="the folder of a run that writes; without it only the patterns are judged")
    parser.add_argument("--poems", type=int, default=500, help="poems to each tune (500)")
    parser.add_argument("--free", type=int, default=50, help="poems to each tune without any wish (50)")
    parser.add_argument("--tunes", type=int, default=20, help="the number of tunes that are shown, and written to (20)")
    parser.add_argument("--temperature", type=float, default=0.7)
    given = parser.parse_args()
    print(f"{describe()}; temperature {given.temperature:g}\n")
    patterns(given.tunes)
    if given.run:
        run = charrnn.load(given.run, device="cpu")
        print(f"\n{run!r}")
        writing(run, given.tunes, given.poems, given.free, given.temperature)


def patterns(shown: int) -> None:
    """Learns from one half of song-ci and judges the other."""
    table = pingshui()
    poems = [titled(one) for one in re.split(r"\n\s*\n", prepare("song-ci").read_text(encoding="utf-8")) if one.strip()]
    random.Random(0).shuffle(poems)
    half = len(poems) // 2
    learnt = {one.name: tune(one.name, one.lines) for one in learn(tqdm(poems[:half], leave=False), table, 10)}
    found: dict[str, list[tuple[bool, int, int, bool]]] = {name: [] for name in learnt}
    for name, poem in tqdm(poems[half:], leave=False):
        if name in learnt and lines_of(poem) is not None:
            faults = judge_as(poem, learnt[name], table).faults
            fixed = sum(tone != "中" for (line,) in learnt[name].ways[0].tones for tone in line)
            wrong = sum(fault.name == "平仄" for fault in faults)
            found[name].append((all(fault.name != "字數" for fault in faults), wrong, fixed, not faults))
    every = [one for own in found.values() for one in own]
    print("| tune | poems | shape | tones | right |\n|---|---:|---:|---:|---:|")
    for name, own in [(f"all {len(learnt)}", every), *islice(found.items(), shown)]:
        shaped = [one for one in own if one[0]]
        if shaped:
            wrong, fixed = sum(one[1] for one in shaped), sum(one[2] for one in shaped)
            right = sum(one[3] for one in shaped) / len(shaped)
            print(f"| {name} | {len(own):,} | {len(shaped) / len(own):.0%} | {wrong / fixed:.1%} | {right:.0%} |")


def writing(run: charrnn.Run, count: int, poems: int, free: int, temperature: float) -> None:
    """Writes to the most frequent tunes, and judges."""
    table = pingshui()
    headed = run.headings is not None and "tune" in run.headings.names
    print("\n| tune | free: shape, right | right | price, bits per character | ms |\n|---|---:|---:|---:|---:|")
    shaped = faultless = total = 0
    whole = 0.0
    for name, form in islice(tunes().items(), count):
        constraint = run.verse(name, tones=True, rhyme="any")
        how: dict[str, Any] = {"length": 400, "temperature": temperature, "fields": {"tune": name} if headed else None}
        unbound = ""
        if headed and free:
            judged = [judge_as(one.text, form, table) for one in run.sample("", samples=free, **how)]
            shape = sum(all(fault.name != "字數" for fault in one.faults) for one in judged)
            right = sum(one.is_right for one in judged)
            unbound, shaped, faultless = f"{shape / free:.0%}, {right / free:.0%}", shaped + shape, faultless + right
        right, bits, begun = 0, 0.0, time.perf_counter()
        for seed in range(-(-poems // SIDE_BY_SIDE)):
            some = min(SIDE_BY_SIDE, poems - seed * SIDE_BY_SIDE)
            for one in run.sample("", constraint=constraint, seed=seed, samples=some, **how):
                right += judge_as(one.text, form, table).is_right
                bits += one.constraint_bits or 0.0
        took = 1000 * (time.perf_counter() - begun)
        total, whole = total + right, whole + took
        print(f"| {name} | {unbound} | {right:,} of {poems:,} | {bits / poems:.2f} | {took / poems:.0f} |", flush=True)
    unbound = f"{shaped / free / count:.0%}, {faultless / free / count:.0%}" if headed and free else ""
    print(f"| all | {unbound} | {total:,} of {poems * count:,} | | {whole / poems / count:.0f} |")


if __name__ == "__main__":
    main()
