"""Regulated verse by a trained model: how many poems are right, what each wish costs, and how long a poem takes.

    python benchmarks/verse.py RUN                     # 1,000 poems of each form, some minutes
    python benchmarks/verse.py RUN --poems 10000

RUN is a model of Chinese poems, such as one of `charrnn train tang`. `charrnn verse check` judges, by rules that are
written apart from the automaton. `free` is the share of the poems of that shape that the model writes right without any
wish, at the same temperature. The price is in bits per character: -log2 of the probability that the model gave to what
was allowed. `ms` is the time of a poem, alone, among 64, and among 64 texts of that length without any wish. Then poems
are written to acrostics of characters drawn from the alphabet, of which some cannot be and are refused.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from machine import describe
from tqdm import tqdm

import charrnn
from charrnn.text.forms import is_ideograph
from charrnn.verse.check import judge, lines_of
from charrnn.verse.forms import FORMS
from charrnn.verse.modern import xinyun
from charrnn.verse.readings import pingshui

SIDE_BY_SIDE = 64
MOST = 1000
"""The most poems whose tones nobody asks for; most of them are wrong."""


def batches(poems: int) -> Iterator[tuple[int, int]]:
    """Seeds and numbers of poems that are written side by side, together so many."""
    for seed in range(-(-poems // SIDE_BY_SIDE)):
        yield seed, min(SIDE_BY_SIDE, poems - seed * SIDE_BY_SIDE)


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument("--poems", type=int, default=1000, help="poems of each form (1000)")
    parser.add_argument("--free", type=int, default=2000, help="texts that are written without any wish (2000)")
    parser.add_argument("--acrostics", type=int, default=200, help="acrostics of each of two forms (200)")
    parser.add_argument("--temperature", type=float, default=0.7)
    given = parser.parse_args()
    run, table, how = charrnn.load(given.run, device="cpu"), pingshui(), {"temperature": given.temperature}
    print(f"{describe()}; {run!r}; temperature {given.temperature:g}\n")

    shapes: dict[str, list[bool]] = {}
    for seed, count in tqdm(list(batches(given.free)), desc="free", leave=False):
        for text in run.sample("", length=80, seed=seed, samples=count, **how):
            judged = judge(text.text, table)
            shapes.setdefault(judged.form, []).append(judged.is_right)

    print("| form | free | wish | right | price | bits per character | ms, alone | among 64 | without a wish |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name, form in FORMS.items():
        length = sum(form.lines) + 2 * len(form.lines)
        begun = time.perf_counter()
        for seed in range(3):
            run.sample("", length=length, seed=seed, samples=SIDE_BY_SIDE, **how)
        unbound = (time.perf_counter() - begun) / 3 / SIDE_BY_SIDE
        own = shapes.get(form.name, [])
        free = f"{sum(own) / len(own):.0%} of {len(own)}" if own else "none"
        wishes: dict[str, dict[str, Any]] = {
            "form": {},
            "rhyme": {"rhyme": "pingshui"},
            "tones, rhyme": {"rhyme": "pingshui", "tones": True},
            "both, by today's readings": {"rhyme": "xinyun", "tones": True},
        }
        for wish, keys in wishes.items():
            verse = run.verse(name, **keys)
            judging = xinyun() if keys.get("rhyme") == "xinyun" else table
            right, bits, price, characters, spent = 0, 0.0, 0.0, 0, 0.0
            poems_of = given.poems if wish == "tones, rhyme" else min(given.poems, MOST)
            for seed, count in tqdm(list(batches(poems_of)), desc=f"{name}, {wish}", leave=False):
                begun = time.perf_counter()
                poems = run.sample("", length=999, seed=seed, samples=count, constraint=verse, **how)
                spent += time.perf_counter() - begun
                for poem in poems:
                    right += judge(poem.text, judging).is_right
                    characters += len(poem.text)
                    bits -= poem.log_prob / 0.6931471805599453
                    price += (poem.constraint_bits or 0.0) * len(poem.text)
            begun = time.perf_counter()
            for seed in range(20):
                run.sample("", length=999, seed=seed, constraint=verse, **how)
            alone = (time.perf_counter() - begun) / 20
            print(
                f"| {name} | {free} | {wish} | {right:,} of {poems_of:,} | {price / characters:.2f} "
                f"| {bits / characters:.2f} | {alone * 1e3:.0f} | {spent / poems_of * 1e3:.1f} | {unbound * 1e3:.1f} |",
                flush=True,
            )
            free = ""
    print("\n| form | acrostics | written, all right | refused beforehand |\n|---|---:|---:|---:|")
    for name in ("qijue", "qilü"):
        print(f"| {name} | {given.acrostics:,} | " + " | ".join(map(str, acrostics(run, name, given.acrostics))) + " |")


def acrostics(run: charrnn.Run, name: str, count: int) -> tuple[int, int]:
    """How many acrostics of characters drawn from the alphabet could be written, all rightly, and how many not."""
    random, lines = np.random.default_rng(0), len(FORMS[name].lines)
    known = [character for character in run.vocabulary.characters if is_ideograph(character)]
    written = refused = 0
    for seed in tqdm(range(count), desc=f"{name}, acrostics", leave=False):
        letters = "".join(random.choice(known, lines))
        try:
            verse = run.verse(name, tones=True, rhyme="pingshui", acrostic=letters)
        except charrnn.CharrnnError:
            refused += 1
            continue
        (poem,) = run.sample("", length=999, seed=seed, constraint=verse)
        assert judge(poem.text, pingshui()).is_right, poem.text
        assert "".join(line[0] for line in lines_of(poem.text)) == letters, poem.text
        written += 1
    return written, refused


if __name__ == "__main__":
    main()
