"""Separators and tables give the documents that their users mean, whatever the blocks in which a text is read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.loading import parse_config
from charrnn.text.documents import BOUNDARY, joint, mark_documents
from charrnn.text.fields import looks_like
from charrnn.text.reader import read_corpus

TEXT = st.text("ab|<\n\u00a0\u200b ", max_size=40)
LITERALS = st.text("ab|<", min_size=1, max_size=3)


def pieces(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def documents(text: str, separator: str, size: int = 1000) -> list[str]:
    marked = "".join(mark_documents(iter(pieces(text, size)), separator))
    return [document for document in marked.split(BOUNDARY) if document]


@given(TEXT, st.one_of(LITERALS, st.sampled_from(["blank-line", "blank-lines: 2", "line", "file", "/a+/", "/^b/"])))
def test_blocks_make_no_difference(text: str, separator: str) -> None:
    for size in (1, 2, 5):
        assert documents(text, separator, size) == documents(text, separator)


@given(TEXT, LITERALS)
def test_a_text_separates_where_it_stands(text: str, separator: str) -> None:
    assert documents(text, separator) == [d for part in text.split(separator) if (d := part.strip("\n"))]


@given(TEXT, st.integers(1, 4))
def test_so_many_blank_lines_and_no_fewer(text: str, count: int) -> None:
    found = documents(text, f"blank-lines: {count}")
    for document in found:
        lines = [line.strip(" \u00a0\u200b") for line in document.split("\n")]
        assert lines[0] and lines[-1]
        assert "\n" * (count + 1) not in "\n".join(lines)
    assert sum(document.count("a") for document in found) == text.count("a")


@given(st.lists(st.text("ab", min_size=1), min_size=1), LITERALS)
def test_documents_that_are_joined_come_apart_again(texts: list[str], literal: str) -> None:
    for separator in ("blank-line", "blank-lines: 3", "line", f"<{literal}>"):
        assert documents(joint(separator).join(texts), separator) == texts


def test_a_pattern_may_keep_what_it_finds() -> None:
    games = '[White "Ada"]\n\n1. e4 e5\n\n[White "Bo"]\n\n1. d4 d5\n'
    assert documents(games, r"/(?=^\[White)/") == ['[White "Ada"]\n\n1. e4 e5', '[White "Bo"]\n\n1. d4 d5']


@pytest.mark.parametrize(
    ("separator", "expected"),
    [
        ("{blank-lines: 2}", "blank-lines: 2"),
        ("'blank-lines: 2'", "blank-lines: 2"),
        ("<|endoftext|>", "<|endoftext|>"),
        (r"'/^\d+$/'", r"/^\d+$/"),
    ],
)
def test_a_separator_of_a_config(separator: str, expected: str) -> None:
    assert parse_config(f"corpus: {{path: a.txt, separator: {separator}}}").corpus.separator == expected


@pytest.mark.parametrize("separator", ["''", "'blank-lines: 0'", "'blank-lines: many'", "'/(/'", "5"])
def test_what_is_no_separator_is_refused(separator: str) -> None:
    with pytest.raises(CharrnnError, match=r"corpus\.separator"):
        parse_config(f"corpus: {{path: a.txt, separator: {separator}}}")


FIELD = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n\t",;{}'), min_size=1)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=5), st.sampled_from([".csv", ".tsv", ".json", ".jsonl"]))
def test_a_table_gives_each_record_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], ending: str
) -> None:
    file = tmp_path_factory.mktemp("table") / f"table{ending}"
    records = [{"title": title, "text": text} for title, text in rows]
    if ending in (".csv", ".tsv"):
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, ["title", "text"], delimiter="\t" if ending == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(records)
        content = out.getvalue()
    else:
        content = json.dumps(records) if ending == ".json" else "\n".join(map(json.dumps, records))
    file.write_bytes(content.encode())
    for field, expected in (
        ("text", [text for _, text in rows]),
        ("《{title}》\n{text}", [f"《{title}》\n{text}" for title, text in rows]),
    ):
        config = CorpusConfig(path=str(file), field=field, mode="documents")
        read = "".join(read_corpus([file], config)).split(BOUNDARY)[:-2]
        assert read == expected


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "id,text\n1,a\n", ["missing", "id, text", "record 1"]),
        ("a.json", '{"text": "a"}', ["list of objects"]),
        ("a.json", '[{"text": "a"}', ["not JSON"]),
        ("a.json", "[" * 100_000, ["not JSON"]),
        ("a.txt", "text\na\n", ["ends in none"]),
    ],
)
def test_a_table_without_the_field_is_told(tmp_path: Path, name: str, content: str, words: list[str]) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    config = CorpusConfig(path=str(tmp_path / name), field="missing", mode="documents")
    with pytest.raises(CharrnnError) as raised:
        list(read_corpus([tmp_path / name], config))
    assert all(word in str(raised.value) for word in words)


@pytest.mark.parametrize(
    ("name", "head", "word"),
    [
        ("a.csv", "id,text\n1,a\n", "CSV with the fields id, text"),
        ("a.json", '[{"id": 1, "text": "a"}, {"id": 2, "te', "JSON with the fields id, text"),
        ("a.jsonl", '{"id": 1, "text": "a"}\n{"id": 2, "te', "JSON with the fields id, text"),
        ("a.html", "\n<!DOCTYPE html>\n<html>", "HTML"),
    ],
)
def test_a_table_that_is_read_as_plain_text_is_told(name: str, head: str, word: str) -> None:
    assert word in (looks_like(Path(name), head) or "")


@given(st.text(max_size=100), st.sampled_from(["a.txt", "poems", "a.py"]))
def test_a_plain_text_is_told_to_be_nothing_else(text: str, name: str) -> None:
    assume(not text.lstrip("\ufeff \n\t").startswith("<"))
    assert looks_like(Path(name), text) is None
