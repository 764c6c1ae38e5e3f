"""Regulated verse by a trained model: how many poems are right, what each wish costs, and how long a poem takes.

    python benchmarks/verse.py RUN                     # 1,000 poems of each form, some minutes
    python benchmarks/verse.py RUN --poems 10000

RUN is a model of Chinese poems, such as one of `charrnn train tang`. `charrnn verse check` judges, by rules that are
written apart from the automaton. `free` is the share of the poems of that shape that the model writes right without any
wish, at the same temperature. The price is in bits per character: -log2 of the probability that the model gave to what
was allowed. `ms` is the time of a poem, alone and among 64.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from machine import describe
from tqdm import tqdm

import charrnn
from charrnn.verse.check import judge
from charrnn.verse.forms import FORMS
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
    parser.add_argument("--temperature", type=float, default=0.7)
    given = parser.parse_args()
    run, table, how = charrnn.load(given.run, device="cpu"), pingshui(), {"temperature": given.temperature}
    print(f"{describe()}; {run!r}; temperature {given.temperature:g}\n")

    shapes: dict[str, list[bool]] = {}
    for seed, count in tqdm(list(batches(given.free)), desc="free", leave=False):
        for text in run.sample("", length=80, seed=seed, samples=count, **how):
            judged = judge(text.text, table)
            shapes.setdefault(judged.form, []).append(judged.is_right)

    print("| form | free | wish | right | price | bits per character | ms, alone | ms, among 64 |")
    print("|---|---:|---|---:|---:|---:|---:|---:|", flush=True)
    for name, form in FORMS.items():
        own = shapes.get(form.name, [])
        free = f"{sum(own) / len(own):.0%} of {len(own)}" if own else "none"
        for wish, keys in {
            "form": {},
            "rhyme": {"rhyme": "pingshui"},
            "tones, rhyme": {"rhyme": "pingshui", "tones": True},
        }.items():
            verse = run.verse(name, **keys)  # type: ignore[arg-type]
            right, bits, price, characters, spent = 0, 0.0, 0.0, 0, 0.0
            poems_of = given.poems if "tones" in wish else min(given.poems, MOST)
            for seed, count in tqdm(list(batches(poems_of)), desc=f"{name}, {wish}", leave=False):
                begun = time.perf_counter()
                poems = run.sample("", length=999, seed=seed, samples=count, constraint=verse, **how)
                spent += time.perf_counter() - begun
                for poem in poems:
                    right += judge(poem.text, table).is_right
                    characters += len(poem.text)
                    bits -= poem.log_prob / 0.6931471805599453
                    price += (poem.constraint_bits or 0.0) * len(poem.text)
            begun = time.perf_counter()
            for seed in range(20):
                run.sample("", length=999, seed=seed, constraint=verse, **how)
            alone = (time.perf_counter() - begun) / 20
            print(
                f"| {name} | {free} | {wish} | {right:,} of {poems_of:,} | {price / characters:.2f} "
                f"| {bits / characters:.2f} | {alone * 1e3:.0f} | {spent / poems_of * 1e3:.1f} |",
                flush=True,
            )
            free = ""


if __name__ == "__main__":
    main()
