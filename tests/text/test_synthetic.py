"""Texts that a program draws: every document once in its set, what is decided is decided, and the floor is exact."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import CorpusConfig, VocabConfig
from charrnn.errors import CharrnnError
from charrnn.text import synthetic as module
from charrnn.text.corpora import named, register, resolve
from charrnn.text.dataset import load_dataset
from charrnn.text.synthetic import BRACKETS, END, PAIRS, Synthetic, synthetic

NAMES = ("recall-4", "recall-16", "recall-4-128", "brackets-1-1", "brackets-3-8", "brackets-4-64", "adding", "count")


def of(name: str) -> Synthetic:
    found = synthetic(name)
    assert found is not None
    return found


def is_balanced(text: str, kinds: int, depth: int) -> bool:
    stack: list[str] = []
    for bracket in text:
        place = BRACKETS.index(bracket)
        if place // 2 >= kinds or len(stack) > depth:
            return False
        if place % 2 == 0:
            stack.append(bracket)
        elif not stack or BRACKETS.index(stack.pop()) != place - 1:
            return False
    return not stack


@given(st.sampled_from(NAMES), st.data())
def test_a_document_is_of_its_language_and_no_other_number_has_it(name: str, data: st.DataObject) -> None:
    made = of(name)
    first, second = (data.draw(st.integers(0, made.count - 1)) for _ in range(2))
    document = made.document(first)
    assert (document == made.document(second)) == (first == second)
    family, *numbers = name.split("-")
    if family == "recall":
        distance = len(document) - 3
        assert document[:3] == document[distance:] and set(document[3:distance]) <= {".", "|"}
        assert int(numbers[0]) <= distance <= int(numbers[-1])
    if family == "brackets":
        assert is_balanced(document, int(numbers[0]), int(numbers[1])) and len(document) == 2 * PAIRS
    if family == "adding":
        marked = [int(number[1]) for number in document.split("=")[0].split(" ") if number[0] == "*"]
        assert len(marked) == 2 and sum(marked) % 10 == int(document[-1])
    if family == "count":
        assert document == "a" * (len(document) // 2) + "b" * (len(document) // 2)


@pytest.mark.parametrize("pairs", [1, 2, 3, 4])
@pytest.mark.parametrize(("kinds", "depth"), [(1, 1), (1, 3), (2, 2), (2, 4)])
def test_brackets_are_all_that_there_are(monkeypatch: pytest.MonkeyPatch, pairs: int, kinds: int, depth: int) -> None:
    monkeypatch.setattr(module, "PAIRS", pairs)
    made = of(f"brackets-{kinds}-{min(depth, pairs)}")

    def texts(length: int) -> Iterator[str]:
        if not length:
            yield ""
        else:
            yield from (text + bracket for text in texts(length - 1) for bracket in BRACKETS[: 2 * kinds])

    right = {text for text in texts(2 * pairs) if is_balanced(text, kinds, min(depth, pairs))}
    assert {made.document(i) for i in range(made.count)} == right and made.count == len(right)


def test_a_perfect_model_reaches_the_floor_and_no_less() -> None:
    """The probability of each next character, counted over the whole set, of which the floor knows nothing."""
    made = of("count")
    documents = [made.document(i) + "$" for i in range(made.count)]
    prefixes = Counter(document[:i] for document in documents for i in range(len(document) + 1))
    bits = [
        sum(-math.log2(prefixes[document[: i + 1]] / prefixes[document[:i]]) for i in range(len(document)))
        for document in documents
    ]
    assert bits == pytest.approx([made.bits] * made.count)


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_length_is_that_of_the_set(name: str) -> None:
    made = of(name)
    lengths = [len(document) for document in made.drawn(3000)]
    spread = max(lengths) - min(lengths)
    assert sum(lengths) / len(lengths) == pytest.approx(made.mean_length, abs=5 * spread / 3000**0.5)


def recall_by_hand(before: str, distances: list[int]) -> dict[str, float]:
    """What comes next in a text of recall-T, by rules of its own."""
    if len(before) < 3:
        return dict.fromkeys(module.KEY, 1 / 36)
    gone = len(before)
    if "|" not in before:
        left = [distance for distance in distances if distance > gone]
        now = sum(distance == gone + 1 for distance in left) / len(left)
        return {"|": now, ".": 1 - now}
    place = gone - before.index("|") - 1
    return {before[place]: 1.0} if place < 3 else {END: 1.0}


def brackets_by_hand(kinds: int, depth: int, pairs: int) -> Callable[[str], dict[str, float]]:
    """What comes next in a text of brackets, by the reflection of paths at 0 and at depth + 1."""

    def paths(steps: int, start: int) -> int:
        """The walks from `start` to 0 within 0 ... depth: the method of images."""
        period = 2 * (depth + 2)
        total = 0
        for image in range(-steps, steps + 1):
            for goal, sign in ((image * period, 1), (image * period - 2, -1)):
                up = steps + goal - start
                if up % 2 == 0 and 0 <= up // 2 <= steps:
                    total += sign * math.comb(steps, up // 2)
        return total

    def after(before: str) -> dict[str, float]:
        stack: list[str] = []
        for bracket in before:
            if bracket in BRACKETS[::2]:
                stack.append(bracket)
            else:
                stack.pop()
        left = 2 * pairs - len(before)
        if not left:
            return {END: 1.0}
        whole = paths(left, len(stack))
        found = {}
        if len(stack) < depth:
            share = paths(left - 1, len(stack) + 1) / whole / kinds
            found = dict.fromkeys(BRACKETS[: 2 * kinds : 2], share)
        if stack:
            found[BRACKETS[BRACKETS.index(stack[-1]) + 1]] = paths(left - 1, len(stack) - 1) / whole
        return found

    return after


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("recall-4", lambda before: recall_by_hand(before, [4])),
        ("recall-16", lambda before: recall_by_hand(before, [16])),
        ("recall-4-128", lambda before: recall_by_hand(before, [4, 8, 16, 32, 64, 128])),
        ("brackets-2-3", brackets_by_hand(2, 3, PAIRS)),
    ],
)
def test_rules_written_down_apart_reach_the_floor_on_every_document(
    name: str, after: Callable[[str], dict[str, float]]
) -> None:
    made = of(name)
    for document in made.drawn(5):
        bits = 0.0
        for i, came in enumerate([*document, END]):
            chances = after(document[:i])
            assert sum(chances.values()) == pytest.approx(1)
            bits -= math.log2(chances[came])
        assert bits == pytest.approx(made.bits)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_decided_is_decided_by_what_stands_there(name: str) -> None:
    made = of(name)
    for document in made.drawn(20):
        for one in made.decided(document):
            came = document[one.place] if one.place < len(document) else END
            assert came in one.candidates and 0 < one.distance <= one.place
            if name.startswith("recall"):
                assert document[one.place - one.distance] == came
            if name.startswith("brackets"):
                inside = document[one.place - one.distance + 1 : one.place]
                assert is_balanced(inside, 4, PAIRS)


def test_texts_are_the_same_for_ever() -> None:
    """Runs are known by their text: a change of one needs another VERSION."""
    joined = "".join(document for name in NAMES for document in of(name).drawn(50))
    assert hashlib.sha256(joined.encode()).hexdigest() == SAME


SAME = "203c5e62554f5ddcd3413291b344e2a28368cc5b9639141549cc8c33651274aa"


@pytest.mark.parametrize(
    "name", ["recall", "recall-3", "recall-8-4", "recall-4-8-16", "recall-T", "recall-04", "brackets-5-2", "brackets-2",
             "brackets-2-65", "adding-3", "count-9", "recall--4", "recall-10000"]
)  # fmt: skip
def test_a_name_out_of_bounds_is_told_what_is_in_them(name: str) -> None:
    with pytest.raises(CharrnnError, match=f"corpus.name: {name}: {name.split('-')[0]}"):
        named(name)


def test_every_family_is_in_the_register_and_its_text_becomes_documents() -> None:
    assert {entry.format for entry in (named(name) for name in NAMES)} == {"synthetic"}
    assert sum(entry.format == "synthetic" for entry in register().values()) == len(module.FAMILIES)
    assert synthetic("tiny-shakespeare") is None
    for name in ("recall-4", "count"):
        files, corpus = resolve(CorpusConfig(name=name))
        dataset: Any = load_dataset(files, corpus, VocabConfig())
        part = dataset.part("val", corpus)
        made = of(name)
        documents = ["".join(dataset.vocabulary.decode(part.ids[a:b])) for a, b in part.documents[:100]]
        known = set(made.drawn(module.MOST))
        assert len(part.documents) > 100 and set(documents) <= known
