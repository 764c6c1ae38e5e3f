"""How often runs repeat themselves, and what they copy, by temperature; for poems also how many lines are regular.

    python benchmarks/repetition.py RUN...                       # a minute or two each
    python benchmarks/repetition.py with without --length 400    # runs with and without `model.ngram.recent`

`again`: of 1,000 characters so many begin a run of 24 bytes that stands in the same text before: 24 letters, or 8
characters of Chinese. `copied`: the share of the characters that stand in runs of ten or more from the training part.
`regular`: the share of the lines of poems that have five or seven characters. The last row is the held-out text.
"""

from __future__ import annotations

import argparse
import re

import numpy as np
from machine import describe
from tqdm import tqdm

import charrnn
from charrnn.cli.novelty import together
from charrnn.generation.ranking import repetition

TEMPERATURES = (0.5, 0.7, 0.8, 1.0)
LINES = re.compile(r"[^，。？！；、\n]+")


def main() -> None:
    """Writes, measures, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="folders of runs")
    parser.add_argument("--length", type=int, default=2000, help="the most characters of a text (2000)")
    parser.add_argument("--texts", type=int, default=32, help="texts at each temperature (32)")
    given = parser.parse_args()
    print(describe())
    for path in given.runs:
        run = charrnn.load(path, device="cpu")
        verse = run.facts.mode == "documents"
        print(f"\n## {run!r}\n\n| temperature | again | copied |{' regular |' * verse}")
        print("|---|---:|---:|" + "---:|" * verse, flush=True)
        for temperature in tqdm(TEMPERATURES, leave=False, disable=None):
            found = run.sample("", length=given.length, samples=given.texts, temperature=temperature, seed=1)
            print(row(run, f"{temperature:g}", [one.text for one in found], verse), flush=True)
        print(row(run, "people, held out", held_out(run, given.length, given.texts), verse), flush=True)


def row(run: charrnn.Run, name: str, texts: list[str], verse: bool) -> str:
    """A row of the table."""
    again = 1000 * sum(repetition(text)["repetition"] for text in texts) / sum(map(len, texts))
    copied = together([run.novelty(text) for text in texts]).share[10]
    lines = [len(line) for text in texts for line in LINES.findall(text)]
    regular = f" {sum(length in (5, 7) for length in lines) / max(1, len(lines)):.1%} |" if verse else ""
    return f"| {name} | {again:.2f} | {copied:.1%} |{regular}"


def held_out(run: charrnn.Run, length: int, texts: int) -> list[str]:
    """So many held-out documents, or pieces of a held-out text from places that are spread over it."""
    part = run.dataset().part("val", run.config.corpus)
    if part.documents is not None:
        spans = part.spans[: 4 * texts].tolist()
    else:
        spans = [(a, a + length) for begin, end in part.spans.tolist() for a in range(begin, end - length + 1, length)]
        spans = spans[:: -(-len(spans) // texts)]
    ids = np.asarray(part.ids)
    return [run.vocabulary.decode(ids[start:end].tolist()) for start, end in spans]


if __name__ == "__main__":
    main()
