"""Headings: read as they were written, and what is asked for is known, or refused with what is near."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import CharrnnError
from charrnn.config import CorpusConfig, VocabConfig
from charrnn.files import read_record
from charrnn.text.corpora import named
from charrnn.text.dataset import load_dataset
from charrnn.text.headings import Headings, template_of

TEMPLATES = ["《{title}》{author}\n", "{title}\n", "{a}: {b} - {c}\n\n", "[{title}]"]
VALUES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="》:-]\n\r\x85\u2028"), max_size=9
)


@given(st.sampled_from(TEMPLATES), st.data())
def test_a_heading_is_read_as_it_was_written(template: str, data: st.DataObject) -> None:
    headings = Headings(template=template)
    fields = {name: data.draw(VALUES) for name in headings.names}
    assert headings.read(template.format_map(fields) + "a text") == fields


@pytest.mark.parametrize(
    "template", ["", "no field\n", "{title}", "{a}{b}\n", "{a}\n{a}\n", "{a", "《{}》", "{a.b}\n", "{a[0]}\n"]
)
def test_a_heading_whose_fields_nobody_could_tell_apart_is_none(template: str) -> None:
    with pytest.raises(ValueError):
        Headings(template=template)


@pytest.mark.parametrize(
    ("field", "template"),
    [
        ("《{title}》{author}\\n{text}", "《{title}》{author}\n"),
        ("{{{title}}} {text}{end}", None),  # where the text ends nobody can tell
        ("{{{title}}}\n{text}", "{{{title}}}\n"),
        ("text", None),
        ("{text}", None),
        ("{title}{text}", None),
        ("{title:>9}\n{text}", None),
    ],
)
def test_the_heading_of_a_table_is_what_stands_before_its_text(field: str, template: str | None) -> None:
    assert template_of(CorpusConfig(path="poems.csv", field=field)) == template


def test_named_corpora_have_the_headings_of_the_register() -> None:
    assert template_of(CorpusConfig(name="song-ci")) == "《{tune}》{author}\n"
    assert template_of(CorpusConfig(name="tang-titled")) == "《{title}》{author}\n"
    assert template_of(CorpusConfig(name="tang")) is None
    assert named("tang-titled").sources == named("tang").sources


def found(tmp_path: Path, records: list[dict[str, str]], field: str) -> Headings | None:
    file = tmp_path / "poems.json"
    file.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    corpus = CorpusConfig(path=str(file), mode="documents", field=field, split=[1.0, 0.0, 0.0])
    return Headings.of(load_dataset([file], corpus, VocabConfig()), corpus)


RECORDS = [
    {"title": f"title {i}", "author": "AB"[i % 3 == 0], "text": f"a longer text, the number {i}"} for i in range(30)
]


def test_fields_whose_values_come_again_are_known_the_most_frequent_first(tmp_path: Path) -> None:
    headings = found(tmp_path, RECORDS, "{title} by {author}\n{text}")
    assert headings is not None and headings.known == {"author": ["A", "B"]}
    assert headings == Headings.model_validate_json(headings.model_dump_json())


def test_what_is_longer_than_the_text_is_no_heading(tmp_path: Path) -> None:
    assert found(tmp_path, RECORDS, "{text}\n{author}") is None


KNOWN = Headings(template="《{title}》{author}\n", known={"author": ["李白", "王維"]})


def test_known_values_may_be_given_in_other_forms() -> None:
    pytest.importorskip("opencc")
    assert KNOWN.taken({"author": " 王维", "title": "山中"}) == {"author": "王維", "title": "山中"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"author": "李太白"}, "near to it is 李白"),
        ({"author": "Shakespeare"}, "of the 2 that it knows are 李白, 王維"),
        ({"titel": "山中"}, "field=titel=山中.*no titel, but title, author"),
        ({"title": "two\nlines"}, "one line"),
        ({"title": " "}, "one line"),
    ],
)
def test_what_is_not_known_is_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises(CharrnnError, match=told):
        KNOWN.taken(given)


@pytest.mark.parametrize(
    "wrong", ['{"template": "no field"}', '{"template": 1}', '{"known": {}}', '{"template": "{a}\\n", "known": 1}']
)
def test_a_damaged_file_is_one_message(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "headings.json").write_text(wrong, encoding="utf-8")
    with pytest.raises(CharrnnError, match=r"headings\.json"):
        read_record(tmp_path / "headings.json", Headings)


def test_of_names_equally_near_that_of_most_texts_is_told_first() -> None:
    headings = Headings(template="《{title}》{author}\n", known={"author": ["苏轼", "苏辙", "苏过", "苏"]})
    with pytest.raises(CharrnnError, match="near to it are 苏轼, 苏辙, 苏过"):
        headings.taken({"author": "苏试"})
