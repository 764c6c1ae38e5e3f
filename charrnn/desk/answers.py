"""What the server says beside samples: scores, fillings, judgements of verse, next characters. Each line is a dict."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np

from charrnn.desk.limits import Limits
from charrnn.desk.requests import Check, Fill, Next, Novelty, Score
from charrnn.desk.shelf import Served, Shelf, named
from charrnn.desk.written import check_size
from charrnn.errors import CharrnnError, NoNumbers
from charrnn.generation.filters import Floats, log_softmax
from charrnn.generation.sampler import check_seed
from charrnn.text.reader import normalizer
from charrnn.text.spelling import pieces

Line = dict[str, Any]
PORTION = 64
"""The characters of a line of scores."""
MOST_FILLED = 2_000
"""The most characters of a text with blanks: the search takes them all side by side."""


def score(shelf: Shelf, asked: Score, limits: Limits) -> Iterator[Line]:
    """The surprise of each character, as `charrnn score --by character` has it."""
    served = shelf.find(asked.run)
    check_size("text", asked.text, limits)
    run, vocabulary = served.run, served.run.vocabulary
    model = copy(served.model)
    model.begin([vocabulary.boundary], 1)
    text: list[str] = []
    bits: list[float] = []
    for own, ids in _characters(served, asked.text):
        text.append(own)
        bits.append(sum(_read(model, one) for one in ids))
        if len(bits) == PORTION:
            yield {"text": text, "bits": bits}
            text, bits = [], []
    end = {"end_bits": _bits(model.logits(), vocabulary.boundary)} if run.is_documents else {}
    yield {"text": text, "bits": bits, **end}


def scores(lines: list[Line]) -> Line:
    """The lines of `score` as one document, with the bits per character of `charrnn score --by document`."""
    text = [own for line in lines for own in line["text"]]
    bits = [own for line in lines for own in line["bits"]]
    end = lines[-1].get("end_bits")
    whole = sum(bits) + (end or 0.0)
    return {"text": text, "bits": bits, "end_bits": end, "bits_per_char": whole / (len(bits) + (end is not None))}


def _characters(served: Served, text: str) -> Iterator[tuple[str, list[int]]]:
    """The characters of a text with the ids that the model reads, where what it does not know is <unk>."""
    vocabulary = served.run.vocabulary
    if vocabulary.kind == "byte":
        for own in text:
            yield own, vocabulary.encode(own, "replace")
        return
    normalize = normalizer(served.run.config.corpus)
    for line in text.replace("\r\n", "\n").replace("\r", "\n").splitlines(keepends=True):
        for own, normal in pieces(line, normalize):
            yield own, vocabulary.encode(normal, "replace")


def _read(model: Any, one: int) -> float:
    """Reads an id. Gives its bits."""
    bits = _bits(model.logits(), one)
    model.step(np.array([one]))
    return bits


def _bits(logits: Floats, one: int) -> float:
    bits = -float(log_softmax(logits)[0, one]) / math.log(2)
    if not math.isfinite(bits):
        raise NoNumbers
    return bits


def following(shelf: Shelf, asked: Next, limits: Limits) -> Iterator[Line]:
    """The likeliest next characters, of those that may come, with their probabilities, as `Writer.propose` has them."""
    served = shelf.find(asked.run)
    check_size("text", asked.text, limits)
    check_seed(asked.seed)
    ids = served.read(asked.text, "keep")[0].ids
    writer = served.writer(asked.text, served.constraint(asked, asked.seed, len(ids)))
    if not writer.fits:
        raise CharrnnError("‹text›: does not fit what is asked for, so that nothing keeps it behind this text")
    yield {"next": [{"text": one.text, "probability": one.probability} for one in writer.propose(asked.count)]}


def novelty(shelf: Shelf, asked: Novelty, limits: Limits) -> Iterator[Line]:
    """What a text shares with the text that its model has learnt from, as `charrnn novelty` has it.

    `depths` has for each character of the text the length of the longest shared run in which it stands.
    """
    served = shelf.find(asked.run)
    check_size("text", asked.text, limits)
    served.learnt  # noqa: B018 (opened by one thread for all)
    found = served.run.novelty(asked.text, asked.given)
    depths, own, at = found.depths.tolist(), [], 0
    for _, ids in _characters(served, asked.text):
        own.append(max(depths[at : at + len(ids)], default=0))
        at += len(ids)
    longest = [
        {"start": one.start, "length": one.length, "text": one.text, "times": one.times, "place": str(one.place)}
        for one in found.longest
    ]
    yield {"characters": found.characters, "share": found.share, "longest": longest, "depths": own}


def fill(shelf: Shelf, asked: Fill, limits: Limits) -> Iterator[Line]:
    """Texts in which the blanks are filled, likeliest first."""
    served = shelf.find(asked.run)
    if len(asked.text) > min(MOST_FILLED, limits.length):
        raise CharrnnError(f"text: {len(asked.text):,} characters; at most {MOST_FILLED:,} are filled here")
    found = served.run.fill(
        asked.text,
        asked.blanks,
        samples=asked.samples,
        best=asked.best,
        seed=asked.seed,
        unknown=asked.unknown,
        strict=asked.strict,
    )
    for one in found:
        yield {"text": one.text, "log_prob": one.log_prob}


def check(_: Shelf, asked: Check, limits: Limits) -> Iterator[Line]:
    """What `charrnn verse check --json` says of each poem."""
    from charrnn.verse.check import judge, judge_as, poems_of
    from charrnn.verse.forms import find_form
    from charrnn.verse.tables import table_of

    check_size("text", asked.text, limits)
    known = table_of(asked.rhyme_table)
    wanted = None if asked.form is None else find_form(named(asked.form))
    poems = poems_of(asked.text)
    if not poems:
        raise CharrnnError("text: no poem in it; blank lines stand between poems, which are in Chinese characters")
    for poem in poems:
        yield (judge(poem, known) if wanted is None else judge_as(poem, wanted, known)).document()
