"""What texts of a model share with the corpus it has learnt from, by temperature, and what it costs to share less.

    python benchmarks/novelty.py RUN...                     # some minutes each
    python benchmarks/novelty.py RUN --original 6 8 --length 400

The first table: the share of the characters that stand in runs of 4, 6, 8, 10 and more characters of the training part,
and the longest such run; in its last row what people's texts that were held out share with it. The second: the price of
`--original N` in bits per character, the time of a text beside one without it, and the longest run that is found in the
texts afterwards by comparing them with the text of the corpus, without its index. The third: poems in a form, for runs
of Chinese poems. A run whose best checkpoint comes long before it overfits is taken at its last one with --checkpoint.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

from machine import describe
from tqdm import tqdm

import charrnn
from charrnn.cli.novelty import together
from charrnn.errors import CharrnnError
from charrnn.evaluation.novelty import RUNS, Novelty

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
SIDE_BY_SIDE = 64


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="folders of runs")
    parser.add_argument("--characters", type=int, default=20_000, help="characters at each temperature (20000)")
    parser.add_argument("--length", type=int, default=400, help="the most characters of a text (400)")
    parser.add_argument("--original", type=int, nargs="*", default=[6, 8], help="lengths for --original (6 8)")
    parser.add_argument("--poems", type=int, default=0, help="poems in a form for each length (0)")
    parser.add_argument("--form", default="qijue", help="their form (qijue)")
    parser.add_argument("--checkpoint", default="best", help="best, last or a step (best)")
    given = parser.parse_args()
    print(describe())
    for path in given.runs:
        run = charrnn.load(path, device="cpu", checkpoint=given.checkpoint)
        print(f"\n## {run!r}\n\n| temperature | {' | '.join(f'{n}+' for n in RUNS)} | longest |")
        print("|---|" + "---:|" * (len(RUNS) + 1), flush=True)
        for temperature in TEMPERATURES:
            texts = written(run, given, temperature=temperature)
            print(row(f"{temperature:g}", together([run.novelty(one) for one in texts])), flush=True)
        people = run.learnt.held_out()
        if people is not None:
            print(row("people, held out", people), flush=True)
        priced(run, given)
        if given.poems:
            in_form(run, given)


def written(run: charrnn.Run, given: argparse.Namespace, **how: Any) -> list[str]:
    """Texts of about as many characters as were asked for."""
    return [one.text for one in samples(run, given, **how)]


def samples(run: charrnn.Run, given: argparse.Namespace, **how: Any) -> Iterator[charrnn.Sample]:
    """Texts without a prompt, until there are so many characters."""
    characters, seed = 0, 0
    bar = tqdm(total=given.characters, desc=str(how), leave=False, disable=None)
    while characters < given.characters:
        for one in run.sample("", length=given.length, seed=seed, samples=SIDE_BY_SIDE, **how):
            characters += max(1, len(one.text))
            bar.update(len(one.text))
            yield one
            if characters >= given.characters:
                break
        seed += 1
    bar.close()


def row(name: str, found: Novelty) -> str:
    """A row of the first table."""
    longest = max((copy.length for copy in found.longest), default=0)
    return f"| {name} | {' | '.join(f'{share:.1%}' for share in found.share.values())} | {longest:,} |"


def priced(run: charrnn.Run, given: argparse.Namespace) -> None:
    """Prints what --original costs at the temperature of the run's config."""
    print("\n| --original | texts | price, bits per character | ms a text | the longest run found |")
    print("|---|---:|---:|---:|---:|", flush=True)
    corpus = plain(run)
    for original in (None, *given.original):
        begun = time.perf_counter()
        texts = list(samples(run, given, **({} if original is None else {"original": original})))
        spent = 1000 * (time.perf_counter() - begun) / len(texts)
        length = sum(len(one.text) for one in texts)
        price = sum((one.constraint_bits or 0) * len(one.text) for one in texts) / max(1, length)
        longest = longest_run(corpus, [one.text for one in texts])
        print(f"| {original or 'none'} | {len(texts)} | {price:.3f} | {spent:.0f} | {longest} |", flush=True)


def in_form(run: charrnn.Run, given: argparse.Namespace) -> None:
    """Prints how many poems of a form are written with both asked for, and what that costs."""
    print(f"\n| --original | {given.form} | refused | price | ms a poem | the longest run found |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    corpus, verse = plain(run), run.verse(given.form, tones=True, rhyme="any")
    for original in (None, *given.original):
        poems = min(given.poems, 1000) if original is None else given.poems
        seeds = range(-(-poems // SIDE_BY_SIDE))
        found: list[charrnn.Sample] = []
        refused, begun = 0, time.perf_counter()
        for seed in tqdm(seeds, desc=f"original {original}", leave=False, disable=None):
            count = min(SIDE_BY_SIDE, poems - seed * SIDE_BY_SIDE)
            try:
                found += run.sample("", length=1000, seed=seed, samples=count, constraint=verse, original=original)
            except CharrnnError:  # one of them has no way on
                refused += count
        spent = 1000 * (time.perf_counter() - begun) / poems
        price = sum(one.constraint_bits or 0 for one in found) / max(1, len(found))
        longest = longest_run(corpus, [one.text for one in found])
        figures = [f"{len(found):,}", refused, f"{price:.3f}", f"{spent:.0f}", longest]
        print(f"| {original or 'none'} | {' | '.join(map(str, figures))} |", flush=True)


def plain(run: charrnn.Run) -> str:
    """The text of the training part, with a mark between its documents or pieces."""
    dataset = run.dataset()
    part = dataset.part("train", run.config.corpus)
    characters = [*dataset.vocabulary.characters, "\0"]
    return "\0".join("".join(characters[i] for i in part.ids[begin:end].tolist()) for begin, end in part.spans.tolist())


def longest_run(corpus: str, texts: Sequence[str], most: int = 64) -> str:
    """The length of the longest run of some texts that stands in a corpus, up to `most`, by Python's own search."""
    for length in range(1, most + 1):
        runs = {text[i : i + length] for text in texts for i in range(len(text) - length + 1)}
        if not any(corpus[i : i + length] in runs for i in range(len(corpus) - length + 1)):
            return str(length - 1)
    return f"{most} or more"


if __name__ == "__main__":
    main()
