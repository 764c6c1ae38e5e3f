"""C is loaded only where nobody else could have put it, and only if it is what was compiled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import native
from charrnn.native import NoLibrary, fault

needs_c = pytest.mark.skipif(shutil.which("cc") is None or os.name == "nt", reason="no C compiler here")
PROGRAM = "from charrnn import native; print(native.load('sampling') is not None)"


def load(cache: Path, **environment: str) -> tuple[bool, str]:
    """Whether a new process gets the library, and what it says."""
    own = {"CHARRNN_CACHE": str(cache), "XDG_CACHE_HOME": str(cache.parent / "home"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | own, capture_output=True, encoding="utf-8", cwd=cache.parent
    )
    assert done.returncode == 0, done.stderr
    return done.stdout == "True\n", done.stderr


def library(cache: Path) -> Path:
    (found,) = (cache / "native").glob("sampling-*.so")
    return found


@needs_c
def test_it_is_compiled_once_into_a_folder_of_mine(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert load(cache) == (True, "")
    assert (cache / "native").stat().st_mode & 0o777 == 0o700
    made = library(cache)
    before = made.stat().st_mtime_ns
    assert made.stat().st_mode & 0o077 == 0
    assert load(cache) == (True, "")
    assert made.stat().st_mtime_ns == before
    assert [file for file in (cache / "native").iterdir() if file.name.startswith(".")] == []


@needs_c
@pytest.mark.parametrize("damage", ["truncated", "empty", "zeros", "one bit", "no manifest", "manifest of another"])
def test_a_damaged_library_is_never_loaded_and_made_again(damage: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load(cache)
    made = library(cache)
    raw = bytearray(made.read_bytes())
    manifest = made.with_suffix(".json")
    if damage == "no manifest":
        manifest.unlink()
    elif damage == "manifest of another":
        manifest.write_text(json.dumps({"bytes": len(raw), "sha256": "0" * 64}))
    else:
        whole = bytes(raw)
        raw[2000] ^= 1
        changed = {"truncated": whole[:1000], "empty": b"", "zeros": bytes(len(whole)), "one bit": bytes(raw)}
        made.write_bytes(changed[damage])
    got, said = load(cache)
    assert got and said.count("it is compiled again") == 1
    assert load(cache) == (True, "")


@pytest.mark.skipif(os.name == "nt", reason="nothing is compiled there")
@pytest.mark.parametrize("damage", ["deep", "large", "no object", "folder", "pipe", "library is a folder", "both are"])
def test_whatever_a_manifest_is_it_is_a_fault_and_gives_way(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = b"no library at all"

    def compile_again(_: object, __: object, ___: object, library: Path) -> None:
        library.write_bytes(compiled)
        library.with_suffix(".json").write_text(json.dumps(native.facts_of(library)))

    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", sys.executable)  # it is only looked for
    monkeypatch.setattr(native, "_compile", compile_again)
    made = native._library(native.SOURCES / "sampling.c", "")
    manifest = made.with_suffix(".json")
    assert fault(made) is None
    texts = {"deep": "[" * 100_000, "large": "[" + "[]," * 2_000_000 + "[]]", "no object": "[1]"}
    for file in {"library is a folder": [made], "both are": [made, manifest]}.get(damage, [manifest]):
        file.unlink()
        if damage in texts:
            file.write_text(texts[damage])
        elif damage == "pipe":
            os.mkfifo(file)
        else:
            (file / "inner").mkdir(parents=True)
    assert fault(made) is not None
    assert native._library(native.SOURCES / "sampling.c", "") == made
    assert fault(made) is None and made.read_bytes() == compiled


@needs_c
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("place", ["file", "folder", "above"])
def test_a_library_of_another_user_is_not_run(place: str, tmp_path: Path) -> None:
    """It is made to say something when it is loaded; a new one is made in the user's own cache."""
    cache = tmp_path / "shared" / "cache"
    cache.parent.mkdir()
    load(cache)
    made = library(cache)
    planted = tmp_path / "planted.c"
    planted.write_text('#include <stdio.h>\n__attribute__((constructor)) void f(void) { puts("planted"); }\n')
    subprocess.run(["cc", "-shared", "-fPIC", str(planted), "-o", str(made)], check=True)
    made.with_suffix(".json").write_text(json.dumps(native.facts_of(made)))
    assert fault(made) is None  # what is in it is not the question
    os.chown({"file": made, "folder": made.parent, "above": cache.parent}[place], 65534, 65534)
    got, said = load(cache, XDG_CACHE_HOME=str(tmp_path / "home"))
    assert got  # "planted" would stand before it
    if place == "file":
        assert "belongs to another user" in said
        assert made.stat().st_uid == os.geteuid()
    else:
        assert list((tmp_path / "home" / "charrnn" / "native").glob("*.so"))


@needs_c
def test_nor_is_one_that_others_may_write(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load(cache)
    (cache / "native").chmod(0o777)
    got, said = load(cache)
    assert got and said.count("may be written by others") == said.count("\n") == 1
    assert list((tmp_path / "home" / "charrnn" / "native").glob("sampling-*.so"))
    (cache / "native").chmod(0o700)
    cache.chmod(0o1777)  # as /tmp is: what lies in it is mine
    before = library(cache).stat().st_mtime_ns
    assert load(cache) == (True, "")
    assert library(cache).stat().st_mtime_ns == before


def test_without_a_home_it_goes_on_without(tmp_path: Path) -> None:
    """Also where an older platformdirs gives a folder relative to the current one."""
    program = (
        "import sys, platformdirs; platformdirs.user_cache_dir = lambda name: '~/.cache/' + name;"
        "import os; os.environ.pop('CHARRNN_CACHE', None);" + PROGRAM
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert done.stdout == "False\n"
    assert "HOME is not set" in done.stderr and "without C" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("compiler", "told"),
    [('gcc "x', "is no command"), ("/nonexistent/cc", "there is no such compiler"), ("false", "could not be compiled")],
)
def test_a_compiler_that_is_none_is_told_once(compiler: str, told: str, tmp_path: Path) -> None:
    got, said = load(tmp_path / "cache", CC=compiler)
    assert not got
    assert told in said and said.count("\n") == 1


def test_a_compiler_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "cc"
    hanging.write_text("#!/bin/sh\nsleep 100\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("CC", str(hanging))
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(native, "PATIENCE", 0.2)
    with pytest.raises(NoLibrary, match="did not end in"):
        native._library(native.SOURCES / "sampling.c", "")
    assert [file.name for file in (tmp_path / "cache" / "native").iterdir()] == []
