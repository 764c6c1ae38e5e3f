"""Faults of what lies in the cache: encoded texts, compiled libraries, compilers; and of texts that change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kill
from provoke import WEIGHTS, Child, Done, NotProvoked, Place, Unexpected, expect, fault, paused, wait_until

OTHER, USER, GROUP = 65534, 54321, 54322
"""Another user, one who has no home folder and no name, and a group of several."""
SAMPLE = ("sample", "whole", "--length", "60", "--device", "cpu")


def only_root() -> None:
    """Raises NotProvoked for others."""
    if os.geteuid() != 0:
        raise NotProvoked("needs root")


def compiler() -> None:
    """Raises NotProvoked where there is none."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        raise NotProvoked("needs a C compiler")


def fresh(place: Path, mode: int = 0o755, owner: int | None = None) -> Path:
    """An empty folder."""
    shutil.rmtree(place, ignore_errors=True)
    place.unlink(missing_ok=True)
    place.mkdir(parents=True)
    place.chmod(mode)
    if owner is not None:
        os.chown(place, owner, owner)
    return place


def library(cache: Path) -> Path:
    """The one compiled library in a cache."""
    found = list((cache / "native").glob("sampling-*.so"))
    expect(len(found) == 1, f"one library in {cache}, not {len(found)}")
    return found[0]


def planted(place: Place) -> tuple[Path, Path]:
    """A library that leaves a mark when it is loaded, which is seen to do so, and the mark."""
    compiler()
    made, mark = place.folder / "planted.so", place.folder / "open" / "loaded"
    if not made.exists():
        fresh(mark.parent, 0o1777)
        source = place.folder / "planted.c"
        body = f'FILE *f = fopen("{mark}", "w"); if (f) fclose(f);'
        source.write_text(f"#include <stdio.h>\n__attribute__((constructor)) static void leave(void) {{ {body} }}\n")
        subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(made)], check=True)
        subprocess.run([sys.executable, "-c", f"import ctypes; ctypes.CDLL('{made}')"], check=True)
        expect(mark.exists(), "the planted library leaves its mark when it is loaded")
    mark.unlink(missing_ok=True)
    return made, mark


def plant(place: Place, folder: Path, name: str, owner: int) -> Path:
    """Puts the planted library, with a manifest that fits it, into a folder: as `owner` would."""
    from charrnn.native import facts_of

    file = folder / name
    shutil.copy(planted(place)[0], file)
    file.chmod(0o600)
    manifest = file.with_suffix(".json")
    manifest.write_text(json.dumps(facts_of(file)))
    for one in (file, manifest):
        os.chown(one, owner, owner)
    return file


def readable(place: Place) -> None:
    """Lets another user read the run."""
    place.folder.chmod(0o711)
    for file in (place.folder / "whole").rglob("*.safetensors"):
        file.chmod(0o644)


def sampled(place: Place) -> str:
    """What `sample` writes where nothing is wrong."""
    text = Child(place, SAMPLE).done()
    text.expect(text.code == 0 and not text.err, "a sample without a word")
    return text.out


def shared_caches(place: Place, name: str, me: int) -> Iterator[tuple[str, Path]]:
    """Caches that another user shares, each with a planted library: what is wrong with it, and $CHARRNN_CACHE."""
    shared, away = place.folder / "shared", place.folder / "away"

    def folder(path: Path, owner: int, mode: int = 0o700) -> Path:
        return fresh(path, mode, owner)

    def link(path: Path, to: Path) -> None:
        path.symlink_to(to)
        os.chown(path, OTHER, OTHER, follow_symlinks=False)

    fresh(shared, 0o1777)
    plant(place, folder(shared / "native", OTHER, 0o755), name, OTHER)
    yield "native/ of another user", shared
    fresh(shared, 0o1777)
    plant(place, folder(away, OTHER, 0o755), name, OTHER)
    link(shared / "native", away)
    yield "a link of another user to a folder of his", shared
    fresh(shared, 0o1777)
    plant(place, folder(away, me), name, me)
    link(shared / "native", away)
    yield "a link of another user to a folder of mine", shared
    fresh(shared, 0o1777)
    plant(place, folder(folder(away, me) / "native", me), name, me)
    link(shared / "link", away)
    yield "$CHARRNN_CACHE is a link of another user", shared / "link"
    fresh(shared, 0o1777)
    theirs = plant(place, folder(away, OTHER, 0o755), name, OTHER)
    mine = folder(shared / "native", me)
    for file in (theirs, theirs.with_suffix(".json")):
        os.link(file, mine / file.name)
    yield "a hard link of another user's file in native/ of mine", shared
    fresh(shared, 0o1777)
    file = plant(place, folder(shared / "native", me), name, me)
    os.chown(file, me, GROUP)
    file.chmod(0o660)
    yield "a file of mine that a group may write", shared
    fresh(shared)
    plant(place, folder(shared / "native", me), name, me)
    os.chown(shared, me, GROUP)
    shared.chmod(0o770)
    yield "a folder above that a group may write", shared
    for what, make in (
        ("a file called native", lambda path: path.write_bytes(b"")),
        ("a FIFO called native", os.mkfifo),
        ("a link called native to nothing", lambda path: path.symlink_to("nothing")),
    ):
        fresh(shared, 0o1777)
        make(shared / "native")
        os.chown(shared / "native", OTHER, OTHER, follow_symlinks=False)
        yield what, shared


