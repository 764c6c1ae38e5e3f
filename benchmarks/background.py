"""What the counts of an older text give to the n-gram of a new one, of which there may be little.

    python benchmarks/background.py OLD NEW

Both texts are read as `charrnn train TEXT` reads them, in the alphabet of the whole new text. The n-grams are judged on
the held-out part of the new text, and the weight is found as in a training, on a piece that is set aside.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from machine import describe

from charrnn.config import CorpusConfig
from charrnn.evaluation.likelihood import likelihood
from charrnn.loading import parse_config
from charrnn.models import NGramModel
from charrnn.models.background import in_alphabet, put_behind
from charrnn.text.corpora import resolve
from charrnn.text.dataset import Dataset, Part, load_dataset
from charrnn.training.aside import likeliest_weight, set_aside
from charrnn.training.beginning import ids_in
from charrnn.training.recipe import find_recipe
from charrnn.training.settling import settled

CHARACTERS = 3_000, 20_000, 100_000
"""Beginnings of the new text that are learnt from, and then the whole."""
WEIGHTS = 0.125, 0.25, 0.5, 1.0


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs=2, metavar=("OLD", "NEW"), type=Path)
    given = parser.parse_args()
    (old, old_corpus), (new, corpus) = (read(text) for text in given.texts)
    older, size = NGramModel(len(old.vocabulary), 6), len(new.vocabulary)
    older.fit(old.part("train", old_corpus))
    background = in_alphabet(older, ids_in(new.vocabulary, old.vocabulary), size, 6)
    train, held_out = (new.part(name, corpus) for name in ("train", "val"))
    weights = " | ".join(f"{weight:g}" for weight in WEIGHTS)
    print(f"{describe()}\n\n| characters | alone | {weights} | found |\n|---:|{'---:|' * (len(WEIGHTS) + 2)}")
    for wanted in sorted({min(wanted, train.characters) for wanted in (*CHARACTERS, train.characters)}):
        part = first(train, wanted)
        rest, aside = set_aside(part, corpus)
        stand_in = NGramModel(size, 6)
        stand_in.fit(rest)
        found, _ = likeliest_weight(stand_in, background, aside)
        bits = []
        for weight in (0.0, *WEIGHTS, found):
            ngram = NGramModel(size, 6)
            ngram.fit(part)
            put_behind(ngram, background, weight)
            bits.append(f"{likelihood(ngram, held_out).nats_per_char / math.log(2):.3f}")
        print(f"| {part.characters:,} | {' | '.join(bits)} ({found:g}) |", flush=True)


def read(text: Path) -> tuple[Dataset, CorpusConfig]:
    """A text as the recipe reads it."""
    config, _ = settled(parse_config(str(find_recipe([text])), "the recipe", []))
    files, corpus = resolve(config.corpus)
    return load_dataset(files, corpus, config.vocab), corpus


def first(part: Part, characters: int) -> Part:
    """The beginning of a part, of about so many characters: a piece of a stream is cut, a document is not."""
    before = np.cumsum(part.spans[:, 1] - part.spans[:, 0])
    taken = part.spans[: int(np.searchsorted(before, characters)) + 1].copy()
    if part.documents is not None:
        return Part(part.ids, taken)
    taken[-1, 1] -= max(0, int((taken[:, 1] - taken[:, 0]).sum()) - characters)
    return Part(part.ids, pieces=taken)


if __name__ == "__main__":
    main()
