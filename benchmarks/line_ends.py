"""Line ends without force: whether poems of a form come to the ends of their lines as poems do.

    python benchmarks/line_ends.py RUN                        # some minutes
    python benchmarks/line_ends.py RUN --form wulü --poems 200

RUN is a model of Chinese poems without headings, such as one of `charrnn train tang`. `line ends` is the probability
that the model, free, gives to a mark where the form has one, on average, as a share of what it gives in held-out poems
of that form. `bits` and `price` are per character; `ms` is the time of a poem, or of the N of which the likeliest is
taken.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from machine import describe
from tqdm import tqdm

import charrnn
from charrnn.generation.constraints import Unfit, walk
from charrnn.verse.automaton import Verse
from charrnn.verse.forms import FINAL, MIDDLE

SIDE_BY_SIDE = 64
LONGEST = 400
MARKS = {*MIDDLE, *FINAL}


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the folder of a run")
    parser.add_argument("--form", default="qijue", help="the form (qijue)")
    parser.add_argument("--poems", type=int, default=64, help="poems of each way (64)")
    parser.add_argument("--best-of", type=int, default=8, help="texts for each poem of the second row (8)")
    parser.add_argument("--temperature", type=float, default=0.7)
    given = parser.parse_args()
    run = charrnn.load(given.run, device="cpu")
    form, asked = run.verse(given.form), run.verse(given.form, tones=True, rhyme="any")
    held_out = poems_of(run, form)
    usual = ends(run, form, held_out)
    print(f"{describe()}; {run!r}; {given.form} with tones and rhyme; temperature {given.temperature:g}")
    print(f"{len(held_out):,} held-out poems of the form: {usual:.1%} at their line ends\n")
    print("| texts for a poem | line ends | bits | price | ms |\n|---:|---:|---:|---:|---:|")
    for count in sorted({1, given.best_of}):
        poems: list[charrnn.Sample] = []
        begun, at_once = time.perf_counter(), max(1, SIDE_BY_SIDE // count)
        for seed in tqdm(range(-(-given.poems // at_once)), leave=False):
            some = min(at_once, given.poems - seed * at_once)
            how: dict[str, Any] = {"seed": seed, "samples": some, "best_of": count, "temperature": given.temperature}
            poems += run.sample("", length=LONGEST, constraint=asked, **how)
        took = 1000 * (time.perf_counter() - begun) / given.poems
        characters = sum(len(one.text) for one in poems)
        bits = -sum(one.log_prob for one in poems) / math.log(2) / characters
        price = sum((one.constraint_bits or 0.0) * len(one.text) for one in poems) / characters
        share = ends(run, form, [run.vocabulary.encode(one.text) for one in poems]) / usual
        print(f"| {count} | {share:.1%} | {bits:.2f} | {price:.2f} | {took:.0f} |", flush=True)


def poems_of(run: charrnn.Run, form: Verse) -> list[list[int]]:
    """The held-out poems that have the shape of a form."""
    part = run.dataset().part("val", run.config.corpus)
    found = []
    for start, end in part.spans.tolist():
        ids = np.asarray(part.ids[start:end]).tolist()
        while ids and run.vocabulary.decode(ids[-1:]) == "\n":
            ids.pop()
        try:
            if form.is_over(walk(form, ids)):
                found.append(ids)
        except Unfit:
            continue
    return found


@torch.no_grad()
def ends(run: charrnn.Run, form: Verse, poems: Sequence[Sequence[int]]) -> float:
    """The probability, on average, of the marks that may stand where the form has one, in poems of it."""
    found: list[float] = []
    for ids in poems:
        text = torch.tensor([run.vocabulary.boundary, *ids[:-1]])[:, None]
        probabilities = run.model(text, run.model.initial_state(1))[0][:, 0].float().softmax(-1).numpy()
        for i, (row, one) in enumerate(zip(probabilities, ids, strict=True)):
            if run.vocabulary.decode([one]) in MARKS:
                found.append(float(row[form.allowed(walk(form, ids[:i]))].sum()))
    return float(np.mean(found))


if __name__ == "__main__":
    main()
