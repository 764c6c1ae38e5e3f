"""What `--best-of` chooses: the first text, the likeliest, or the one that is likely and has few faults.

    python benchmarks/best_of.py runs/tang --form qijue
    python benchmarks/best_of.py runs/shakespeare --length 400 --temperature 0.5

Each choice is among the same texts. Faults are those of each text on average: in a form those that `charrnn verse
check` finds, and characters that come again (重字); else repetitions. The last row is the text that was held out.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from machine import describe

import charrnn
from charrnn.generation.ranking import Judge, Rank, rank, repetition
from charrnn.verse.check import lines_of
from charrnn.verse.forms import find_form

CHOICES: dict[str, Callable[[Sequence[Rank]], Rank]] = {
    "the first": lambda ranks: ranks[0],
    "the likeliest": lambda ranks: min(ranks, key=lambda one: one.bits),
    "the best": lambda ranks: min(ranks, key=lambda one: one.score),
}


def held_out(run: charrnn.Run, form: str | None, length: int) -> Iterator[str]:
    """The held-out texts of a corpus that have the lines of a form, or pieces of so many characters."""
    dataset = run.learnt.dataset
    part = dataset.part("val", run.config.corpus)
    for start, end in part.spans.tolist():
        text = run.vocabulary.decode(np.asarray(part.ids[start:end]).tolist())
        if form is None:
            yield from (text[i : i + length] for i in range(0, len(text) - length + 1, length))
        elif [len(line) for line in lines_of(text)] == list(find_form(form).lines):
            yield text


def row(name: str, bits: float | None, faults: Sequence[Counter[str]]) -> str:
    """A line of the table."""
    names: Counter[str] = sum(faults, Counter())
    told = ", ".join(f"{fault} {count / len(faults):.2f}" for fault, count in names.most_common())
    free = sum(not one for one in faults) / len(faults)
    return f"| {name} | {'' if bits is None else f'{bits:.3f}'} | {told or 'none'} | {free:.0%} |"


def main() -> None:
    """Writes, chooses and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--form", help="of the poems, without tones and rhymes; none")
    parser.add_argument("--length", type=int, default=400, help="characters of each text without a form")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--texts", type=int, default=100, help="that are chosen")
    parser.add_argument("--of", type=int, default=8, help="so many each")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    run = charrnn.load(given.run)
    judge: Judge = repetition if given.form is None else run.judge(given.form)
    written = run.sample(
        "",
        length=given.length if given.form is None else 10_000,
        constraint=None if given.form is None else run.verse(given.form),
        temperature=given.temperature,
        samples=given.texts * given.of,
        seed=given.seed,
    )
    ranks = [rank(one.text, one.log_prob, len(one.text) + 1, judge) for one in written]
    groups = [ranks[i : i + given.of] for i in range(0, len(ranks), given.of)]
    print(describe())
    print(f"\n| of {given.of} | bits per character | faults of a text | without any |\n|---|---:|---|---:|")
    for name, choose in CHOICES.items():
        chosen = [choose(group) for group in groups]
        print(row(name, float(np.mean([one.bits for one in chosen])), [Counter(one.faults) for one in chosen]))
    print(row("held-out texts", None, [Counter(judge(text)) for text in held_out(run, given.form, given.length)]))


if __name__ == "__main__":
    main()
