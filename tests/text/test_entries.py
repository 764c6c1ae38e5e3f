"""What is cached is what was asked for: an entry that is not whole is never used, and made again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.cache import cache_folder
from charrnn.config import CorpusConfig, VocabConfig
from charrnn.errors import CharrnnError
from charrnn.text import dataset as module
from charrnn.text import entries
from charrnn.text.dataset import cached_dataset, load_dataset
from charrnn.text.keeping import fault_of, kept, remove_kept
from charrnn.text.reader import read_corpus

TEXT = "to be, or not to be, that is the question.\n\n" * 3000
POEMS = CorpusConfig(path="text.txt", mode="documents")


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an encoded text, in a cache of its own."""
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    load_dataset([tmp_path / "text.txt"], POEMS, VocabConfig())
    (folder,) = (tmp_path / "cache" / "ids").iterdir()
    return folder


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(file: Path, at: int = 50) -> None:
    raw = bytearray(file.read_bytes())
    raw[at] ^= 1
    file.write_bytes(raw)


def to_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGE = [cut, flip, Path.unlink, lambda file: file.write_bytes(b""), to_folder]


@pytest.mark.parametrize("name", ["ids.bin", "starts.bin", "vocab.json", "dataset.json"])
@pytest.mark.parametrize("damage", DAMAGE, ids=["cut", "flipped", "missing", "empty", "folder"])
def test_a_damaged_entry_is_told_once_and_made_again(
    name: str, damage: Any, entry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = entry.parents[2] / "text.txt"
    expected = np.array(load_dataset([text], POEMS, VocabConfig()).ids)
    fingerprint = json.loads((entry / "dataset.json").read_text())["fingerprint"]
    capsys.readouterr()
    damage(entry / name)
    assert cached_dataset(fingerprint) is None
    assert capsys.readouterr().err.count("it is removed from the cache") == 1
    assert np.array_equal(load_dataset([text], POEMS, VocabConfig()).ids, expected)
    assert capsys.readouterr().err == ""
    assert len(list(entry.parent.iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "float64"},
        {"dtype": "uint32"},
        {"characters": 5},
        {"characters": 0},
        {"fingerprint": "0" * 64},
        {"files": {"ids.bin": {"bytes": 1, "sha256": "", "sampled": ""}}},
        {"files": []},
    ],
)
def test_a_manifest_that_does_not_fit_is_not_believed(change: dict[str, Any], entry: Path) -> None:
    manifest = entry / "dataset.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(facts | change))
    assert entries.fault(entry) is not None


def test_an_entry_of_a_version_without_checksums_is_still_read(entry: Path) -> None:
    manifest = entry / "dataset.json"
    facts = json.loads(manifest.read_text())
    del facts["files"]
    manifest.write_text(json.dumps(facts))
    assert entries.fault(entry) is None
    cut(entry / "ids.bin")
    assert entries.fault(entry) == "ids.bin has another size than it should have"


def test_what_changes_while_it_is_read_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed, encoded, and put back: the entry of the first text must not be one of the second."""
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    file, real = tmp_path / "text.txt", read_corpus
    file.write_text(TEXT, encoding="utf-8")

    def changed(*arguments: Any) -> Iterator[str]:
        file.write_text(TEXT.replace("question", "answer. "), encoding="utf-8")
        try:
            yield from real(*arguments)
        finally:
            file.write_text(TEXT, encoding="utf-8")

    monkeypatch.setattr(module, "read_corpus", changed)
    with pytest.raises(CharrnnError, match=r"text\.txt: changed while it was being read"):
        load_dataset([file], POEMS, VocabConfig())
    assert not (tmp_path / "cache" / "ids").exists() or list((tmp_path / "cache" / "ids").iterdir()) == []
    monkeypatch.setattr(module, "read_corpus", real)
    whole = load_dataset([file], POEMS, VocabConfig())
    assert "question" in whole.vocabulary.decode(whole.ids[:80].tolist())


def test_a_large_file_is_compared_in_blocks(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(os.urandom(3_000_000))
    before = entries.contents(file)
    for at in (0, 10, 2_999_999):
        flip(file, at)
        assert entries.contents(file).sampled != before.sampled
        flip(file, at)
    assert entries.contents(file) == before


def test_what_dead_builders_left_is_swept_and_what_living_ones_build_is_not(entry: Path) -> None:
    old, new = entry.parent / ".building-old", entry.parent / ".building-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (time.time() - 7200,) * 2)
    with entries.building(entry.parent / "other") as folder:
        (folder / "file").write_text("x")
    assert not old.exists() and new.exists()


def test_all_that_is_kept_is_listed_checked_and_removed(entry: Path) -> None:
    found = kept()
    assert {one.kind for one in found} >= {"text"}
    assert all(fault_of(one) is None for one in found)
    (text,) = [one for one in found if one.kind == "text"]
    assert text.bytes == sum(file.stat().st_size for file in entry.iterdir())
    flip(entry / "ids.bin")
    assert fault_of(text) == "ids.bin is damaged"
    for one in found:
        remove_kept(one)
    assert kept() == []
    assert cache_folder("ids").is_dir()
