from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cache import cache_folder
from charrnn.config import CorpusConfig, VocabConfig
from charrnn.errors import CharrnnError
from charrnn.text import dataset as module
from charrnn.text import reader
from charrnn.text.dataset import Dataset, Part, SplitName, encode_text, load_dataset
from charrnn.text.documents import BOUNDARY
from charrnn.text.reader import read_corpus, read_text
from charrnn.text.vocab import Vocabulary

# Lists of characters, not st.text: that draws from the union of the alphabets, in which hardly a character recurs.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff") | st.sampled_from("abc\n春山")
TEXT = st.lists(CHARACTERS, min_size=1, max_size=60).map("".join)
LINE = st.text(st.sampled_from("ab春山， "), min_size=1, max_size=6).map(str.strip).filter(bool)
DOCUMENTS = st.lists(st.lists(LINE, min_size=1, max_size=4).map("\n".join), min_size=1, max_size=12)
STREAM = CorpusConfig(path="text.txt", mode="stream")
CHAR = VocabConfig()


def split(fractions: list[float]) -> CorpusConfig:
    """Parts as runs had them before there were other ways: the tail, and each document by itself."""
    return CorpusConfig(path="text.txt", split=fractions, holdout="tail", shared_run=None)


NAMES: tuple[SplitName, ...] = ("train", "val", "test")


def write(content: str | bytes, name: str = "text.txt") -> Path:
    file = Path(name).resolve()
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def small_blocks(block: int) -> AbstractContextManager[object]:
    return mock.patch.object(reader, "read_text", partial(read_text, block=block))


def texts_of(part: Part, vocabulary: Vocabulary) -> list[str]:
    if part.documents is None:
        return [vocabulary.decode(part.ids[a:b].tolist()) for a, b in part.spans]
    return [vocabulary.decode(part.ids[start:end].tolist()) for start, end in part.documents]


def entries() -> list[str]:
    return sorted(file.name for file in cache_folder("ids").glob("*"))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@given(TEXT, st.integers(1, 7))
def test_ids_decode_to_the_text(text: str, block: int) -> None:
    with small_blocks(block):
        data = load_dataset([write(text)], STREAM, CHAR)
    assert data.starts is None
    assert data.vocabulary.characters == sorted(set(text))
    assert data.vocabulary.decode(data.ids.tolist()) == text


@given(TEXT, st.integers(1, 3), st.none() | st.integers(1, 4))
def test_rare_characters_become_unknown(text: str, min_count: int, max_size: int | None) -> None:
    data = load_dataset([write(text)], STREAM, VocabConfig(min_count=min_count, max_size=max_size))
    assert data.vocabulary.decode(data.ids.tolist()) == "".join(c if c in data.vocabulary else "\ufffd" for c in text)
    assert data.ids.tolist() == data.vocabulary.encode(text, "replace")
    unknown = data.ids.tolist().count(data.vocabulary.unknown)
    assert (data.rare.share if data.rare else 0.0) == pytest.approx(unknown / len(text))


@given(DOCUMENTS, st.sampled_from(["\n\n", "\n\n\n", "\n \t\n\u3000\n"]), st.integers(1, 7))
def test_documents_decode_to_themselves(documents: list[str], between: str, block: int) -> None:
    file = write(between.join(["", *documents, ""]))
    with small_blocks(block):
        data = load_dataset([file], CorpusConfig(path="text.txt", mode="documents"), CHAR)
    assert sorted(texts_of(data.part("train", split([1.0, 0.0, 0.0])), data.vocabulary)) == sorted(documents)
    assert data.starts is not None
    starts = data.starts.tolist()
    assert [data.vocabulary.decode(data.ids[a:b].tolist()) for a, b in pairwise(starts)] == documents
    assert starts[-1] == len(data.ids) == sum(map(len, documents))


@given(st.lists(LINE | st.just(""), min_size=1, max_size=12).filter(any), st.integers(1, 40))
def test_lines_and_files_are_documents_unless_empty(lines: list[str], block: int) -> None:
    documents = sorted(line for line in lines if line)
    by_line = CorpusConfig(path="text.txt", mode="documents", separator="line")
    with small_blocks(block):
        data = load_dataset([write("\n".join(lines))], by_line, CHAR)
    whole = data.part("train", split([1.0, 0.0, 0.0]))
    assert sorted(texts_of(whole, data.vocabulary)) == documents
    assert whole.characters == sum(map(len, lines))
    files = [write(line, f"{i}.txt") for i, line in enumerate(lines)]
    data = load_dataset(files, CorpusConfig(path="*.txt", mode="documents", separator="file"), CHAR)
    assert sorted(texts_of(data.part("train", split([1.0, 0.0, 0.0])), data.vocabulary)) == documents


@given(st.binary(min_size=1, max_size=60))
def test_a_byte_is_its_own_id(content: bytes) -> None:
    data = load_dataset([write(content)], STREAM, VocabConfig(kind="byte"))
    assert data.ids.dtype == np.uint8
    assert data.ids.tobytes() == content


