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


@pytest.mark.parametrize("gone", ["ids.bin", "starts.bin", "vocab.json", "files"])
def test_without_a_checksum_nothing_is_believed(gone: str, entry: Path) -> None:
    manifest = entry / "dataset.json"
    facts = json.loads(manifest.read_text())
    del (facts if gone == "files" else facts["files"])[gone]
    manifest.write_text(json.dumps(facts))
    assert entries.fault(entry) is not None


@pytest.mark.parametrize("content", [b"", bytes(8), bytes(16), b"x"])
@pytest.mark.parametrize("name", ["starts.bin", "another"])
def test_what_does_not_belong_to_an_entry_is_not_read(name: str, content: bytes, entry: Path) -> None:
    """Ends of documents beside a stream would make documents of it."""
    text, stream = entry.parents[2] / "text.txt", CorpusConfig(path="text.txt")
    fingerprint = load_dataset([text], stream, VocabConfig()).fingerprint
    (entry.parent / fingerprint[:32] / name).write_bytes(content)
    assert load_dataset([text], stream, VocabConfig()).starts is None


def test_all_of_a_fingerprint_counts_and_not_only_what_the_folder_is_called(entry: Path) -> None:
    manifest = entry / "dataset.json"
    facts = json.loads(manifest.read_text())
    right = facts["fingerprint"]
    facts["fingerprint"] = right[:32] + right[:31:-1]
    manifest.write_text(json.dumps(facts))
    assert load_dataset([entry.parents[2] / "text.txt"], POEMS, VocabConfig()).fingerprint == right


@pytest.mark.parametrize("damage", ["deep", "large", "short", "number", "folder", "pipe", "zero"])
def test_a_damaged_digest_is_not_believed_nor_waited_for(
    damage: str, entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED", -(2**62))
    text = entry.parents[2] / "text.txt"
    expected = load_dataset([text], POEMS, VocabConfig()).fingerprint
    (digest,) = (cache_folder("digests")).iterdir()
    facts = json.loads(digest.read_text())
    digest.unlink()
    if damage == "folder":
        digest.mkdir()
    elif damage == "pipe":
        os.mkfifo(digest)
    elif damage == "zero":
        digest.symlink_to("/dev/zero")
    else:
        short, number = json.dumps([*facts[:-1], "ab"]), json.dumps([*facts[:-1], 7])
        texts = {"deep": "[" * 100_000, "large": "[" + "[]," * 2_000_000 + "[]]", "short": short, "number": number}
        digest.write_text(texts[damage])
    assert load_dataset([text], POEMS, VocabConfig()).fingerprint == expected


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


def test_what_others_build_is_left_to_them_and_links_are_not_followed(entry: Path) -> None:
    """Whoever checks or clears the cache must not take a text from the process that encodes it."""
    mine = entry.parents[2] / "mine"
    mine.mkdir()
    (mine / "large").write_bytes(bytes(1000))
    (entry.parent / ".building-x").mkdir()
    (entry.parent / "thesis").write_text("no entry at all")
    links: dict[str, str | Path] = {"a" * 32: mine, "b" * 32: "b" * 32, "c" * 32: mine / "large", "d" * 32: "/"}
    for name, target in links.items():
        (entry.parent / name).symlink_to(target)
    found = {one.name: one for one in kept() if one.kind == "text"}
    assert found.keys() == {entry.name, *links}
    assert all(found[name].bytes < 100 and fault_of(found[name]) for name in links)
    for one in found.values():
        remove_kept(one)
    assert {file.name for file in entry.parent.iterdir()} == {".building-x", "thesis"}
    assert (mine / "large").stat().st_size == 1000


@pytest.mark.parametrize("manifest", ["missing", "folder", "pipe", "of another"])
def test_a_named_corpus_without_its_checksums_is_made_again(
    manifest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, made = tmp_path / "name.txt", tmp_path / "made"
    for _ in range(2):
        made.write_text("the text")
        entries.put(made, file)
        assert entries.is_whole(file)
        beside = file.with_suffix(".json")
        if manifest == "of another":
            beside.write_text(json.dumps(json.loads(beside.read_text()) | {"sampled": ""}))
        else:
            beside.unlink()
        if manifest == "folder":
            (beside / "inner").mkdir(parents=True)
        elif manifest == "pipe":
            os.mkfifo(beside)
        assert not entries.is_whole(file)
        assert "it is made again" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


def test_a_digest_of_another_text_is_told_once_and_then_forgotten(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLED", -(2**62))
    text = entry.parents[2] / "text.txt"
    expected = load_dataset([text], POEMS, VocabConfig()).fingerprint
    (digest,) = cache_folder("digests").iterdir()
    facts = json.loads(digest.read_text())
    digest.write_text(json.dumps([*facts[:-1], facts[-1][::-1]]))
    with pytest.raises(CharrnnError, match="changed while it was being read"):
        load_dataset([text], POEMS, VocabConfig())
    assert load_dataset([text], POEMS, VocabConfig()).fingerprint == expected


def test_damaged_groups_of_documents_are_found(entry: Path) -> None:
    text = entry.parents[2] / "text.txt"
    load_dataset([text], POEMS, VocabConfig()).groups(10)
    (groups,) = entry.glob("groups-10.bin")
    (kept_text,) = (one for one in kept() if one.kind == "text")
    assert fault_of(kept_text) is None
    raw = bytearray(groups.read_bytes())
    raw[len(raw) // 2] ^= 1
    groups.write_bytes(raw)
    assert fault_of(kept_text) is not None
