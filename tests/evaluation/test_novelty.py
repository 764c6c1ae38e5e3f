"""What is told to be copied stands in the training part, where it is said to stand; nothing that is held out counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import CorpusConfig, VocabConfig
from charrnn.evaluation.novelty import Learnt, runs_of
from charrnn.text.dataset import load_dataset
from charrnn.text.suffixes import LONGEST

pytest.importorskip("pydivsufsort", reason="pydivsufsort is not installed: pip install 'charrnn[novelty]'")

POEMS = [
    "春眠不覺曉，\n處處聞啼鳥。",
    "夜來風雨聲，\n花落知多少。",
    "床前明月光，\n疑是地上霜。",
    "舉頭望明月，\n低頭思故鄉。",
]


def learnt(tmp_path: Path, text: str, **how: object) -> Learnt:
    file = tmp_path / "text.txt"
    file.write_text(text, encoding="utf-8")
    corpus = CorpusConfig.model_validate({"path": str(file), **how})
    return Learnt(load_dataset([file], corpus, VocabConfig(min_count=1)), corpus)


@given(text=st.text("abcd\n", max_size=80), given_=st.integers(0, 5))
def test_shares_and_runs_are_those_of_a_search(
    tmp_path_factory: pytest.TempPathFactory, text: str, given_: int
) -> None:
    corpus = "abcabdabcd\nbbcdaddcba\ncabbadcdda\n" * 2
    found = learnt(tmp_path_factory.mktemp("x"), corpus, mode="stream", split=[1, 0, 0])
    one = found.novelty(found.vocabulary.encode(text), given_)
    assert one.characters == max(0, len(text) - given_)
    for length in (4, 6, 8, 10):
        copied = {
            place
            for i in range(len(text) - length + 1)
            if text[i : i + length] in corpus
            for place in range(i, i + length)
        }
        assert one.copied[length] == len([place for place in copied if place >= given_])
    for copy in one.longest:
        end = copy.start + copy.length
        assert text[copy.start : end] == copy.text and end > given_
        assert copy.times == sum(corpus.startswith(copy.text, i) for i in range(len(corpus)))
        assert corpus.count("\n", 0, corpus.index(copy.text)) + 1 == copy.place.line
        assert end == len(text) or text[copy.start : end + 1] not in corpus


def test_runs_end_with_their_document_and_are_placed_in_it(tmp_path: Path) -> None:
    found = learnt(tmp_path, "\n\n".join(POEMS), mode="documents", split=[1, 0, 0])
    one = found.novelty(found.vocabulary.encode("".join(POEMS)))
    assert [copy.text for copy in sorted(one.longest, key=lambda copy: copy.start)] == POEMS
    assert [copy.place.document for copy in sorted(one.longest, key=lambda copy: copy.start)] == [1, 2, 3, 4]
    (copy,) = found.novelty(found.vocabulary.encode("思鄉，低頭思故鄉")).longest
    assert (copy.text, copy.place.document, copy.place.line) == ("低頭思故鄉", 4, 2)
    assert str(copy.place) == "document 4, line 2"


def test_what_is_held_out_does_not_count(tmp_path: Path) -> None:
    corpus = CorpusConfig(path="text.txt", mode="documents", split=[0.5, 0.25, 0.25])
    found = learnt(tmp_path, "\n\n".join(POEMS), mode="documents", split=[0.5, 0.25, 0.25])
    dataset = load_dataset([tmp_path / "text.txt"], corpus, VocabConfig(min_count=1))
    for name, wanted in (("train", True), ("val", False), ("test", False)):
        part = dataset.part(name, corpus)  # type: ignore[arg-type]
        for begin, end in part.spans:
            assert bool(found.novelty(part.ids[begin:end]).longest) is wanted
    people = found.held_out()
    assert people is not None and people.copied[4] == 0
    assert people.characters == sum(len(poem) for poem in POEMS) - len("".join(POEMS)) // 2


def test_no_held_out_part_no_baseline(tmp_path: Path) -> None:
    assert learnt(tmp_path, POEMS[0], mode="stream", split=[1, 0, 0]).held_out() is None


def test_a_long_copy_is_one_run(tmp_path: Path) -> None:
    text = "".join(map(chr, np.random.default_rng(0).integers(97, 123, 3 * LONGEST)))
    found = learnt(tmp_path, text, mode="stream", split=[1, 0, 0])
    one = found.novelty(found.vocabulary.encode("!" + text[5:-5] + "!", "replace"))
    assert one.longest[0].length == len(text) - 10 and one.copied[10] == len(text) - 10
    assert runs_of(np.zeros(0, np.int64)).shape == (0, 2)


def test_an_unknown_character_is_never_copied(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("abcdef龍abcdef\n" * 3 + "鳳", encoding="utf-8")
    corpus = CorpusConfig(path=str(file), mode="stream", split=[1.0, 0.0, 0.0])
    found = Learnt(load_dataset([file], corpus, VocabConfig(min_count=4)), corpus)
    one = found.novelty(found.vocabulary.encode("abcdef龍abcdef", "replace"))
    assert one.copied[6] == 12 and one.copied[8] == 0
