"""What is asked of a heading, and acrostics in any text, from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import charrnn
from charrnn.cli import app

FIELD = "《{title}》{author}\\n{text}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An n-gram of a table of poems."""
    folder = tmp_path_factory.mktemp("headed")
    with (folder / "poems.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["title", "author", "text"])
        for i in range(60):
            lines = [f"{'春夏秋冬'[(i + j) % 4]}{'风花雪月'[(i * j) % 4]}{'来去'[i % 2]}" for j in range(4)]
            rows.writerow([f"{'山水'[i % 2]}中{i % 7}", ["李白", "杜甫", "王维"][i % 3], "\n".join(lines)])
    config = {"corpus": {"path": str(folder / "poems.csv"), "field": FIELD}, "model": {"cell": "ngram", "order": 4}}
    return charrnn.train(config, out=folder / "run", quiet=True).path


def written(*arguments: str | Path) -> list[dict[str, object]]:
    done = CliRunner().invoke(app, ["sample", *(str(one) for one in arguments), "--json", "--samples", "3"])
    assert done.exit_code == 0, done.stderr
    return list(json.loads(done.stdout))


def refused(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["sample", *(str(one) for one in arguments)])
    assert isinstance(done.exception, charrnn.CharrnnError) and done.stdout == ""
    return done.exception.for_command


@pytest.mark.parametrize(
    "asked",
    [
        {"title": "山中1", "author": "李白"},
        {"title": "水中2"},
        {"author": "杜甫"},  # the model writes the title before it
    ],
)
@pytest.mark.parametrize("more", [(), ("--form", "3x4"), ("--acrostic", "春秋"), ("--prompt", "春风")])
def test_the_text_has_the_heading_that_is_asked_for(run: Path, asked: dict[str, str], more: tuple[str, ...]) -> None:
    options = [word for name, value in asked.items() for word in (f"--{name}", value)]
    for one in written(run, *options, *more, "--seed", "1"):
        fields, text = one["fields"], str(one["text"])
        assert isinstance(fields, dict) and fields.keys() == {"title", "author"} and fields.items() >= asked.items()
        heading, _, below = text.partition("\n")
        assert heading == "《{title}》{author}".format_map(fields)
        if "--form" in more:
            assert [len(line) for line in below.splitlines()] == [3] * 4
        if "--acrostic" in more:
            assert [line[0] for line in below.splitlines()] == ["春", "秋"]
        if "--prompt" in more:
            assert below.startswith("春风")


def test_a_form_alone_has_a_heading_of_the_model_s_own(run: Path) -> None:
    (first, *_) = written(run, "--form", "3x4")
    assert str(first["text"]).startswith("《") and isinstance(first["fields"], dict)


def test_the_tune_of_a_form_stands_in_the_heading(tmp_path: Path) -> None:
    poems = [{"tune": "浣溪沙", "text": "春风来去花无数，"}, {"tune": "如梦令", "text": "夏日长长水不流。"}] * 9
    (tmp_path / "ci.json").write_text(json.dumps(poems, ensure_ascii=False), encoding="utf-8")
    corpus = {"path": str(tmp_path / "ci.json"), "field": "《{tune}》\n{text}", "split": [1.0, 0.0, 0.0]}
    ci = charrnn.train({"corpus": corpus, "model": {"cell": "ngram"}}, out=tmp_path / "run", quiet=True).path
    (first, *_) = written(ci, "--form", "浣溪沙", "--seed", "1")
    assert str(first["text"]).startswith("《浣溪沙》\n") and first["fields"] == {"tune": "浣溪沙"}
    assert "headings" in CliRunner().invoke(app, ["info", str(ci)]).stdout


def test_the_run_is_complete_in_itself(run: Path) -> None:
    moved = run.rename(run.with_name("moved"))
    try:
        assert written(moved, "--author", "王维")
    finally:
        moved.rename(run)


def test_field_is_another_way_to_say_it(run: Path) -> None:
    assert written(run, "--field", "title=山中3", "--seed", "1") == written(run, "--title", "山中3", "--seed", "1")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--author", "李太白"), "--author 李太白: no author that this model knows; near to it is 李白"),
        (("--tune", "菩萨蛮"), "no tune, but title, author"),
        (("--title", ""), "one line"),
        (("--title", "鬱"), "U+9B31"),
        (("--field", "title"), "NAME=VALUE"),
        (("--field", "title=a", "--title", "b"), "title is given twice"),
        (("--title", "山中1", "--stream"), "--stream"),
        (("--title", "山中1", "--stop", "春"), "--stop 春: the model writes a part of the heading"),
        (("--title", "山中1", "--form", "3x4", "--prompt", "《"), "its character 1, does not fit"),
        (("--author", "李白", "--form", "3x4", "--prompt", "《"), "its character 1, does not fit"),
        (("--acrostic", "鬱"), "U+9B31"),
        (("--acrostic", ""), "a character or more"),
        (("--acrostic", "春夏", "--acrostic-at", "end"), "--form"),
        (("--acrostic", "春夏", "--length", "3"), "--length 3"),
    ],
)
def test_what_cannot_be_is_one_message(run: Path, options: tuple[str, ...], told: str) -> None:
    assert told in refused(run, *options)


def test_texts_without_headings_name_a_config_that_has_them(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("one line without an end " * 40, encoding="utf-8")
    config = {"corpus": {"path": str(tmp_path / "plain.txt")}, "model": {"cell": "ngram"}}
    plain = charrnn.train(config, out=tmp_path / "run", quiet=True).path
    assert not (plain / "headings.json").exists()
    (plain / "headings.json").write_text(
        '{"template": "{title}\\n"}', encoding="utf-8"
    )  # of a run that was there before
    charrnn.train(config, out=plain, overwrite=True, quiet=True)
    assert not (plain / "headings.json").exists()
    assert "song-ci" in refused(plain, "--title", "x")
    assert "no line ends" in refused(plain, "--acrostic", "one")
