"""Line ends without force: whether poems of a form come to the ends of their lines as poems do, and looking ahead.

    python benchmarks/line_ends.py RUN                        # some minutes
    python benchmarks/line_ends.py RUN --form wulü --poems 200

RUN is a model of Chinese poems without headings, such as one of `charrnn train tang`. `line ends` is the probability
that the model, free, gives to a mark where the form has one, on average, as a share of what it gives in held-out poems
of that form. Each way writes the same number of poems: `alone` one text for each, `best of N` the likeliest of N that
are written independently, and `crowd of N` that of N particles (`generation.constraints.write`), which is what
`--best-of N` does. `bits` and `price` are per character; `ms` is the time of a poem.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from machine import describe
from tqdm import tqdm

import charrnn
from charrnn.generation.constraints import Kept, Unfit, walk, write
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import generator
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
    parser.add_argument("--crowd", type=int, default=8, help="texts for each poem (8)")
    parser.add_argument("--temperature", type=float, default=0.7)
    given = parser.parse_args()
    run = charrnn.load(given.run, device="cpu")
    filters, count = Filters(temperature=given.temperature), given.crowd
    form, asked = run.verse(given.form), run.verse(given.form, tones=True, rhyme="any")
    held_out = poems_of(run, form)
    usual = ends(run, form, held_out)
    print(f"{describe()}; {run!r}; {given.form} with tones and rhyme; temperature {given.temperature:g}")
    print(f"{len(held_out):,} held-out poems of the form: {usual:.1%} at their line ends\n")
    print("| way | line ends | bits | price | ms |\n|---|---:|---:|---:|---:|")

    def written(of: int, crowd: int) -> tuple[list[Kept], float]:
        """All texts, `of` for each poem, and the milliseconds of a poem."""
        kept, begun, at_once = [], time.perf_counter(), max(1, SIDE_BY_SIDE // of)
        for seed in tqdm(range(-(-given.poems // at_once)), leave=False):
            some = min(at_once, given.poems - seed * at_once) * of
            drawn = [generator(seed, i) for i in range(some)]
            kept += write(run._stepper, run.vocabulary, [], asked, filters, drawn, LONGEST, run.is_documents, crowd)
        return kept, 1000 * (time.perf_counter() - begun) / given.poems

    def row(way: str, kept: Sequence[Kept], took: float) -> None:
        characters = sum(len(one.ids) for one in kept) * math.log(2)
        bits, price = -sum(one.log_prob for one in kept), sum(sum(one.prices) for one in kept)
        share = ends(run, form, [one.ids for one in kept]) / usual
        print(f"| {way} | {share:.1%} | {bits / characters:.2f} | {price / characters:.2f} | {took:.0f} |", flush=True)

    row("alone", *written(1, 1))
    for way, crowd in (("best", 1), ("crowd", count)):
        kept, took = written(count, crowd)
        groups = [kept[i : i + count] for i in range(0, len(kept), count)]
        likeliest: Callable[[Kept], float] = lambda one: one.log_prob / len(one.ids)  # noqa: E731
        row(f"{way} of {count}", [max(group, key=likeliest) for group in groups], took)


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