@fault("a shared cache in which another user has planted a library under the name of ours")
def _(place: Place) -> str:
    only_root()
    _, mark = planted(place)
    text, told = sampled(place), 0
    readable(place)
    name = library(place.folder / "cache").name
    cases: list[str] = []
    for me in (0, USER):
        home = fresh(place.folder / f"home-{me}", 0o755, me)
        cases.clear()
        for what, cache in shared_caches(place, name, me):
            cases.append(what)
            change = {"CHARRNN_CACHE": str(cache), "HOME": str(home), "XDG_CACHE_HOME": None}
            done = Child(place, SAMPLE, change=change, user=me).done()
            done.expect(not mark.exists(), f"{what}: the library of the other user is not loaded")
            done.expect(done.code == 0 and done.out == text, f"{what}: the same text")
            done.expect(len(done.lines) <= 2, f"{what}: two lines at most")
            told += len(done.lines)
            owners = {file.stat().st_uid for file in (home / ".cache/charrnn/native").glob("*.so")}
            mended = "is compiled again" in done.err
            done.expect(mended or owners == {me}, f"{what}: compiled in his own cache, or again")
    return (
        f"{len(cases)} ways ({'; '.join(cases)}), as root and as a user: never loaded, the same text, own cache or "
        f"compiled again; told in {told} of {2 * len(cases)}"
    )


@fault("a shared cache in which another user has planted digests/ with a FIFO, and ids/")
def _(place: Place) -> str:
    only_root()
    import hashlib

    place.folder.chmod(0o711)
    shared, text = fresh(place.folder / "shared", 0o1777), place.folder / "text.txt"
    digests = fresh(shared / "digests", 0o755, OTHER)
    os.mkfifo(digests / hashlib.sha256(os.fsencode(text)).hexdigest()[:32], 0o644)
    done = Child(place, shortly(place, "digests"), change={"CHARRNN_CACHE": str(shared)}).done(20)
    done.expect(done.code in (0, 2), "ends")
    fresh(shared / "ids", 0o755, OTHER)
    for me in (0, USER):
        home = fresh(place.folder / "mine", 0o755, me)
        change: dict[str, str | None] = {"CHARRNN_CACHE": str(shared), "HOME": str(home), "XDG_CACHE_HOME": None}
        done = short(place, str(home / "run"), change=change, user=me)
        done.expect(done.code == 0 and "Traceback" not in done.err, "exit code 0")
        done.expect("your own cache folder is used" in done.err, "told")
        expect(len(list((home / ".cache/charrnn/ids").iterdir())) == 1, "encoded into his own cache folder")
        expect(not list((shared / "ids").iterdir()), "nothing is written there")
    return "told; encoded into the user's own cache folder"


