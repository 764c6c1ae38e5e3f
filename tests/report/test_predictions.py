"""`inspect predictions`: what is expected, and what came, for every kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.errors import CharrnnError
from charrnn.report.predictions import as_dicts, as_page, drawn, mean_bits, predictions, rows
from charrnn.run import Run

TEXT = "春眠 the cat\n" * 99
MODELS: list[dict[str, Any]] = [
    {"cell": "ngram", "order": 3},
    {"cell": "gru", "hidden_size": 8},
    {"cell": "gru", "hidden_size": 8, "ngram": {"order": 2}},
    {"cell": "gru", "hidden_size": 8, "bidirectional": True},
]


def trained(folder: Path, model: dict[str, Any], kind: str = "char") -> Run:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    config = {"corpus": {"path": str(folder / "text.txt")}, "vocab": {"kind": kind}, "model": model}
    if model["cell"] != "ngram":
        config["training"] = {"steps": 10, "batch_size": 4, "window": 16, "sample_every": None}
    return charrnn.train(config, out=folder / "run", quiet=True, device="cpu")


@pytest.mark.parametrize("kind", ["char", "byte"])
@pytest.mark.parametrize("model", MODELS)
def test_places_say_what_score_says(tmp_path: Path, model: dict[str, Any], kind: str) -> None:
    run = trained(tmp_path, model, kind)
    text = "the 春 cat\n"
    (tmp_path / "own.txt").write_text(text, encoding="utf-8")
    size = len(run.vocabulary)
    places = predictions(run, text, top=size)
    came = [place for place in places if place.came is not None]
    assert len(came) == len(text if kind == "char" else text.encode())
    assert len(places) - len(came) == run.model.causal  # what it expects after the text
    bits = [float(row.bits.sum()) for row in run.score(tmp_path / "own.txt", "document")]
    assert mean_bits(places) * len(came) == pytest.approx(sum(bits), rel=1e-4)
    for place in places:
        chances = [p for _, p in place.expected]
        assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1, abs=1e-6)
    for place in came:
        assert place.rank is not None and place.bits is not None
        name, p = place.expected[place.rank - 1]
        assert 2**-place.bits == pytest.approx(p, rel=1e-6)
        assert name == place.came or [q for _, q in place.expected].count(p) > 1
    assert predictions(run, text, top=1)[0].expected == places[0].expected[:1]


def test_they_are_shown(tmp_path: Path) -> None:
    run = trained(tmp_path, MODELS[1])
    places = predictions(run, "春 the\ncat", top=3)
    table = rows(places)
    assert {len(row) for row in table} == {7} and [row[1] for row in table[1:]] == [*"春␣the↵cat", ""]
    assert as_dicts(places)[-1]["came"] is None and "春" in as_page(run, places)
    pytest.importorskip("matplotlib")
    drawn(places).savefig(tmp_path / "picture.svg")


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    run = trained(tmp_path, MODELS[0])
    for text, top, words in [
        ("", 5, "empty"),
        ("cat", 0, "top=0"),
        ("cat", 99, "top=99"),
        ("cäz", 5, "z"),
        ("a" * 9999, 5, "9,999"),
    ]:
        with pytest.raises(CharrnnError, match=words):
            predictions(run, text, top)
