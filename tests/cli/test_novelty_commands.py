"""What is copied, from the command line: what is told, what is refused, and what is written without any of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import charrnn
from charrnn.cli import app

pytest.importorskip("pydivsufsort", reason="pydivsufsort is not installed: pip install 'charrnn[novelty]'")

LINE = "the quick brown fox jumps over the lazy dog and runs away."
TEXT = "\n".join(f"{number} {LINE[number % 20 :]}" for number in range(400))


def trained(folder: Path, **more: object) -> Path:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    config = {"corpus": {"path": str(folder / "text.txt"), "mode": "stream"}, "model": {"cell": "ngram", "order": 5}}
    return charrnn.train(config | more, out=folder / "run", quiet=True).path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("novelty"))


def training_part(path: Path) -> str:
    """The text that was learnt from, with a mark between its pieces."""
    run = charrnn.load(path)
    part = run.dataset().part("train", run.config.corpus)
    characters = run.vocabulary.characters
    return "\0".join("".join(characters[i] for i in part.ids[a:b].tolist()) for a, b in part.spans.tolist())


def out(*arguments: str | Path) -> tuple[str, str]:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.stderr
    return done.stdout, done.stderr


def test_a_file(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(f"zzz\nzz{LINE}zz\n", encoding="utf-8")
    shown, _ = out("novelty", run, file)
    assert "people (held out)" in shown and f"{len(LINE)}" in shown and "line 2" in shown
    document = json.loads(out("novelty", run, file, "--json", "--runs", "5,50")[0])
    (one,) = document["texts"]
    assert document["all"]["share"] == one["share"] == {size: len(LINE) / one["characters"] for size in ("5", "50")}
    longest = one["longest"][0]
    assert (longest["text"], longest["start"], longest["length"]) == (LINE, 6, len(LINE))
    assert TEXT.split("\n")[longest["line"] - 1].endswith(longest["text"])
    assert document["held_out"]["characters"] > 0


def test_what_is_written(run: Path) -> None:
    how = ("sample", run, "--prompt", "1 ", "--seed", "1", "--length", "200", "--samples", "2")
    plain, told = out(*how, "--novelty")
    assert plain == out(*how)[0] and "copied from the corpus" in told and "people (held out)" in told
    for one in json.loads(out(*how, "--novelty", "--json")[0]):
        assert one["novelty"]["characters"] == len(one["text"]) - 2 and one["novelty"]["longest"]
        assert set(one["novelty"]["share"]) == set(one["novelty"]["held_out"]) == {"4", "6", "8", "10"}


def test_original(run: Path) -> None:
    corpus = training_part(run)
    texts = json.loads(
        out("sample", run, "--prompt", "the quick", "--original", "6", "--samples", "5", "--length", "100", "--json")[0]
    )
    for one in texts:
        text = one["text"]
        assert len(text) == 109 and one["constraint_bits"] > 0
        assert not any(text[i : i + 6] in corpus for i in range(4, len(text) - 5))
    assert "quick " in corpus


def test_colours(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(f"zzzz{LINE}\n", encoding="utf-8")
    shown, told = out("score", run, file, "--novelty")
    assert re.sub(r"\x1b\[[\d;]*m", "", shown) == f"zzzz{LINE}\n" and "red" in told
    shades = [shade for shade, character in re.findall(r"\x1b\[38;5;(\d+)m(.)", shown) if character != "\n"]
    assert len({*shades[:4]}) == len({*shades[4:]}) == 1 and shades[0] != shades[4]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["novelty", "RUN", "EMPTY"], "empty"),
        (["score", "RUN", "EMPTY", "--novelty"], "empty"),
        (["novelty", "RUN", "MISSING"], "missing.txt"),
        (["novelty", "RUN", "FILE", "--runs", "1,4"], "--runs 1,4"),
        (["novelty", "RUN", "FILE", "--runs", "a"], "--runs a"),
        (["novelty", "RUN", "FILE", "--text", "FILE"], "another text"),
        (["novelty", "FILE", "FILE"], "not a folder"),
        (["score", "RUN", "FILE", "--novelty", "--json"], "--novelty"),
        (["sample", "RUN", "--original", "1"], "--original 1"),
        (["sample", "RUN", "--original", "-5"], "--original -5"),
        (["sample", "RUN", "--original", "100000"], "--original 100000"),
        (["sample", "RUN", "--original", "8", "--stop", "a"], "--stop a"),
        (["sample", "RUN", "--original", "8", "--stream"], "--stream"),
    ],
)
def test_what_is_refused(
    run: Path,
    tmp_path: Path,
    arguments: list[str],
    said: str,
    refused: Callable[..., str],
) -> None:
    (tmp_path / "mine.txt").write_text("some text\n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    places = {"RUN": run, "FILE": "mine.txt", "EMPTY": "empty.txt", "MISSING": "missing.txt"}
    assert said in refused(*(str(places.get(one, one)) for one in arguments))


def test_where_the_text_is_gone_it_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    run = trained(tmp_path)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "mine.txt").write_text(LINE, encoding="utf-8")
    for command in (["novelty", str(run), "mine.txt"], ["sample", str(run), "--original", "9"]):
        assert "--text FILE" in refused(*command)
    assert "line" in out("novelty", run, "mine.txt", "--text", tmp_path / "text.txt")[0]
    assert out("sample", run, "--original", "9")[0]  # it is in the cache again


def test_bytes(tmp_path: Path) -> None:
    run = trained(tmp_path, vocab={"kind": "byte"})
    (tmp_path / "mine.txt").write_text(f"é{LINE}", encoding="utf-8")
    assert "bytes" in out("novelty", run, "mine.txt")[0]
    out("score", run, "mine.txt", "--novelty")
    opened = charrnn.load(run)
    (one,) = opened.sample("1 ", original=7, length=50)
    assert one.data is not None and len(one.data) == 52
    learnt = training_part(run)
    assert not any(one.data[i : i + 7].decode("latin-1") in learnt for i in range(46))
    (told,) = json.loads(out("sample", run, "--original", "7", "--length", "50", "--novelty", "--json")[0])
    assert told["novelty"]["share"]["8"] == 0 and told["novelty"]["characters"] == 50
    assert opened.novelty(LINE) == opened.novelty(LINE.encode())
