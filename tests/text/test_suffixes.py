"""The index of a text finds what a search of the text finds, whatever the text, and however it is divided."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.text import suffixes as module
from charrnn.text.dataset import Part
from charrnn.text.keeping import fault_of, kept, remove_kept
from charrnn.text.suffixes import Suffixes, build, suffixes_of
from charrnn.text.vocab import Vocabulary

pytest.importorskip("pydivsufsort", reason="pydivsufsort is not installed: pip install 'charrnn[novelty]'")

ALPHABETS = {size: Vocabulary("char", [chr(0x100 + i) for i in range(size)]) for size in (1, 3, 255, 256, 300)}
ALPHABETS[70_000] = Vocabulary("char", [chr(0x20000 + i) for i in range(70_000)])
BYTES = Vocabulary("byte")


def longest(text: Sequence[int], spans: Sequence[Sequence[int]], mark: int) -> list[int]:
    """The length of the longest run from each place, by looking everywhere."""
    found = [0] * len(text)
    for i in range(len(text)):
        for span in spans:
            for j in range(len(span)):
                k = 0
                while i + k < len(text) and j + k < len(span) and text[i + k] == span[j + k] != mark:
                    k += 1
                found[i] = max(found[i], k)
    return found


@st.composite
def corpora(draw: st.DrawFn) -> tuple[Vocabulary, Part, list[int]]:
    """An alphabet; a part of a text of few of its characters and <unk>; and a text that is partly copied from it."""
    vocabulary = draw(st.sampled_from([*ALPHABETS.values(), BYTES]))
    several = draw(st.lists(st.integers(0, vocabulary.unknown - 1), min_size=1, max_size=4))
    unknown = [] if vocabulary is BYTES else [vocabulary.unknown]
    ids = draw(st.lists(st.sampled_from(several + unknown), min_size=1, max_size=60))
    edges = sorted(draw(st.sets(st.integers(0, len(ids)), max_size=4)) | {0, len(ids)})
    spans = list(pairwise(edges))
    spans = draw(st.lists(st.sampled_from(spans), min_size=1, max_size=len(spans), unique=True))
    text = draw(st.lists(st.sampled_from([*several, vocabulary.unknown, vocabulary.boundary]), max_size=30))
    begin = draw(st.integers(0, len(ids)))
    text += ids[begin : begin + draw(st.integers(0, 60))] + text
    return vocabulary, Part(np.array(ids, np.uint32), np.array(spans)), text


@pytest.mark.parametrize("block, limit", [(2**26, 4096), (16, 4096), (2**26, 40)], ids=["whole", "blocks", "limit"])
@given(corpora())
def test_it_finds_what_is_there(
    block: int, limit: int, tmp_path_factory: pytest.TempPathFactory, case: tuple[Vocabulary, Part, list[int]]
) -> None:
    vocabulary, part, text = case
    mark, spans = vocabulary.unknown, [part.ids[a:b].tolist() for a, b in part.spans.tolist()]
    text = [min(i, mark) for i in text]
    file = tmp_path_factory.mktemp("index") / "index.bin"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        patch.setattr(module, "LONGEST", limit)
        with file.open("wb") as out:
            build(part, vocabulary, out)
        index = Suffixes(part, vocabulary, file)
        assert index.lengths(np.array(text, np.int64)).tolist() == [
            min(one, limit) for one in longest(text, spans, mark)
        ]
        for size in range(1, 5):
            for i in range(len(text) - size):
                run = text[i : i + size]
                places = [
                    int(begin) + j
                    for (begin, _), span in zip(part.spans, spans, strict=True)
                    for j in range(len(span) - size + 1)
                    if span[j : j + size] == run and mark not in run
                ]
                found = index.find(run)
                assert (found is None and not places) or (found is not None and found.times == len(places))
                assert found is None or found.first == min(places)
                after = {
                    span[j + size]
                    for span in spans
                    for j in range(len(span) - size)
                    if span[j : j + size] == run and mark not in run
                }
                assert index.after(run).tolist() == sorted(after - {mark})


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "suffixes"


PART, THREE = Part(np.array([0, 1, 2, 0, 1, 2, 2], np.uint8)), ALPHABETS[3]


def test_it_is_built_once_and_listed_and_cleared(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert suffixes_of(PART, THREE, "text").find([0, 1, 2]) is not None
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pydivsufsort", None)  # it is not needed again
        assert suffixes_of(PART, THREE, "text").find([0, 1, 2]) is not None
        with pytest.raises(CharrnnError, match=r"charrnn\[novelty\]"):
            suffixes_of(PART, THREE, "another text")
    (one,) = (one for one in kept() if one.kind == "index")
    assert fault_of(one) is None and one.bytes > 0
    assert remove_kept(one) and list(own_cache.iterdir()) == []


def test_a_damaged_one_is_told_and_built_again(own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suffixes_of(PART, THREE, "text")
    (file,) = own_cache.glob("*.bin")
    file.write_bytes(bytes(len(file.read_bytes())))
    (one,) = (one for one in kept() if one.kind == "index")
    assert fault_of(one) is not None
    found = suffixes_of(PART, THREE, "text").find([0, 1, 2])
    assert found is not None and found.times == 2 and "damaged" in capsys.readouterr().err


def test_several_may_build_it_at_once(own_cache: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 3, 20_000)
    with ThreadPoolExecutor(8) as pool:
        made = [*pool.map(lambda _: suffixes_of(Part(ids), THREE, "text").find([0, 1, 2]), range(8))]
    assert made[0] is not None and len(set(made)) == 1
    assert sorted(file.suffix for file in own_cache.iterdir()) == [".bin", ".json"]


def test_another_part_has_another_index(own_cache: Path) -> None:
    first, second = (Part(PART.ids, pieces=np.array([piece])) for piece in ([0, 3], [3, 7]))
    assert suffixes_of(first, THREE, "text").find([2, 2]) is None
    assert suffixes_of(second, THREE, "text").find([2, 2]) is not None
