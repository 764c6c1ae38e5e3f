"""Documents that share a run are in one part; otherwise the parts are as large as they should be."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import CorpusConfig, VocabConfig
from charrnn.text import groups as module
from charrnn.text.dataset import Dataset, SplitName, load_dataset
from charrnn.text.groups import GIANT, Groups, deal, find_groups, kinds_of, unit_of
from charrnn.text.vocab import Vocabulary

ALPHABET = Vocabulary("char", sorted("，。,. \nabcdé春山水月한국"))
NAMES: tuple[SplitName, ...] = ("train", "val", "test")
SPLITS = st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)).map(lambda p: [x / sum(p) for x in p])
DOCUMENTS = st.lists(st.text("ab 春山水，", min_size=1, max_size=25), min_size=1, max_size=25)


def groups_of(documents: list[str], run: int) -> Groups:
    starts = np.cumsum([0, *map(len, documents)])
    ids = np.array(ALPHABET.encode("".join(documents)), np.uint8)
    return find_groups(ids, starts, kinds_of(ALPHABET), run)


def tokens(document: str) -> list[str]:
    """The words and ideographs of a document."""
    found, word = [], ""
    for c in [*document, " "]:
        if c in "abcdé한국":
            word += c
            continue
        found += [word] * bool(word) + [c] * (c in "春山水月")
        word = ""
    return found


def expected_groups(documents: list[str], run: int) -> list[int]:
    """By comparing each with each."""
    runs = [{tuple(t[i : i + run]) for i in range(len(t) - run + 1)} for t in map(tokens, documents)]
    group = list(range(len(documents)))
    for i in range(len(documents)):
        for j in range(i):
            if runs[i] & runs[j]:
                low, high = sorted((group[i], group[j]))
                group = [low if g == high else g for g in group]
    return group


@given(DOCUMENTS, st.integers(1, 5), st.sampled_from([4, 30, 2**19]))
def test_groups_are_those_of_comparing_each_with_each(documents: list[str], run: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        patch.setattr(module, "COMPARED", 2 * chunk)  # in several passes
        assert groups_of(documents, run).of.tolist() == expected_groups(documents, run)


def test_only_ideographs_and_words_count() -> None:
    assert groups_of(["春山，水月", "水春山。水月。", "春山水"], 4).shared == 2
    assert groups_of(["aé b c", "d aé, b. c", "a b c"], 3).shared == 2
    assert groups_of(["한국 a", "한국, a", "국 a"], 2).shared == 2
    assert groups_of(["，，，。。。", "，，，。。。"], 2).shared == 0


SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=60)


def groups_with(sizes: list[int]) -> Groups:
    of = np.repeat(np.cumsum([0, *sizes])[:-1], sizes)
    places = np.random.default_rng(1).permutation(len(of))
    first = np.full(len(of), len(of))
    np.minimum.at(first, of, places)
    mixed = np.empty(len(of), np.int64)
    mixed[places] = first[of]
    return Groups(mixed)


@given(SIZES, SPLITS)
def test_no_group_is_on_both_sides_and_every_document_is_in_one_part(sizes: list[int], split: list[float]) -> None:
    groups = groups_with(sizes)
    total = sum(sizes)
    parts = deal(groups, split)
    assert sorted(np.concatenate(parts).tolist()) == list(range(total))
    part_of = np.empty(total, np.int64)
    for number, part in enumerate(parts):
        part_of[part] = number
    if groups.are_too_large(split):
        return
    for group in np.unique(groups.of):
        assert len(np.unique(part_of[groups.of == group])) == 1
    assert (part_of[groups.giants] == 0).all()


@given(st.lists(st.integers(2, 12), max_size=20), SPLITS)
def test_single_documents_fill_the_parts_up(sizes: list[int], split: list[float]) -> None:
    alone = 12 * len(sizes) + 150  # enough of them
    groups = groups_with(sizes + [1] * alone)
    total = len(groups.of)
    for part, fraction in zip(deal(groups, split), split, strict=True):
        slack = 13 if groups.giants.any() or split[0] < 0.2 else 7  # half a group
        assert abs(len(part) - fraction * total) <= slack


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), SPLITS)
def test_what_is_set_aside_from_the_end_of_a_part_shares_nothing_with_its_rest(
    sizes: list[int], split: list[float]
) -> None:
    """A mixture is fitted to it. If it shared runs with the rest, counting would seem better than it is."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    groups = Groups(np.random.default_rng(len(sizes)).permutation(group))
    if groups.are_too_large(split):
        return
    for part in deal(groups, split):
        singles = groups.sizes[part] == 1
        assert (np.sort(singles) == singles).all(), "the single ones are last"