@fault("a shared cache of another user: a planted text, planted links, `cache verify`, `cache clear`")
def _(place: Place) -> str:
    only_root()
    place.folder.chmod(0o711)
    shared, documents = place.folder / "shared", place.folder / "documents"
    names = ("0" * 32, "downloads", "tax.pdf")

    def planted_link(owner: int) -> None:
        fresh(shared, 0o777, owner)
        (shared / "ids").symlink_to(documents)
        os.chown(shared / "ids", owner, owner, follow_symlinks=False)

    def open_to_all(owner: int) -> None:
        fresh(shared, 0o777, owner)
        (shared / "downloads").symlink_to(documents)

    def of_theirs(owner: int) -> None:
        done = short(place, "theirs", change={"CHARRNN_CACHE": str(fresh(shared))})
        done.expect(done.code == 0, "exit code 0")
        for path in (shared, *shared.rglob("*")):
            os.chown(path, owner, owner)

    for me in (0, USER):
        home = fresh(place.folder / "mine", 0o755, me)
        change: dict[str, str | None] = {"CHARRNN_CACHE": str(shared), "HOME": str(home), "XDG_CACHE_HOME": None}
        for make in (planted_link, open_to_all, of_theirs):
            fresh(documents, 0o755, me)
            for name in names:
                (documents / name).write_text("mine")
            make(OTHER)
            before = sorted(shared.rglob("*"))
            for command in (("cache", "verify"), ("cache", "clear"), ("cache", "list")):
                done = Child(place, command, change=change, user=me).done()
                done.expect(done.code == 0 and "your own cache folder is used" in done.err, f"{command}: told")
            expect(sorted(shared.rglob("*")) == before, "nothing in the shared folder is removed")
            expect(sorted(file.name for file in documents.iterdir()) == sorted(names), "nor what a link leads to")
    return "told; nothing there is used or removed, nor what a link leads to; the user's own cache folder is used"


@fault("no HOME, and no entry in passwd")
def _(place: Place) -> str:
    _, mark = planted(place)
    text, root = sampled(place), os.geteuid() == 0
    name = library(place.folder / "cache").name
    me = USER if root else os.geteuid()
    here = fresh(place.folder / "here", 0o755, me if root else None)
    native = here / "~" / ".cache" / "charrnn" / "native"
    fresh(native, 0o700)
    plant(place, native, name, os.geteuid())
    if root:
        readable(place)
        for part in (native, *native.parents):
            if part.is_relative_to(here):
                os.chown(part, me, me)
        for file in native.iterdir():
            os.chown(file, me, me)
    before = sorted(here.rglob("*"))
    command = ("sample", str(place.folder / "whole"), *SAMPLE[2:])
    gone: dict[str, str | None] = {"CHARRNN_CACHE": None, "HOME": None, "XDG_CACHE_HOME": None}
    for change in ({}, {"HOME": "~"}, {"HOME": "here"}, {"XDG_CACHE_HOME": "~/.cache"}, {"HOME": "/nonexistent"}):
        done = Child(place, command, folder=here, change=gone | change, user=me if root else None).done()
        done.expect(done.code == 0 and done.out == text, f"{change}: the same text")
        done.expect(len(done.lines) == 1 and "without C" in done.err, f"{change}: told in one line")
        done.expect(
            not mark.exists() and sorted(here.rglob("*")) == before, f"{change}: nothing looked for, or made, here"
        )
    done = Child(
        place, ("eval", str(place.folder / "whole")), folder=here, change=gone, user=me if root else None
    ).done()
    done.expect(done.code == 2 and len(done.lines) == 1, "`eval` is refused in one line")
    done = Child(place, ("cache", "list"), folder=here, change=gone, user=me if root else None).done()
    done.expect(done.code in (0, 2) and len(done.lines) == 1, "`cache list` is empty, or refused in one line")
    return (
        "`sample` says in one line that it goes on without C; `eval` is refused in one line; nothing is looked for, or "
        "made, in the current folder; the same with HOME or XDG_CACHE_HOME relative, or a HOME that is not there"
    )


def short(
    place: Place,
    out: str,
    text: str = "text.txt",
    *extra: str,
    change: dict[str, str | None] | None = None,
    user: int | None = None,
) -> Done:
    """A training of two steps."""
    return Child(place, shortly(place, out, text, *extra), change=change, user=user).done()


def shortly(place: Place, out: str, text: str = "text.txt", *extra: str) -> tuple[str, ...]:
    """Its command."""
    config = kill.config("lstm", "stream", 2)
    config["corpus"]["path"] = str(place.folder / text)
    config["training"] |= {"warmup": None, "average_after": None}
    (place.folder / "short.json").write_text(json.dumps(config))
    if (place.folder / out / "run.json").exists():
        place.remove(out)
    return ("train", str(place.folder / "short.json"), "--out", out, "--device", "cpu", "--quiet", *extra)


