"""What an n-gram adds to networks that were trained alone, such as those of `charrnn sweep zoo`.

    python benchmarks/together.py runs/zoo --ngram runs/zoo/ngram,seed=0
    python benchmarks/together.py runs/zoo-tang --ngram runs/zoo-tang/ngram,seed=0 --share 8

The weights of the mixture are fitted on one half of the held-out part and judged on the other, and the other way round,
so that no figure is of a text to which anything was fitted. Halves of a stream are pieces of 1,000 characters in turns,
each after 1,000 characters that are not counted. `--share 8` reads every eighth piece or document alone. Runs that
differ only in their seed are one row.
"""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from statistics import fmean, stdev

import torch
from machine import describe
from tqdm import tqdm

import charrnn
from charrnn.evaluation.likelihood import RUN_UP, STREAM, cut
from charrnn.experiments.compare import runs_in
from charrnn.models import LanguageModel, Mixture, NGramModel
from charrnn.models.mixture import Piece, mixed
from charrnn.text.dataset import Part
from charrnn.training.aside import read_apart


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="runs on one text, or folders of them")
    parser.add_argument("--ngram", type=Path, required=True, help="the run of an n-gram on the same text")
    parser.add_argument("--share", type=int, default=1, help="read every Nth piece of the held-out part alone (1: all)")
    given = parser.parse_args()
    counted = charrnn.load(given.ngram, device="cpu")
    assert isinstance(counted.model, NGramModel), f"{given.ngram}: no n-gram"
    found: dict[str, list[list[float]]] = {}
    for run in tqdm(runs_in(given.runs), unit="run", leave=False):
        if run.config.model.cell == "ngram" or not run.model.causal or run.config.model.ngram is not None:
            continue
        assert run.facts.fingerprint == counted.facts.fingerprint, f"{run.path}: another text"
        part = run.dataset().part("val", run.config.corpus)
        bits = [nats / math.log(2) for nats in together(run.model, counted.model, part, given.share)]
        found.setdefault(re.sub(",seed=[0-9]+$", "", run.path.name), []).append(bits)
    print(describe() + "\n\n| | seeds | alone | with the n-gram | gain |\n|---|---:|---:|---:|---:|")
    for name, rows in sorted(found.items(), key=lambda item: fmean(row[2] for row in item[1])):
        alone, _, both = ([row[i] for row in rows] for i in range(3))
        gain = fmean(alone) - fmean(both)
        print(f"| {name} | {len(rows)} | {shown(alone)} | {shown(both)} | {gain:.3f} |")
    print(f"\nthe n-gram alone: {fmean(row[1] for rows in found.values() for row in rows):.4f} bits per character")


def shown(bits: list[float]) -> str:
    """The mean and the standard deviation over the seeds."""
    return f"{fmean(bits):.4f}" + (f" ± {stdev(bits):.4f}" if len(bits) > 1 else "")


def together(network: LanguageModel, ngram: NGramModel, part: Part, share: int) -> tuple[float, float, float]:
    """The nats per character of a network, of an n-gram, and of both, each half by weights of the other one."""
    mixture = Mixture(network, ngram, recent=0).eval()
    halves = [read_apart(mixture, half, RUN_UP) for half in in_turns(part, share)]
    nats, characters = torch.zeros(3, dtype=torch.float64), 0
    for own, other in ((0, 1), (1, 0)):
        mixture.trust[:] = torch.tensor([0.0, 1.0])  # as it begins
        mixture.fit(halves[other])
        nats += sums(mixture, halves[own])
        characters += sum(len(came) for *_, came in halves[own])
    one, two, both = (nats / characters).tolist()
    return one, two, both


def in_turns(part: Part, share: int) -> list[Part]:
    """Two halves of every `share`th of the short pieces or documents of a part, which take turns."""
    if part.documents is not None:
        return [Part(part.ids, part.documents[::share][i::2]) for i in range(2)]
    return [Part(part.ids, pieces=cut(part, STREAM)[::share][i::2]) for i in range(2)]


def sums(mixture: Mixture, pieces: list[Piece]) -> torch.Tensor:
    """The nats of network, n-gram and both on some pieces, `[3]`."""
    nats = torch.zeros(3, dtype=torch.float64)
    for x, known, came in pieces:
        experts = x.unbind(1)
        ways = torch.stack([*experts, mixed(experts, mixture.trust[known])])
        nats -= ways[:, torch.arange(len(came)), came].sum(1, dtype=torch.float64)
    return nats


if __name__ == "__main__":
    main()
