"""Where the held-out parts lie: every character in exactly one part, whatever the text, its files and the split."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import CorpusConfig, VocabConfig
from charrnn.text import holdout as module
from charrnn.text.dataset import Dataset, SplitName, load_dataset
from charrnn.text.holdout import PIECE, PIECES, Ints, Way, held_out, line_ends_of, stretches
from charrnn.text.vocab import Vocabulary

WAYS: list[Way] = ["spread", "tail", "each-file"]
SPLITS = st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)).map(lambda p: [x / sum(p) for x in p])
FILES = st.lists(st.integers(0, 400), min_size=1, max_size=12).filter(any)
NEWLINE = 0


def text_of(total: int, line: int) -> Ints:
    """Ids with a line end in `line`, on average."""
    return np.random.default_rng(0).integers(0, line + 1, total)


def parts_of(ids: Ints, split: list[float], way: Way, files: list[int]) -> list[Ints]:
    return held_out(len(ids), split, way, np.cumsum([0, *files]), line_ends_of(ids, NEWLINE))


def places(pieces: Ints) -> list[int]:
    return [place for a, b in pieces.tolist() for place in range(a, b)]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 20)


@given(FILES, SPLITS, st.sampled_from(WAYS), st.sampled_from([5, 40, 10**6]))
def test_every_character_is_in_exactly_one_part(files: list[int], split: list[float], way: Way, line: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", 20)
        parts = parts_of(text_of(sum(files), line), split, way, files)
    assert sorted(place for part in parts for place in places(part)) == list(range(sum(files)))
    for part in parts:
        assert (part[:, 0] < part[:, 1]).all()
        assert all(before < after for (_, before), (after, _) in pairwise(part.tolist()))  # else they are one piece


@given(FILES, SPLITS, st.sampled_from(WAYS))
def test_without_lines_the_fractions_hold(files: list[int], split: list[float], way: Way) -> None:
    total = sum(files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", 20)
        parts = held_out(total, split, way, np.cumsum([0, *files]), line_ends_of(text_of(total, 5), None))
        units = {"spread": stretches(total, split), "tail": 1, "each-file": len(files)}[way]
    for part, fraction in zip(parts, split, strict=True):
        assert abs(len(places(part)) - fraction * total) <= 2 * units


@given(st.integers(1, 3000), SPLITS)
def test_the_tail_is_what_it_always_was(total: int, split: list[float]) -> None:
    parts = held_out(total, split, "tail", np.zeros(0, np.int64), line_ends_of(text_of(total, 3), NEWLINE))
    edges = [round(total * fraction) for fraction in (0.0, split[0], split[0] + split[1], 1.0)]
    for part, (a, b) in zip(parts, pairwise(edges), strict=True):
        assert part.tolist() == ([[a, b]] if b > a else [])


@given(st.integers(0, 2_000_000), SPLITS)
def test_a_piece_has_a_page_if_the_text_has_that_many(total: int, split: list[float]) -> None:
    count = stretches(total, split)
    assert 1 <= count <= PIECES
    smallest = min((fraction for fraction in split[1:] if fraction), default=0)
    if count > 1:
        assert total * smallest / count >= PIECE
    if count < PIECES:
        assert total * smallest / (count + 1) < PIECE or not smallest


def test_pieces_are_spread_evenly_and_begin_where_lines_do() -> None:
    ids = text_of(1_000_000, 40)
    train, val, test = parts_of(ids, [0.8, 0.1, 0.1], "spread", [len(ids)])
    assert len(val) == len(test) == PIECES and len(train) == PIECES + 1
    for part in (val, test):
        assert np.diff(part[:, 0]) == pytest.approx(np.full(PIECES - 1, 50_000), abs=600)
        assert part[:, 1] - part[:, 0] == pytest.approx(np.full(PIECES, 5_000), abs=600)
    for begin in [*train[1:, 0], *val[:, 0], *test[:, 0]]:
        assert ids[begin - 1] == NEWLINE
    assert train[0, 0] == 0 and train[-1, 1] == len(ids)


def test_of_each_file_the_end_is_held_out(small_pieces: None) -> None:
    files = [300, 0, 50, 1000]
    train, val, test = parts_of(text_of(1350, 10**6), [0.8, 0.1, 0.1], "each-file", files)
    assert train.tolist() == [[0, 240], [300, 340], [350, 1150]]
    assert val.tolist() == [[240, 270], [340, 345], [1150, 1250]]
    assert test.tolist() == [[270, 300], [345, 350], [1250, 1350]]


def write(name: str, text: str) -> Path:
    file = Path(name).resolve()
    file.write_text(text, encoding="utf-8")
    return file


NAMES: tuple[SplitName, ...] = ("train", "val", "test")


def texts(data: Dataset, corpus: CorpusConfig) -> dict[str, str]:
    return {
        name: "".join(data.vocabulary.decode(part.ids[a:b].tolist()) for a, b in part.spans)
        for name in NAMES
        for part in [data.part(name, corpus)]
    }


def test_files_are_told_apart_on_the_disk() -> None:
    files = [write("a.txt", "a" * 100), write("b.txt", "b" * 50 + "\n"), write("c.txt", "c" * 9)]
    corpus = CorpusConfig(path="*.txt", mode="stream", holdout="each-file")
    data = load_dataset(files, corpus, VocabConfig())
    assert data.files is not None and data.files.tolist() == [0, 101, 152, 162]  # each ends with a line end
    assert texts(data, corpus)["val"] == "a" * 9 + "\n" + "b" * 4 + "\n" + "\n"


def test_an_entry_of_a_version_that_did_not_keep_the_edges_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    files = [write("a.txt", "abc\n" * 30), write("b.txt", "def\n" * 30)]
    tail, each = (CorpusConfig(path="*.txt", mode="stream", holdout=way) for way in ("tail", "each-file"))
    old = load_dataset(files, tail, VocabConfig())
    folder = next((tmp_path / "cache" / "ids").iterdir())
    (folder / "files.bin").unlink()
    manifest = json.loads((folder / "dataset.json").read_text())
    del manifest["files"]["files.bin"], manifest["corpus"]
    (folder / "dataset.json").write_text(json.dumps(manifest))
    assert load_dataset(files, tail, VocabConfig()).files is None  # it serves those that do not ask for them
    again = load_dataset(files, each, VocabConfig())
    assert again.fingerprint == old.fingerprint
    assert again.files is not None and again.files.tolist() == [0, 120, 240]


def test_another_text_validates() -> None:
    files, other = [write("a.txt", "春眠不覺曉\n" * 20)], write("b.txt", "春曉x\n" * 7)
    corpus = CorpusConfig(path="a.txt", mode="stream", validation=str(other), split=[0.8, 0.1, 0.1])
    data = load_dataset(files, corpus, VocabConfig())
    assert "x" not in data.vocabulary
    found = texts(data, corpus)
    assert found["val"] == "春曉\ufffd\n" * 7
    assert found["train"] + found["test"] == "春眠不覺曉\n" * 20
    assert len(found["test"]) == 12
    part = data.part("val", corpus)
    assert part.spans.tolist() == [[0, 28]] and len(part.ids) == 28  # nothing stands before it
    assert load_dataset(files, corpus.model_copy(update={"validation": None}), VocabConfig()).fingerprint != (
        data.fingerprint
    )


def test_other_documents_validate() -> None:
    files, other = [write("a.txt", "ab\n\ncd\n\nef")], write("b.txt", "fa\n\nbc")
    corpus = CorpusConfig(path="a.txt", mode="documents", validation=str(other), split=[1, 0, 0])
    data = load_dataset(files, corpus, VocabConfig())
    found = {
        name: sorted(data.vocabulary.decode(part.ids[a:b].tolist()) for a, b in part.spans)
        for name in NAMES
        for part in [data.part(name, corpus)]
    }
    assert found == {"train": ["ab", "cd", "ef"], "val": ["bc", "fa"], "test": []}


def test_a_part_takes_no_memory() -> None:
    """Pieces are places in the ids, which may be on the disk."""
    ids = np.broadcast_to(np.zeros(1, np.uint8), 10**10)  # ten gigabytes, if they were copied
    data = Dataset(ids, None, Vocabulary("char", ["\n", "a"]), "")
    part = data.part("val", CorpusConfig(path="a", holdout="spread"))
    assert part.ids is ids and part.characters == pytest.approx(10**9, rel=0.01)
