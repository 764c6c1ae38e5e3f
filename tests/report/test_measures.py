"""What a report says of held-out text is what an evaluation says of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.errors import CharrnnError
from charrnn.evaluation import likelihood
from charrnn.report import measures
from charrnn.report.chapters import difficulty
from charrnn.report.measures import LENGTH, PASSAGE, ROWS, read_held_out
from charrnn.run import Run

STREAM = "the cat sat on the mat.\nthe dog, too.\n" * 100
POEMS = "\n\n".join(f"{a}高{b}又長，\n月{a}獨還{b}。" for a in "山水風花雪月天地" for b in "春夏秋冬東南西北")


def trained(folder: Path, text: str, **sections: Any) -> Run:
    folder.mkdir()
    (folder / "text.txt").write_text(text, encoding="utf-8")
    config: dict[str, Any] = {
        "corpus": {"path": str(folder / "text.txt")} | sections.pop("corpus", {}),
        "model": {"hidden_size": 12, "embedding_size": 6} | sections.pop("model", {}),
        "training": {"steps": 15, "batch_size": 4, "window": 12, "learning_rate": 0.05, "kernels": "plain"},
    }
    return charrnn.train(charrnn.Config.model_validate(config), out=folder / "run", quiet=True, device="cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("measures")
    return {
        "stream": trained(folder / "stream", STREAM),
        "mixture": trained(folder / "mixture", STREAM, model={"cell": "gru", "ngram": {"order": 3}}),
        "slstm": trained(folder / "slstm", STREAM, model={"cell": "slstm"}),
        "ngram": trained(folder / "ngram", STREAM, model={"cell": "ngram"}),
        "documents": trained(folder / "documents", POEMS, corpus={"mode": "documents"}),
    }


@pytest.mark.parametrize("name", ["stream", "mixture", "slstm", "ngram", "documents"])
def test_where_all_is_read_the_bits_are_those_of_the_evaluation(
    runs: dict[str, Run], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "RUN_UP", likelihood.RUN_UP)
    run = runs[name]
    assert run.facts.characters["val"] < LENGTH
    counted: list[int] = []
    read = read_held_out(run, counted.append)
    assert read.all_bits.mean() == pytest.approx(run.evaluate().bits_per_char, abs=1e-4)
    assert sum(counted) >= len(read.all_ids)
    assert len(read.passage()) <= max(PASSAGE, LENGTH)


def test_of_a_long_text_pieces_are_read_that_are_spread_over_all_of_it(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "LENGTH", 20)
    monkeypatch.setattr(measures, "ROWS", 8)
    for name in ("stream", "documents"):
        part = runs[name].dataset().part("val", runs[name].config.corpus)
        read = read_held_out(runs[name])
        assert 1 < len(read.ids) <= 8 < ROWS and all(0 < len(ids) <= 20 for ids in read.ids)
        whole = "".join(map(chr, np.concatenate([part.ids[a:b] for a, b in part.spans]).astype(int)))
        boundary = runs[name].vocabulary.boundary
        for ids in read.ids:
            assert "".join(chr(i) for i in ids.tolist() if i != boundary) in whole
        assert read.ids[0][0] == part.ids[part.spans[0, 0]]


def test_kinds_of_places_share_all_bits_and_the_passage_shows_every_character(runs: dict[str, Run]) -> None:
    for name, run in runs.items():
        read = read_held_out(run)
        kinds = difficulty._kinds(run, read)
        assert sum(bits for _, bits, _ in kinds) == pytest.approx(read.all_bits.sum())
        assert sum(count for *_, count in kinds) == len(read.all_ids)
        each = [bits / count for _, bits, count in kinds]
        assert each == sorted(each, reverse=True)
        quote = difficulty.surprise(run, read).partition('class="quote">')[2].partition("</div>")[0]
        plain = re.sub("<.*?>", "", quote).replace("↵", "").replace("¶\n", "")
        assert plain == run.vocabulary.decode(one for one, _ in read.passage()), name


def test_nothing_held_out_is_told(tmp_path: Path) -> None:
    run = trained(tmp_path / "own", STREAM, corpus={"split": [1, 0, 0]})
    with pytest.raises(CharrnnError, match="nothing is held out"):
        read_held_out(run)