@pytest.mark.parametrize("count", [1, 254, 255, 256, 257, 65534, 65535, 65536])
def test_ids_take_the_smallest_type_that_holds_them_all(count: int) -> None:
    characters = [chr(point) for point in range(33, 0x20000) if not 0xD800 <= point < 0xE000 and point != 0xFEFF]
    text = "".join(characters[:count])
    data = load_dataset([write(text)], STREAM, CHAR)
    assert len(data.vocabulary.characters) == count
    smallest = next(t for t in (np.uint8, np.uint16, np.uint32) if np.iinfo(t).max >= data.vocabulary.unknown)
    assert data.ids.dtype == smallest
    assert isinstance(data.ids, np.memmap)
    assert data.vocabulary.decode(data.ids.tolist()) == text


@given(st.lists(st.sampled_from(["abc\n", "春山\n", "".join(map(chr, range(0x4E00, 0x4F40)))]), max_size=8))
def test_ascii_pieces_of_a_large_alphabet(pieces: list[str]) -> None:
    text = "a" + "".join(pieces)
    with small_blocks(3):
        data = load_dataset([write(text)], STREAM, CHAR)
    assert data.vocabulary.decode(data.ids.tolist()) == text


def facts_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {file.name: (file.stat().st_mtime_ns, file.stat().st_ino) for file in [folder, *folder.iterdir()]}


def test_the_same_text_is_encoded_once(own_cache: Path) -> None:
    first = load_dataset([write("to be or not to be")], STREAM, CHAR)
    (entry,) = (own_cache / "ids").iterdir()
    before = facts_of(entry)
    progress: list[int] = []
    moved = write("to be or not to be", "elsewhere.txt")
    second = load_dataset([moved], CorpusConfig(path="elsewhere.txt", mode="stream"), CHAR, progress.append)
    assert facts_of(entry) == before
    assert not progress
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(second.ids, first.ids)


def test_whatever_changes_the_ids_makes_another_entry(own_cache: Path) -> None:
    text = "春眠不覺曉\n\nabc\n\nabc"
    corpora: list[CorpusConfig] = [
        STREAM,
        CorpusConfig(path="text.txt", mode="documents"),
        CorpusConfig(path="text.txt", mode="documents", separator="line"),
        CorpusConfig(path="text.txt", mode="stream", normalization="nfkc"),
        CorpusConfig(path="text.txt", mode="stream", encoding="latin-1"),
    ]
    vocabs = [CHAR, VocabConfig(min_count=2), VocabConfig(max_size=2), VocabConfig(kind="byte")]
    found = {load_dataset([write(text)], corpus, CHAR).fingerprint for corpus in corpora}
    found |= {load_dataset([write(text)], STREAM, vocab).fingerprint for vocab in vocabs}
    found |= {load_dataset([write(text + " ")], STREAM, CHAR).fingerprint}
    found |= {load_dataset([write(text[:5], "a"), write(text[5:], "b")], STREAM, CHAR).fingerprint}
    assert len(found) == len(corpora) + len(vocabs) + 1
    assert len(entries()) == len(found)


def test_how_a_text_is_split_does_not_encode_it_again(own_cache: Path) -> None:
    file = write("abcdefgh")
    for split in ([0.5, 0.5, 0.0], [1.0, 0.0, 0.0]):
        load_dataset([file], CorpusConfig(path="text.txt", mode="stream", split=split), CHAR)
    assert len(entries()) == 1


def test_two_processes_that_encode_the_same_text_at_once_both_succeed(own_cache: Path) -> None:
    file = write("春眠不覺曉，處處聞啼鳥。\n" * 20_000)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=load_dataset, args=([file], STREAM, CHAR)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(entries()) == 1
    data = load_dataset([file], STREAM, CHAR)
    assert data.vocabulary.decode(data.ids.tolist()) == file.read_text(encoding="utf-8")


def test_the_slower_of_two_takes_what_the_quicker_made(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, quicker = write("to be or not"), []

    def overtaken(*arguments: Any) -> Iterator[str]:
        monkeypatch.setattr(module, "read_corpus", read_corpus)
        quicker.append(load_dataset([file], STREAM, CHAR))
        return read_corpus(*arguments)

    monkeypatch.setattr(module, "read_corpus", overtaken)
    slower = load_dataset([file], STREAM, CHAR)
    assert np.array_equal(slower.ids, quicker[0].ids)
    assert len(entries()) == 1


@pytest.mark.parametrize("kind", ["char", "byte"])
@pytest.mark.parametrize("mode", ["stream", "documents"])
def test_an_empty_text_is_refused_and_leaves_nothing(
    own_cache: Path, kind: Literal["char", "byte"], mode: Literal["stream", "documents"]
) -> None:
    with pytest.raises(CharrnnError, match=r"text\.txt: the text is empty"):
        load_dataset([write("")], CorpusConfig(path="text.txt", mode=mode), VocabConfig(kind=kind))
    assert entries() == []


def test_blank_lines_alone_are_no_documents() -> None:
    with pytest.raises(CharrnnError, match="the text is empty"):
        load_dataset([write("\n\n \n\u3000\n")], CorpusConfig(path="text.txt", mode="documents"), CHAR)


def test_a_text_that_does_not_decode_leaves_nothing(own_cache: Path) -> None:
    with pytest.raises(CharrnnError, match=r"text\.txt: byte 2 \(0xff\)"):
        load_dataset([write(b"ab\xff")], STREAM, CHAR)
    assert entries() == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "nowhere.txt", tmp_path):
        with pytest.raises(CharrnnError, match=f"{file.name}: cannot be read"):
            load_dataset([file], STREAM, CHAR)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", str(write("a file", "cache")))
    with pytest.raises(CharrnnError, match=r"cache.*cannot be written"):
        load_dataset([write("abc")], STREAM, CHAR)