def test_a_giant_is_learnt_from_unless_it_is_nearly_all() -> None:
    corpus = CorpusConfig(path="a", split=[0.8, 0.2, 0])
    giant = groups_with([30] + [1] * 70)
    train, val, _ = deal(giant, corpus.split)
    assert giant.giants.sum() == 30 > 100 * GIANT
    assert np.isin(np.flatnonzero(giant.giants), train).all() and len(val) == 20
    assert "30 of 100 documents share 10 words in a row" in giant.told(corpus, "words in a row")
    assert "30 to learn from, 0 held out" in giant.told(corpus, "words in a row")
    all_alike = groups_with([90] + [1] * 10)
    assert [len(part) for part in deal(all_alike, corpus.split)] == [80, 20, 0]
    assert "each document is dealt by itself" in all_alike.told(corpus, "words in a row")
    assert groups_with([1] * 9).told(corpus, "words in a row") == ""


@given(st.lists(st.integers(2, 12), min_size=1, max_size=20), st.integers(0, 40), SPLITS)
def test_what_is_told_of_the_parts_is_what_they_hold(sizes: list[int], alone: int, split: list[float]) -> None:
    groups, corpus = groups_with(sizes + [1] * alone), CorpusConfig(path="a", split=split)
    told = groups.told(corpus, "words in a row")
    if not any(split[1:]):
        assert told == ""
        return
    assert told.startswith(f"{sum(sizes):,} of {len(groups.of):,} documents")
    if "held out" in told:
        learnt, held_out = (int(n) for n in re.findall(r"(\d+) (?:to learn from|held out)", told.replace(",", "")))
        train, *others = deal(groups, split)
        shares = groups.sizes > 1
        assert learnt == shares[train].sum() and held_out == sum(shares[part].sum() for part in others)
        assert learnt + held_out == groups.shared


@pytest.mark.parametrize(
    ("characters", "unit"),
    [("abc, 12", "words"), ("春山。", "ideographs"), ("春山a", "ideographs or words"), ("한국", "words")]
    + [("春のア。", "characters other than punctuation"), (".,", "words")],
)
def test_the_unit_is_what_is_counted(characters: str, unit: str) -> None:
    assert unit_of(Vocabulary("char", sorted(characters))) == f"{unit} in a row"


def test_parts_of_a_collection_with_a_poem_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    poems = ["".join(map(chr, rng.integers(0x4E00, 0x5E00, 20))) for _ in range(60)]
    twins = [f"題曰：{poem[:12]}。{poem[12:]}" for poem in poems[:20]]
    file = tmp_path / "poems.txt"
    file.write_text("\n\n".join(poems + twins), encoding="utf-8")
    corpus = CorpusConfig(path=str(file), mode="documents", split=[0.5, 0.3, 0.2])
    data = load_dataset([file], corpus, VocabConfig())
    for again in range(2):  # the second time from the cache
        if again:
            monkeypatch.setattr(module, "find_groups", lambda *_: pytest.fail("found again"))
            data = load_dataset([file], corpus, VocabConfig())
        held: dict[int, SplitName] = {}
        for name in NAMES:
            documents = data.part(name, corpus).documents
            assert documents is not None
            held |= {int(np.searchsorted(np.asarray(data.starts), begin)): name for begin in documents[:, 0]}
        assert len(held) == 80
        assert all(held[i] == held[60 + i] for i in range(20))
        assert data.groups(10).shared == 40
    assert data.groups(None).shared == 0
    apart = data.part("train", corpus.model_copy(update={"shared_run": None})).documents
    assert apart is not None and len(apart) == 40


def test_a_huge_collection_is_not_compared(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    data = Dataset(np.zeros(40, np.uint8), np.array([0, 20, 40]), ALPHABET, "")
    assert data.groups(10).shared == 0
    assert "not compared" in capsys.readouterr().err
