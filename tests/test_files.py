"""Small files: whatever lies there is read or refused in bounds, and what is written is there whole or not at all."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from charrnn import files
from charrnn.errors import CharrnnError
from charrnn.files import (
    Amount,
    Count,
    Record,
    is_hollow,
    new_file,
    open_to_append,
    read_given,
    read_json,
    read_record,
    read_small,
    remove,
    replace_text,
    sync,
    write_json,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


class Poem(Record):
    lines: Count
    weight: Amount = 1.0
    inner: dict[str, Count] = Field(default={})


@given(content=st.binary(max_size=60), most=st.integers(0, 60))
def test_all_is_read_or_none_where_it_is_more_than_allowed(content: bytes, most: int) -> None:
    file = Path("small")
    file.write_bytes(content)
    if len(content) <= most:
        assert read_small(file, most) == content
    else:
        with pytest.raises(CharrnnError, match=f"small: larger than {most} bytes; give less"):
            read_small(file, most, "give less")


@pytest.mark.parametrize("name", ["nowhere", "folder", "zero", "pipe", "loop", "dangling", "x" * 300, "file/below"])
def test_what_is_no_file_is_refused_and_not_waited_for(name: str) -> None:
    Path("folder").mkdir()
    Path("file").touch()
    Path("zero").symlink_to("/dev/zero")
    Path("dangling").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")
    for read in (lambda: read_small(Path(name), 10), lambda: read_json(Path(name))):
        with pytest.raises(CharrnnError, match=f"^{name[:20]}.*: cannot be read"):
            read()


@given(st.dictionaries(text, values, max_size=5))
def test_an_object_comes_back_as_it_was_written(document: dict[str, Any]) -> None:
    file = Path("any.json")
    write_json(file, document)
    assert read_json(file) == document
    json.loads(file.read_text(encoding="utf-8"))


@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_object_or_refused(content: bytes) -> None:
    file = Path("any.json")
    file.write_bytes(content)
    try:
        got = read_json(file)
    except CharrnnError as error:
        assert str(error).startswith("any.json: ")
        try:
            assert not isinstance(json.loads(content), dict)
        except ValueError:
            pass
    else:
        assert got == json.loads(content)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_finite_number_is_not_json(number: str) -> None:
    Path("poem.json").write_text(f'{{"lines": 3, "other": [{number}]}}')
    with pytest.raises(CharrnnError, match=f"poem.json: not JSON: {number} is no finite number"):
        read_record(Path("poem.json"), Poem)


@pytest.mark.parametrize("content", ["[" * 500_000, '{"a":' * 150_000, "9" * 500_000, '{"a": ' + "9" * 5000 + "}"])
def test_what_is_nested_or_long_beyond_measure_is_refused(content: str) -> None:
    Path("deep.json").write_text(content)
    with pytest.raises(CharrnnError, match=r"deep\.json: not JSON"):
        read_json(Path("deep.json"))


def test_no_more_is_read_than_any_such_file_has() -> None:
    file = Path("large.json")
    file.write_text(json.dumps({"a": "x" * 1000}))
    assert read_json(file, most=file.stat().st_size) == {"a": "x" * 1000}
    with pytest.raises(CharrnnError, match="larger than"):
        read_json(file, most=file.stat().st_size - 1)


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({}, "lines"),
        ({"lines": -1}, "lines"),
        ({"lines": 2**63}, "lines"),
        ({"lines": "3"}, "lines"),
        ({"lines": 3.0}, "lines"),
        ({"lines": True}, "lines"),
        ({"lines": 3, "weight": -0.5}, "weight"),
        ({"lines": 3, "weight": 1e15}, "weight"),
        ({"lines": 3, "inner": {"a": -1}}, r"inner\.a"),
    ],
)
def test_the_key_that_is_wrong_is_named(document: dict[str, Any], key: str) -> None:
    Path("poem.json").write_text(json.dumps(document))
    with pytest.raises(CharrnnError, match=rf"^poem\.json: {key}: "):
        read_record(Path("poem.json"), Poem)


@given(lines=st.integers(0, 2**63 - 1), more=st.dictionaries(text.map("other {}".format), values, max_size=3))
def test_other_keys_may_stand_beside_those_that_are_named(lines: int, more: dict[str, Any]) -> None:
    write_json(Path("poem.json"), {"lines": lines, **more})
    record = read_record(Path("poem.json"), Poem)
    assert (record.lines, record.weight) == (lines, 1.0)
    assert record.model_extra == more


@given(before=st.none() | text, after=text)
def test_a_file_is_replaced_by_what_is_written(before: str | None, after: str) -> None:
    file = Path("note.txt")
    file.unlink(missing_ok=True)
    if before is not None:
        file.write_text(before, encoding="utf-8")
    replace_text(file, after)
    assert file.read_bytes().decode() == after.replace("\n", os.linesep)
    assert list(Path().iterdir()) == [file]


@pytest.mark.parametrize("name", ["note.txt", ".note.txt.tmp"])
@pytest.mark.parametrize("target", ["mine.txt", "nowhere"])
def test_a_link_in_the_way_is_not_followed(name: str, target: str) -> None:
    """A stranger's run may hold links to files of the user's."""
    Path("mine.txt").write_text("mine")
    Path(name).symlink_to(target)
    replace_text(Path("note.txt"), "new")
    assert Path("note.txt").read_text() == "new" and not Path("note.txt").is_symlink()
    assert Path("mine.txt").read_text() == "mine"
    assert {file.name for file in Path().iterdir()} == {"note.txt", "mine.txt"}


NO_FILES = ["/dev/zero", "/dev/urandom", "zero", "folder", "pipe", "nowhere", "x" * 300, "file/below"]


@pytest.mark.parametrize("name", NO_FILES)
def test_what_a_user_names_is_read_unless_it_never_ends(name: str) -> None:
    Path("folder").mkdir()
    Path("file").write_bytes(b"\0x")
    Path("zero").symlink_to("/dev/zero")
    assert read_given(Path("file")) == b"\0x"
    os.mkfifo("pipe")
    for most in (None, 10) if name != "pipe" else (None,):
        with pytest.raises(CharrnnError, match=f"^{name[:20]}.*: cannot be read"):
            read_given(Path(name), most)


def test_a_pipe_is_read_where_its_length_is_bounded() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a prompt")
    os.close(writing)
    assert read_given(Path(f"/dev/fd/{reading}"), 10) == b"a prompt"
    os.close(reading)
    os.mkfifo("pipe")
    assert read_given(Path("pipe"), 10) == b""  # nobody writes into it


def test_no_more_is_read_than_is_allowed_or_fits_into_memory() -> None:
    file = Path("file")
    with file.open("wb") as stream:
        stream.truncate(2**42)  # four terabytes that take no place
    with pytest.raises(CharrnnError, match="file: it would take 70,368"):
        read_given(file, times=16)
    with pytest.raises(CharrnnError, match="file: larger than 100 bytes"):
        read_given(file, 100)


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_whole_as_private_as_another_and_replaces_nothing(
    links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, file = Path("source"), Path("new")
    source.touch()
    source.chmod(0o600)

    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    with new_file(file, like=source) as stream:
        stream.write(b"all of it")
        assert not file.exists()
    assert file.read_bytes() == b"all of it" and file.stat().st_mode & 0o777 == 0o600
    Path("dangling").symlink_to("nowhere")
    for name in ("new", "dangling", "."):
        with pytest.raises(CharrnnError, match="exists already"), new_file(Path(name), like=source):
            raise AssertionError
    for name in ("x" * 300, "nowhere/new", "new/below"):
        with pytest.raises(CharrnnError, match="cannot be written"), new_file(Path(name), like=source):
            raise AssertionError
    with pytest.raises(CharrnnError, match="late: cannot be written: File exists"), new_file(Path("late"), like=source):
        Path("late").write_text("of another process")
    assert Path("late").read_text() == "of another process"
    assert sorted(path.name for path in Path().iterdir()) == ["dangling", "late", "new", "source"]


def test_nothing_is_left_of_a_new_file_that_cannot_be_written_to_its_end() -> None:
    Path("source").touch()
    new = new_file(Path("new"), like=Path("source"))
    with pytest.raises(CharrnnError, match="new: cannot be written: No space left"), new as stream:
        stream.write(b"half")
        raise OSError(28, "No space left on device")
    assert [path.name for path in Path().iterdir()] == ["source"]


@pytest.mark.parametrize(
    ("written", "hollow"), [([], True), ([0], True), ([0, 2**22], True), (range(0, 2**23, 2**20), False)]
)
def test_a_file_of_holes_is_told_from_one_that_was_written(written: Iterable[int], hollow: bool) -> None:
    file = Path("file")
    with file.open("wb") as stream:
        for at in written:
            stream.seek(at)
            stream.write(b"x" * 2**18)
        stream.truncate(2**23)
    assert is_hollow(file) == hollow
    file.write_bytes(b"")
    assert not is_hollow(file)


def test_whatever_is_there_is_removed_but_not_what_it_leads_to() -> None:
    Path("folder/inner").mkdir(parents=True)
    Path("folder/inner/file").touch()
    Path("file").touch()
    for name, target in (("link", "file"), ("folders", "folder"), ("dangling", "nowhere"), ("loop", "loop")):
        Path(name).symlink_to(target)
        remove(Path(name))
    os.mkfifo("pipe")
    remove(Path("pipe"))
    assert sorted(map(str, Path().rglob("*"))) == ["file", "folder", "folder/inner", "folder/inner/file"]
    for name in ("folder", "file", "nothing"):
        remove(Path(name))
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("old", [None, "what was there"])
@pytest.mark.parametrize("fault", ["write", "sync", "replace", "text"])
def test_where_writing_fails_the_old_one_is_there_and_nothing_beside_it(
    old: str | None, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path("note.txt")
    if old is not None:
        file.write_text(old)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    def half(text: str) -> Iterator[str]:
        yield text[: len(text) // 2]
        full()

    text = "half a pair: \ud800" if fault == "text" else "what was to come"
    with monkeypatch.context() as patch:
        if fault == "sync":
            patch.setattr(files, "sync", full)
        elif fault == "replace":
            patch.setattr(Path, "replace", full)
        with pytest.raises(UnicodeEncodeError if fault == "text" else OSError):
            replace_text(file, half(text) if fault == "write" else text)
    assert [path.name for path in Path().iterdir()] == ([] if old is None else ["note.txt"])
    assert old is None or file.read_text() == old


def test_it_is_on_the_disk_before_it_takes_the_place_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    file, synced = Path("folder/note.txt"), []
    file.parent.mkdir()
    file.write_text("old")

    def seen(path: Path) -> None:
        synced.append((path.name, path.read_text() if path.is_file() else None, file.read_text()))
        sync(path)

    monkeypatch.setattr(files, "sync", seen)
    replace_text(file, "new")
    (_, written, old), last = synced
    assert (written, old) == ("new", "old")
    assert last == ("folder", None, "new")


def test_a_reader_never_sees_half_of_a_file() -> None:
    file = Path("note.txt")
    contents = {character * 50_000 for character in "abc"}
    replace_text(file, "a" * 50_000)
    seen: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(file.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            for content in sorted(contents):
                replace_text(file, content)
    finally:
        done.set()
        reader.join()
    assert seen and set(seen) <= contents


def test_waiting_for_the_disk_takes_files_and_folders_and_closes_them() -> None:
    Path("note.txt").write_text("x")
    open_files = Path("/proc/self/fd")
    before = len(list(open_files.iterdir())) if open_files.exists() else 0
    for path in (Path("note.txt"), Path()):
        for _ in range(3):
            sync(path)
    with pytest.raises(FileNotFoundError):
        sync(Path("nowhere"))
    assert (len(list(open_files.iterdir())) if open_files.exists() else 0) == before


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "pipe", "folder"])
def test_nothing_is_appended_to_what_a_stranger_put_there(kind: str, tmp_path: Path) -> None:
    file, diary = tmp_path / "samples.txt", tmp_path / "diary"
    if kind != "dangling link":
        diary.write_text("dear diary")
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "hard link":
        file.hardlink_to(diary)
    else:
        file.symlink_to(diary)
    with pytest.raises(OSError), open_to_append(file) as stream:
        stream.write(b"a sample")
    assert not diary.exists() if kind == "dangling link" else diary.read_text() == "dear diary"


def test_what_is_appended_comes_after_what_is_there(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        with open_to_append(tmp_path / "new") as stream:
            stream.write(text)
    assert (tmp_path / "new").read_bytes() == b"one\ntwo\n"