def test_half_surrogate_pairs_of_odd_codecs_become_unknown() -> None:
    data = load_dataset([write(b"a+2AA-b+3AA-")], CorpusConfig(path="text.txt", mode="stream", encoding="utf-7"), CHAR)
    assert data.vocabulary.characters == ["a", "b"]


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder("ids") == Path(os.environ["CHARRNN_CACHE"], "ids")
    monkeypatch.delenv("CHARRNN_CACHE")
    assert cache_folder("ids").is_absolute()
    assert cache_folder("ids").parent.name == "charrnn"


SPLITS = st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)).map(
    lambda parts: [part / sum(parts) for part in parts]
)
WORDS = Vocabulary("char", ["a"])


@given(st.integers(1, 3000), SPLITS)
def test_parts_of_a_stream_are_disjoint_and_cover_it(length: int, fractions: list[float]) -> None:
    ids = np.arange(length)
    parts = [Dataset(ids, None, WORDS, "").part(name, split(fractions)) for name in NAMES]
    assert np.array_equal(np.concatenate([part.ids[a:b] for part in parts for a, b in part.spans]), ids)
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(part.characters - fraction * length) <= 1
        assert part.documents is None


@given(st.lists(st.integers(1, 50), min_size=1, max_size=200), SPLITS)
def test_parts_of_documents_are_disjoint_and_cover_them(lengths: list[int], fractions: list[float]) -> None:
    starts = np.cumsum([0, *lengths])
    data = Dataset(np.arange(starts[-1]), starts, WORDS, "")
    parts = [data.part(name, split(fractions)) for name in NAMES]
    dealt = [span for part in parts if part.documents is not None for span in part.documents.tolist()]
    assert sorted(dealt) == [[a, b] for a, b in pairwise(starts.tolist())]
    assert sum(part.characters for part in parts) == sum(lengths)
    for part, name, fraction in zip(parts, NAMES, fractions, strict=True):
        assert part.documents is not None
        assert abs(len(part.documents) - fraction * len(lengths)) <= 1
        again = data.part(name, split(fractions)).documents
        assert again is not None
        assert np.array_equal(part.documents, again)


def test_documents_of_a_sorted_collection_are_dealt_to_all_parts() -> None:
    starts = np.arange(1001)
    part = Dataset(np.zeros(1000), starts, WORDS, "").part("val", split([0.8, 0.2, 0.0]))
    assert part.documents is not None
    quarters = np.bincount(part.documents[:, 0] // 250, minlength=4)
    assert (quarters > 25).all()


@given(DOCUMENTS, st.sampled_from(["stream", "documents"]), st.integers(1, 7))
def test_text_in_memory_is_encoded_as_on_disk(
    documents: list[str], mode: Literal["stream", "documents"], block: int
) -> None:
    file, config = write("\n\n".join(documents)), CorpusConfig(path="text.txt", mode=mode)
    data = load_dataset([file], config, CHAR)
    with small_blocks(block):
        part = encode_text(read_corpus([file], config), data.vocabulary)
    assert np.array_equal(part.ids, data.ids)
    if mode == "stream":
        assert part.documents is None
    else:
        assert part.documents is not None
        assert texts_of(part, data.vocabulary) == documents


def test_no_text_in_memory() -> None:
    assert encode_text(iter([]), WORDS).characters == 0
    assert encode_text(iter([BOUNDARY, BOUNDARY]), WORDS).characters == 0


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where size and modification time are as they were."""
    monkeypatch.setattr(module, "SETTLED", -1)
    file = tmp_path / "text.txt"
    config = CorpusConfig(path=str(file), mode="stream")
    found = []
    for text in ("one", "two", "one", "six"):
        file.write_text(text)
        os.utime(file, ns=(0, 0))
        time.sleep(0.02)  # the clock of a file system ticks a hundred times a second
        for _ in range(2):
            found.append(load_dataset([file], config, VocabConfig()).fingerprint)
    assert found[0::2] == found[1::2]
    assert found[0] == found[4] and len(set(found)) == 3


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLED", -1)
    file = tmp_path / "text.txt"
    file.write_text("text")
    config = CorpusConfig(path=str(file), mode="stream")
    first = load_dataset([file], config, VocabConfig())
    reading = Path.open
    monkeypatch.setattr(
        Path, "open", lambda own, *a, **k: pytest.fail("read") if own == file else reading(own, *a, **k)
    )
    assert load_dataset([file], config, VocabConfig()).fingerprint == first.fingerprint
