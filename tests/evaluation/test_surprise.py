from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.config import CorpusConfig
from charrnn.run import Run
from charrnn.text.given import By, GivenText, Place
from charrnn.text.vocab import Vocabulary

LINES = "the cat sat\non the mat\n" * 80
POEMS = "ab\ncd\n\nabab\n\ncd\n\n" * 40


def trained(folder: Path, text: str, mode: str) -> Run:
    (folder / "text.txt").write_text(text, encoding="utf-8")
    config: dict[str, Any] = {
        "corpus": {"path": str(folder / "text.txt"), "mode": mode},
        "model": {"hidden_size": 16, "embedding_size": 8},
        "training": {"steps": 80, "batch_size": 4, "window": 16, "learning_rate": 0.03, "sample_every": None},
    }
    return charrnn.train(charrnn.Config.model_validate(config), out=folder / "run", quiet=True, device="cpu")


@pytest.mark.parametrize(("text", "mode"), [(LINES, "stream"), (POEMS, "documents")])
def test_all_ways_of_summing_agree_with_eval(tmp_path: Path, text: str, mode: str) -> None:
    run = trained(tmp_path, text, mode)
    whole = run.evaluate(tmp_path / "text.txt")
    by: By
    for by in ("line", "document", "character"):
        rows = run.score(tmp_path / "text.txt", by)
        if by == "line":
            assert [row.text.strip("\n") for row in rows] == [text.split("\n")[row.number - 1] for row in rows]
        else:
            assert [row.number for row in rows] == list(range(1, len(rows) + 1))
        bits = np.concatenate([row.bits for row in rows])
        assert len(bits) == whole.characters
        assert bits.sum() * math.log(2) == pytest.approx(whole.nats, rel=1e-4)
    if mode == "stream":
        assert "".join(row.text for row in run.score(tmp_path / "text.txt")) == text


def test_the_line_that_does_not_belong_stands_out(tmp_path: Path) -> None:
    run = trained(tmp_path, LINES, "stream")
    (tmp_path / "odd.txt").write_text("the cat sat\non the mat\nmst ato hec\nthe cat sat\n", encoding="utf-8")
    rows = run.score(tmp_path / "odd.txt")
    assert max(rows, key=lambda row: row.bits_per_char).number == 3


@pytest.mark.parametrize("separator", ["blank-line", "blank-lines: 2", "line", "%", "/^%$/"])
def test_a_line_has_the_number_that_it_has_in_the_file(tmp_path: Path, separator: str) -> None:
    text = "\n\nab\ncd\n%\n\n\n\nabab\n \ncd\n%\n\n\ncd\nab" * 30
    corpus = CorpusConfig(path="text.txt", mode="documents", separator=separator)
    Path("text.txt").write_text(text, encoding="utf-8")
    given = GivenText([Path("text.txt")], corpus, Vocabulary("char", sorted(set(text))))
    assert len(given.texts) == len(given.places) > 1
    for document, (line, record) in zip(given.texts, given.places, strict=True):
        lines = document.rstrip("\n").split("\n")
        assert record is None
        assert [own.strip("%") for own in text.split("\n")[line - 1 : line - 1 + len(lines)]] == [
            own.strip("%") for own in lines
        ]


def test_a_text_of_a_table_has_the_number_of_its_record(tmp_path: Path) -> None:
    poems = ["ab\ncd", "", "abab", '"cd", ab', "ab"] * 9
    with Path("poems.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["title", "text"], *(["t", poem] for poem in poems)])
    corpus = CorpusConfig(path="poems.csv", mode="documents", field="text")
    given = GivenText([Path("poems.csv"), Path("poems.csv")], corpus, Vocabulary("char", sorted('ab\ncd", ')))
    expected = [(poem, Place(1, record)) for record, poem in enumerate(poems, 1) if poem]
    assert list(zip(given.texts, given.places, strict=True)) == 2 * expected
