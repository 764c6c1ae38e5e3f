"""Verse from the command line: what is asked for is written, judged and mended; what cannot be is one message."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import charrnn
from charrnn.cli import app
from charrnn.verse.check import judge, judge_as, lines_of
from charrnn.verse.forms import find_form
from charrnn.verse.modern import xinyun
from charrnn.verse.readings import pingshui

TONES = ("--tones", "--rhyme", "any")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An n-gram of regulated poems, counted in a second."""
    config = {"corpus": {"name": "tang-regulated"}, "model": {"cell": "ngram", "order": 3}}
    return charrnn.train(config, out=tmp_path_factory.mktemp("verse") / "run", quiet=True).path


def out(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def poems(text: str) -> list[str]:
    return text.strip().split("\n\n")


@pytest.mark.parametrize("form", ["qijue", "五律"])
def test_regulated_verse(run: Path, form: str) -> None:
    written = poems(out("sample", run, "--form", form, *TONES, "--samples", "5", "--seed", "1"))
    assert len(written) == 5 and all(judge(poem, pingshui()).is_right for poem in written)


@pytest.mark.parametrize("tune", ["菩薩蠻", "西江月", "浣溪沙"])
def test_ci(run: Path, tune: str, tmp_path: Path) -> None:
    text = out("sample", run, "--form", tune, *TONES, "--samples", "3", "--seed", "2")
    assert all(judge_as(poem, find_form(tune), pingshui()).is_right for poem in poems(text))
    (tmp_path / "ci.txt").write_text(text, encoding="utf-8")
    assert "3 of 3 right" in out("verse", "check", "--form", tune, tmp_path / "ci.txt")
    document = json.loads(out("verse", "check", "--form", tune, tmp_path / "ci.txt", "--json"))
    assert [one["right"] for one in document] == [True] * 3


def test_todays_rhymes(run: Path) -> None:
    for poem in poems(out("sample", run, "--form", "5x4", "--rhyme", "xinyun", "--samples", "3", "--seed", "1")):
        groups = [xinyun().groups(line[-1]) & xinyun().level.keys() for line in lines_of(poem)[1::2]]
        assert set.intersection(*map(set, groups))


def test_words_and_an_acrostic(run: Path) -> None:
    asked = ("--acrostic", "春夏秋冬", "--words", "明月，白雲", "--samples", "3", "--seed", "3")
    for poem in poems(out("sample", run, "--form", "qijue", *TONES, *asked)):
        lines = lines_of(poem)
        assert "".join(line[0] for line in lines) == "春夏秋冬" and judge(poem, pingshui()).is_right
        assert any("明月" in line for line in lines) and any("白雲" in line for line in lines)


def test_the_best_of_several_has_the_lowest_score_of_them(run: Path) -> None:
    asked = ("--form", "wujue", "--seed", "4", "--json")
    (best,) = json.loads(out("sample", run, *asked, "--best-of", "6"))
    every = json.loads(out("sample", run, *asked, "--samples", "6"))
    assert best["text"] == every[best["index"]]["text"] and "rank" not in every[0]
    scores = []
    for one in every:
        poem, written = "".join(lines_of(one["text"])), len(one["text"]) + 1
        faults = len(judge(one["text"], pingshui()).faults)
        faults += sum(c in poem[:i] and poem[i - 1] != c for i, c in enumerate(poem))
        scores.append((-one["log_prob"] / math.log(2) + 8 * faults) / written)
    assert best["index"] == scores.index(min(scores)) and math.isclose(best["rank"]["score"], min(scores))


def test_mending(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "poems.txt"
    file.write_text(
        "白日依山盡，黃河入海東。\n欲窮千里目，更上一層樓。\n\n白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。\n"
    )
    first, second = poems(out("verse", "mend", run, file))
    assert judge(first, pingshui()).is_right and second == "白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。"
    documents = json.loads(out("verse", "mend", run, file, "--json"))
    assert [len(one["changes"]) for one in documents] == [1, 0] and documents[0]["text"] == first


def test_learning_tunes(tmp_path: Path) -> None:
    file = tmp_path / "ci.txt"
    poem = "《甲》無名\n白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。"
    file.write_text("\n\n".join([poem] * 4), encoding="utf-8")
    learnt = out("forms", "learn", file, "--least", "3")
    assert learnt.splitlines()[:2] == ["甲:", "  poems: 4 of 4 poems"] and "平平仄仄平。a" in learnt
    (tmp_path / "one.txt").write_text(poem, encoding="utf-8")
    (tmp_path / "my.yaml").write_text("lines:\n" + learnt.split("lines:\n")[1], encoding="utf-8")
    assert "1 of 1 right" in out("verse", "check", "--form", tmp_path / "my.yaml", tmp_path / "one.txt")


def test_every_form_can_be_shown() -> None:
    forms = json.loads(out("forms", "list", "--json"))
    assert len(forms) > 100
    for one in (*forms[:6], forms[-1]):
        shown = out("forms", "show", one["name"])
        assert len(re.findall(r"^\d+ ", shown, re.MULTILINE)) == len(one["lines"]) * len(one["ways"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--form", "wujue", "--acrostic", "春Ж"], "Ж"),
        (["--form", "wujue", "--acrostic", "春夏秋冬春"], "5 characters, and 4 lines"),
        (["--form", "wujue", "--rhyme", "Ж"], "no rhyme group of level tone; there are 東 冬"),
        (["--form", "水调歌"], "水调歌头"),
        (["--form", "水调歌头", *TONES, "--rhyme", "Ж"], "no rhyme group"),
        (["--form", "5x4", "--tones"], "has no tones"),
        (["--form", "wujue", *TONES, "--words", "love"], "vocabulary of"),
        (["--form", "wujue", *TONES, "--words", "春夏秋冬春夏"], "find no places"),
        (["--form", "wujue", "--rhyme", "any", "--rhyme-table", "no.yaml"], "no.yaml"),
        (["--words", "明月"], "give --form too"),
        (["--form", "wujue", "--acrostic-at", "middle", "--acrostic", "春"], "start, end, diagonal"),
    ],
)
def test_what_cannot_be_is_one_message(
    run: Path,
    arguments: list[str],
    words: str,
    refused: Callable[..., str],
) -> None:
    assert words in refused("sample", run, *arguments)


@pytest.mark.parametrize(
    ("command", "text", "words"),
    [
        (["verse", "check"], "no verse", "no poem in it"),
        (["verse", "check", "--form", "nothing"], "白日", "no such form"),
        (["forms", "learn"], "白日\n依山盡。", "no tune of 15 poems"),
    ],
)
def test_files_that_are_none(
    command: list[str],
    text: str,
    words: str,
    tmp_path: Path,
    refused: Callable[..., str],
) -> None:
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    assert words in refused(*command, tmp_path / "text.txt")


def test_a_poem_of_no_form_is_not_mended(run: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "text.txt").write_text("白日，依山盡。", encoding="utf-8")
    assert "lines of 2、3" in refused("verse", "mend", run, tmp_path / "text.txt")
