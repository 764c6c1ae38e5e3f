"""`inspect against`: sums that are those of eval, and runs that must not be compared."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.errors import CharrnnError
from charrnn.report.against import Against, against, as_dict, as_page, drawn, rows
from charrnn.run import Run

PROSE = 'The cat (a black one) said: "no, [never]".\n    So it went.\n' * 60
POEMS = (
    "春眠不覺曉，處處聞啼鳥。\n夜來風雨聲，花落知多少。\n\n白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。\n\n" * 30
)


def trained(folder: Path, name: str, text: str = PROSE, **sections: Any) -> Run:
    file = folder / f"{name}.txt"
    file.write_text(text, encoding="utf-8")
    config = {
        "corpus": {"path": str(file)} | sections.pop("corpus", {}),
        "model": {"cell": "rnn", "hidden_size": 8, "embedding_size": 4} | sections.pop("model", {}),
        **sections,
    }
    if config["model"]["cell"] == "ngram":
        config["model"] = {"cell": "ngram", "order": 3}
    else:
        config["training"] = {"steps": 20, "batch_size": 4, "window": 16, "sample_every": None}
    return charrnn.train(config, out=folder / name, quiet=True, device="cpu")


CORPORA: list[tuple[str, dict[str, Any]]] = [
    (PROSE, {"corpus": {"mode": "stream"}}),
    (PROSE, {"corpus": {"mode": "stream", "holdout": "spread"}}),
    (PROSE, {"corpus": {"mode": "stream"}, "vocab": {"kind": "byte"}}),
    (POEMS, {"corpus": {"mode": "documents"}}),
    (POEMS, {"corpus": {"mode": "documents"}, "vocab": {"kind": "byte"}}),
]


@pytest.mark.parametrize(("text", "sections"), CORPORA)
def test_the_sums_are_those_of_eval(tmp_path: Path, text: str, sections: dict[str, Any]) -> None:
    own, other = (
        trained(tmp_path, name, text, **(sections | {"model": {"cell": cell}}))
        for name, cell in [("one", "gru"), ("two", "ngram")]
    )
    for file in (None, tmp_path / "one.txt"):
        result = against(own, other, file)
        bits = [run.evaluate(file).nats / math.log(2) for run in (own, other)]
        whole = result.whole
        np.testing.assert_allclose([whole.own, whole.other], bits, rtol=1e-9)
        assert whole.won == pytest.approx(bits[1] - bits[0], abs=1e-6)
        for division in {kind.division for kind in result.kinds}:
            kinds = [kind for kind in result.kinds if kind.division == division]
            assert sum(kind.characters for kind in kinds) == whole.characters
            assert sum(kind.won for kind in kinds) == pytest.approx(whole.won, abs=1e-6)
            assert all(kind.characters for kind in kinds) and len(kinds) > 1
        turned = against(other, own, file)
        assert [kind.won for kind in turned.kinds] == [-kind.won for kind in result.kinds]
    shown(result, tmp_path)


def shown(result: Against, folder: Path) -> None:
    assert {len(row) for row in rows(result)} == {7} and as_dict(result)["won"] == result.whole.won
    page = as_page(result)
    assert '<div class="text"' in page and page.count("<tr>") == len(rows(result))
    pytest.importorskip("matplotlib")
    drawn(result).savefig(folder / "picture.svg")


def test_runs_that_must_not_be_compared(tmp_path: Path) -> None:
    one = trained(tmp_path, "one")
    cases = {
        "hold out different texts": trained(tmp_path, "split", corpus={"split": [0.8, 0.2, 0.0]}),
        "hold out different text": trained(tmp_path, "text", PROSE + "And more.\n" * 9),
        "chars and .* bytes": trained(tmp_path, "bytes", vocab={"kind": "byte"}),
        "only one of them predicts ends": trained(tmp_path, "documents", POEMS, corpus={"mode": "documents"}),
        "sees what comes after": trained(tmp_path, "both", model={"bidirectional": True}),
    }
    for words, other in cases.items():
        for pair in ((one, other), (other, one)):
            if words == "chars and .* bytes" and pair[0] is other:
                words = "bytes and .* chars"
            with pytest.raises(CharrnnError, match=words) as told:
                against(*pair)
            assert "\n" not in str(told.value)


def test_another_text_than_their_own_is_compared_where_both_know_all_of_it(tmp_path: Path) -> None:
    one, other = trained(tmp_path, "one"), trained(tmp_path, "two", PROSE.replace("(", "{"))
    (tmp_path / "text.txt").write_text("The cat said no.\n" * 9, encoding="utf-8")
    assert against(one, other, tmp_path / "text.txt").whole.characters == 17 * 9
    (tmp_path / "text.txt").write_text("The (cat) § said {no}.\n" * 9, encoding="utf-8")
    with pytest.raises(CharrnnError, match=r"only one of .* knows \(\(U\+0028\)"):
        against(one, other, tmp_path / "text.txt")


def test_a_run_wins_nothing_over_itself(tmp_path: Path) -> None:
    one = trained(tmp_path, "one")
    assert {kind.won for kind in against(one, one).kinds} == {0.0}