def weights(place: Place, run: str) -> bytes:
    """Those of its last checkpoint."""
    return place.last(run).joinpath(WEIGHTS).read_bytes()


def large_text(place: Place) -> Path:
    """50 MB."""
    file = place.folder / "large.txt"
    if not file.exists():
        file.write_text(kill.TEXT * (50_000_000 // len(kill.TEXT) + 1), encoding="utf-8")
    return file


def reading(process: kill.Process, file: Path) -> int:
    """How far a process has read a file; -1 if it has not opened it."""
    try:
        for one in Path(f"/proc/{process.id}/fd").iterdir():
            if one.readlink() == file:
                info = Path(f"/proc/{process.id}/fdinfo/{one.name}").read_text()
                return int(info.partition("pos:")[2].split()[0])
    except OSError:
        pass
    return -1


@fault("a text of 50 MB that changes while it is read")
def _(place: Place) -> str:
    file, cache = large_text(place), place.folder / "changing"
    whole = file.read_bytes()
    change: dict[str, str | None] = {"CHARRNN_CACHE": str(cache)}
    fresh(cache)
    done = short(place, "untouched", file.name, change=change)
    done.expect(done.code == 0, "exit code 0")
    right = weights(place, "untouched")

    def overwrite() -> None:
        with file.open("r+b") as stream:
            stream.seek(1000)
            stream.write(b"X")
            stream.seek(len(whole) - 1000)
            stream.write(b"X")

    def append() -> None:
        with file.open("ab") as stream:
            stream.write(b"more\n")

    def replace() -> None:
        other = file.with_name("other.txt")
        other.write_bytes(whole.replace(b"cat", b"dog"))
        other.replace(file)

    ways: list[Callable[[], None]] = [overwrite, append, replace, lambda: os.truncate(file, 20_000_000), file.unlink]
    moments = tried = 0
    for way in ways:
        for moment in ("hashed", "counted", "encoded"):
            fresh(cache)
            file.write_bytes(whole)
            process = Child(place, shortly(place, "changed", file.name), change=change)
            passes = {"hashed": 1, "counted": 2, "encoded": 3}[moment]
            wait_for_pass(process, file, passes)
            with paused(process):
                encoding = any((cache / "ids").glob(".building-*"))
                expect(encoding == (moment == "encoded"), f"paused while it was {moment}")
                way()
            done = process.done()
            tried += 1
            gone = way == file.unlink and moment != "encoded"
            if done.code == 0:  # what was read is whole: the text that it was, or the text that it is now
                found = weights(place, "changed")
                if found != right:
                    fresh(cache)
                    done = short(place, "now", file.name, change=change)
                    done.expect(
                        done.code == 0 and weights(place, "now") == found, f"a whole text was read when {moment}"
                    )
                continue
            moments += 1
            done.expect(done.code == 2 and len(done.lines) == 1, "exit code 2, one message")
            done.expect("changed while" in done.err or gone, "it is told")
            done.expect(not list((cache / "ids").glob("*")), "nothing is cached")
    file.write_bytes(whole)
    done = short(place, "restored", file.name, change=change)
    done.expect(done.code == 0 and weights(place, "restored") == right, "the right result when it is restored")
    return (
        f"overwritten, appended to, replaced, cut short, removed; while it is hashed, counted, encoded: {moments} "
        f"times refused, exit code 2, nothing cached; {tried - moments} times read whole, as it was or as it is; "
        "restored: the right result"
    )


def wait_for_pass(process: Child, file: Path, number: int) -> None:
    """Waits until a process is in the middle of reading a file for the n-th time."""
    passed, before = 1, 0

    def there() -> bool:
        nonlocal passed, before
        at = reading(process, file)
        if at < 0:
            return process.over() is not None
        passed, before = passed + (at < before), at
        return passed == number and 2_000_000 < at < 40_000_000

    wait_until(there, f"pass {number} over the text")
    expect(process.over() is None, "still at work", process)


@fault("an encoded text in the cache: every file damaged, and the entry itself")
def _(place: Place) -> str:
    cache = fresh(place.folder / "entries")
    change: dict[str, str | None] = {"CHARRNN_CACHE": str(cache)}
    done = short(place, "untouched", change=change)
    done.expect(done.code == 0, "exit code 0")
    right, (entry,) = weights(place, "untouched"), (cache / "ids").iterdir()
    figure = Child(place, ("eval", "untouched"), change=change).done()
    figure.expect(figure.code == 0, "exit code 0")
    kept = place.folder / "entry"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(entry, kept)
    facts = json.loads((entry / "dataset.json").read_text())

    def flip(file: Path) -> None:
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes(raw)

    def other(file: Path, make: Callable[[Path], object]) -> None:
        file.unlink()
        make(file)

    damages: dict[str, Callable[[Path], object]] = {
        "cut short": lambda file: os.truncate(file, file.stat().st_size // 2),
        "flipped": flip,
        "empty": lambda file: os.truncate(file, 0),
        "missing": Path.unlink,
        "a folder": lambda file: other(file, Path.mkdir),
        "a FIFO": lambda file: other(file, os.mkfifo),
        "a link to /dev/zero": lambda file: other(file, lambda path: path.symlink_to("/dev/zero")),
        "3 GB": lambda file: os.truncate(file, 3 * 10**9),
    }
    manifests: dict[str, object] = {
        "a list": [],
        "another type": facts | {"dtype": 3},
        "a type of a later version": facts | {"dtype": "uint64"},
        "no files, and the size of another": facts | {"files": {}, "characters": 3},
        "names outside": facts | {"files": {"../../../text.txt": facts["files"]["ids.bin"]}},
    }
    trials: list[tuple[str, Callable[[], object]]] = []
    for name in ("ids.bin", "vocab.json", "dataset.json"):
        trials += [(f"{name} {what}", lambda n=name, d=d: d(entry / n)) for what, d in damages.items()]  # type: ignore[misc]
    for what, manifest in manifests.items():
        text = json.dumps(manifest)
        trials.append((f"the manifest: {what}", lambda text=text: (entry / "dataset.json").write_text(text)))  # type: ignore[misc]
    trials.append(("garbage", lambda: (entry / "dataset.json").write_bytes(b"\xff{")))
    for what, make in (
        ("a file", lambda: entry.write_bytes(b"x")),
        ("a FIFO", lambda: os.mkfifo(entry)),
        ("a link to nothing", lambda: entry.symlink_to("nothing")),
        ("a link to itself", lambda: entry.symlink_to(entry)),
        ("an empty folder", entry.mkdir),
    ):
        trials.append((f"the entry is {what}", lambda make=make: replaced(entry, make)))  # type: ignore[misc]
    for number, (what, damage) in enumerate(trials):
        restore(kept, entry)
        damage()
        if number % 4 == 0:  # `eval` first: it has no text at hand
            done = Child(place, ("eval", "untouched"), change=change).done()
            done.expect(done.code == 2 and "its text is not in the cache" in done.err, f"{what}: `eval` says so")
        else:
            done = short(place, "again", change=change)
            done.expect(done.code == 0 and weights(place, "again") == right, f"{what}: encoded again, the same weights")
        told = [line for line in done.lines if "it is removed from the cache" in line]
        done.expect(len(told) == 1, f"{what}: told once")
        done.expect("Traceback" not in done.err, f"{what}: no traceback")
        if number % 4 == 0:
            done = short(place, "again", change=change)
            done.expect(done.code == 0 and not done.err, f"{what}: encoded again")
        same = Child(place, ("eval", "again"), change=change).done()
        same.expect(same.code == 0 and not same.err and same.out == figure.out, f"{what}: the same figure")
    restore(kept, entry)
    (entry / "dataset.json").write_text(json.dumps(facts | {"later": {"key": 1}}))
    done = Child(place, ("eval", "untouched"), change=change).done()
    done.expect(done.code == 0 and done.out == figure.out, "a key of a later version is passed over")
    return (
        f"{len(trials)} damages: told once, encoded again; `eval` without the text at hand says so; weights and figure "
        "are those of an untouched cache"
    )


def replaced(entry: Path, make: Callable[[], object]) -> None:
    """Puts something else in the place of a folder."""
    shutil.rmtree(entry)
    make()


def restore(kept: Path, entry: Path) -> None:
    """Puts an entry of the cache back as it was."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
    shutil.copytree(kept, entry)


@fault("one byte in the midst of a large encoded text")
def _(place: Place) -> str:
    file, cache = large_text(place), fresh(place.folder / "verified")
    change: dict[str, str | None] = {"CHARRNN_CACHE": str(cache)}
    done = short(place, "large", file.name, change=change)
    done.expect(done.code == 0, "exit code 0")
    (ids,) = cache.glob("ids/*/ids.bin")
    with ids.open("r+b") as stream:
        stream.seek(5_000_000)
        stream.write(b"\x00" if stream.read(1) != b"\x00" else b"\x01")
    done = Child(place, ("cache", "verify"), change=change).done()
    done.expect(done.code == 1 and "ids.bin is damaged; removed" in done.out, "`cache verify` finds it")
    expect(not ids.exists(), "it is removed")
    done = Child(place, ("cache", "verify"), change=change).done()
    done.expect(done.code == 0, "`cache verify` is content")
    return "`charrnn cache verify` names and removes it, exit code 1"


@fault("a compiled library cut short, zeroed, flipped, empty, removed, replaced, a folder; its manifest likewise")
def _(place: Place) -> str:
    planted_file, mark = planted(place)
    text, cache = sampled(place), fresh(place.folder / "libraries")
    change: dict[str, str | None] = {"CHARRNN_CACHE": str(cache)}
    done = Child(place, SAMPLE, change=change).done()
    done.expect(done.code == 0 and not done.err and done.out == text, "compiled without a word")
    made = library(cache)
    kept = place.folder / "native"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(made.parent, kept)
    raw, manifest = made.read_bytes(), made.with_suffix(".json")

    def flip() -> None:
        made.write_bytes(raw[:2000] + bytes([raw[2000] ^ 1]) + raw[2001:])

    def other(file: Path, make: Callable[[Path], object]) -> None:
        file.unlink()
        make(file)

    damages: dict[str, Callable[[], object]] = {
        "cut short": lambda: os.truncate(made, 1000),
        "zeros": lambda: made.write_bytes(bytes(len(raw))),
        "flipped": flip,
        "empty": lambda: os.truncate(made, 0),
        "replaced": lambda: shutil.copy(planted_file, made),
        "replaced, of the same size": lambda: made.write_bytes(planted_file.read_bytes().ljust(len(raw), b"\0")),
        "a link to another": lambda: other(made, lambda path: path.symlink_to(planted_file)),
        "a FIFO": lambda: other(made, os.mkfifo),
        "a folder": lambda: other(made, Path.mkdir),
        "without its manifest": manifest.unlink,
        "with an empty manifest": lambda: manifest.write_text(""),
        "with another manifest": lambda: manifest.write_text('{"bytes": 1, "sha256": "00"}'),
        "with a folder as its manifest": lambda: other(manifest, Path.mkdir),
        "with a FIFO as its manifest": lambda: other(manifest, os.mkfifo),
    }
    for what, damage in damages.items():
        restore(kept, made.parent)
        damage()
        done = Child(place, SAMPLE, change=change).done()
        done.expect(not mark.exists(), f"{what}: not loaded")
        done.expect(done.code == 0 and done.out == text, f"{what}: the same text")
        done.expect(len(done.lines) == 1 and "it is compiled again" in done.err, f"{what}: told in one line")
        done = Child(place, SAMPLE, change=change).done()
        done.expect(done.code == 0 and not done.err and library(cache).is_file(), f"{what}: then all is well")
    made.unlink()
    done = Child(place, SAMPLE, change=change).done()
    done.expect(done.code == 0 and not done.err and library(cache).is_file(), "removed: compiled without a word")
    return f"{len(damages)} damages: told once, compiled again, never loaded, the same text; removed: compiled again"


def script(place: Place, name: str, text: str) -> str:
    """An executable file."""
    file = place.folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


@fault("a compiler that hangs, fails, writes garbage or nothing, talks without end, or is none")
def _(place: Place) -> str:
    compiler()
    text = sampled(place)
    garbage = 'for last; do :; done; while [ "$1" ] && [ "$1" != -o ]; do shift; done; echo garbage > "$2"'
    hanging = script(place, "hanging", "sleep 1000")
    broken = script(place, "garbage", garbage)
    unable = place.folder / "unable"
    unable.write_text('#!/bin/sh\nexec cc "$@"\n')
    unable.chmod(0o644)
    cases = {
        hanging: "did not end in",
        script(place, "ignorant", "trap '' TERM INT HUP; while :; do sleep 1000; done"): "did not end in",
        "false": "could not be compiled",
        script(place, "dying", "kill -SEGV $$"): "could not be compiled",
        broken: "without C",
        "true": "without C",
        script(place, "talking", "exec yes"): "did not end in",
        'gcc "x': "is no command",
        str(place.folder): "there is no such compiler",
        str(unable): "there is no such compiler",
        "/nonexistent/cc": "there is no such compiler",
        " \t": "",
        "": "",
    }
    longest = most = 0.0
    for command, told in cases.items():
        cache = fresh(place.folder / "compilers")
        done = Child(place, SAMPLE, change={"CHARRNN_CACHE": str(cache), "CC": command}, before=limited).done()
        name = command.rpartition("/")[2]
        done.expect(done.code == 0 and done.out == text, f"CC={name}: the same text")
        done.expect(len(done.lines) == bool(told) and told in done.err, f"CC={name}: told in one line")
        done.expect(done.megabytes < 1000, f"CC={name}: less than a gigabyte of memory ({done.megabytes:,.0f} MB)")
        expect(not list((cache / "native").glob(".compiling-*")), f"CC={name}: nothing is left")
        longest, most = max(longest, done.seconds), max(most, done.megabytes)
    cache = fresh(place.folder / "compilers")
    change: dict[str, str | None] = {"CHARRNN_CACHE": str(cache), "CC": broken}
    Child(place, SAMPLE, change=change).done()
    script(place, "garbage", 'exec cc "$@"')
    done = Child(place, SAMPLE, change=change).done()
    done.expect(done.code == 0 and done.out == text, "the same text")
    mended = library(cache).stat().st_size > 1000
    done.expect(mended, "what a broken compiler wrote is compiled again when it is mended")
    return (
        f"told in one line, without C, the same text, nothing left, {longest:.0f} s and {most:.0f} MB at most; an "
        "empty CC is none; what a broken compiler wrote is compiled again"
    )


def limited() -> None:
    """Lets a process have 4 GB of memory more than it has, so that a mistake does not end the machine."""
    import resource

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 4 * 2**30, resource.RLIM_INFINITY))


@fault("folders that builders left: of dead ones, and of living ones")
def _(place: Place) -> str:
    compiler()
    cache, long_ago = fresh(place.folder / "builders"), time.time() - 7200
    change: dict[str, str | None] = {"CHARRNN_CACHE": str(cache)}
    dead: list[Path] = []
    recent: list[Path] = []
    for name in ("ids/.building-dead", "ids/.gone-dead-1", "native/.compiling-dead"):
        for folder, left in ((cache / name, dead), (cache / f"{name}-not", recent)):
            folder.mkdir(parents=True)
            (folder / "ids.bin").write_bytes(b"x" * 1000)
            left.append(folder)
    (cache / "native").chmod(0o700)
    for folder in dead:
        for one in (folder / "ids.bin", folder):
            os.utime(one, (long_ago, long_ago))
    file = large_text(place)
    living = Child(place, shortly(place, "living", file.name), change=change)
    wait_for_pass(living, file, 3)
    with paused(living):
        (building,) = {*(cache / "ids").glob(".building-*")} - {*dead, *recent}
        os.utime(building, (long_ago, long_ago))  # as of a long text: it was begun long ago, and is being written to
        done = short(place, "beside", change=change)
        done.expect(done.code == 0, "exit code 0")
        kept = building.is_dir()
    slow = script(place, "slow", 'sleep 3; exec cc "$@"')
    compiling = Child(place, SAMPLE, change=change | {"CC": slow})
    others = {*dead, *recent}
    wait_until(lambda: not others.issuperset((cache / "native").glob(".compiling-*")), "a compiler at work")
    beside = Child(place, SAMPLE, change=change).done()
    beside.expect(beside.code == 0 and not beside.err, "compiled beside it")
    expect(not any(folder.exists() for folder in dead), "those of dead ones are removed")
    expect(all(folder.is_dir() for folder in recent), "younger ones are kept")
    done = compiling.done()
    done.expect(done.code == 0 and not done.err, "the slow compiler comes to its end")
    if not kept:
        raise Unexpected("not so: the folder of a living builder that began two hours ago, and still writes, is kept")
    done = living.done()
    done.expect(done.code == 0, "the living builder comes to its end")
    return "of dead ones: removed after an hour; of living ones: kept, also where they began two hours ago"
