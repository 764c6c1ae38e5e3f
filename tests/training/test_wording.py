"""The words for evaluations are true, new, and the same in the log and in the closing line."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn.training.verdict import TOLERANCE, Evaluation, evaluations_of, judge
from charrnn.training.wording import BY_HEART, FALLING, SETTLED, Words, course, level

nats = st.floats(0.5, 8.0)
LINE = st.builds(
    lambda loss, val, alone, counted: {"loss": loss, "val_loss": val, "aside_network": alone, "aside_ngram": counted},
    *[nats] * 4,
)


def history(lines: list[dict[str, float]]) -> list[dict[str, Any]]:
    return [{"step": 10 * i, "epochs": 20.0 * i} | line for i, line in enumerate(lines, 1)]


@given(nats, nats)
def test_the_level_is_that_of_the_network_alone(network: float, ngram: float) -> None:
    said = level(Evaluation(10, min(network, ngram), network=network, ngram=ngram))
    assert ("worse than" in said) == (network - ngram > TOLERANCE * ngram)
    assert ("better than" in said) == (ngram - network > TOLERANCE * network)
    assert said.endswith("counting")
    assert level(Evaluation(10, network)) == "" == level(Evaluation(10, network, network=network))


@given(st.lists(nats, min_size=1, max_size=12))
def test_the_course_is_the_verdict(losses: list[float]) -> None:
    verdict = judge(evaluations_of(history([{"val_loss": value} for value in losses])))
    assert verdict is not None
    said = course(verdict)
    assert (said == FALLING) == (verdict.trend == "falling")
    assert (said == SETTLED) == (verdict.trend == "settled")
    assert (f"no better since step {10 * (losses.index(min(losses)) + 1)}" in said) == verdict.trend.startswith("risen")
    assert (said == "") == (len(losses) == 1)


@given(st.lists(LINE, max_size=12), st.integers(0, 12))
def test_only_what_is_new_is_said_also_after_a_break(lines: list[dict[str, float]], at: int) -> None:
    whole = history(lines)
    words, told = Words(), []
    for line in whole:
        told.append(words.add(line))
    said = ("", "")
    for i, got in enumerate(told, 1):
        verdict = judge(evaluations_of(whole[:i]))
        assert verdict is not None
        now = course(verdict), level(verdict.last)
        assert got == "; ".join(word for word, old in zip(now, said, strict=True) if word and word != old)
        said = now
    resumed = Words(whole[:at])
    assert [resumed.add(line) for line in whole[at:]] == told[at:]


def test_nothing_is_said_at_a_step() -> None:
    assert Words().add({"step": 1, "epochs": 0.1, "loss": 3.0}) == ""


def test_by_heart() -> None:
    lines = history([{"loss": 2.0, "val_loss": 2.0}, {"loss": 0.2, "val_loss": 3.0}, {"loss": 0.1, "val_loss": 4.0}])
    words = Words()
    assert [words.add(line) for line in lines] == ["", f"no better since step 10: {BY_HEART}", ""]


def test_the_log_of_a_training_ends_with_the_words_of_its_closing_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat.\nthe dog saw the cat.\n" * 100, encoding="utf-8")
    sections = {
        "corpus": {"path": str(text)},
        "model": {"hidden_size": 16, "embedding_size": 8, "ngram": {}},
        "training": {"steps": 60, "batch_size": 4, "window": 16, "sample_every": None, "learning_rate": 0.02},
    }
    run = charrnn.train(charrnn.Config.model_validate(sections), out=tmp_path / "run", device="cpu")
    told = capsys.readouterr().err.splitlines()
    evaluated = [line.partition("bits/char")[2] for line in told if line.startswith("step ")]
    closing = next(line for line in told if line.startswith(f"{run.path}: ") and "bits/char" in line)
    for words in (("still falling", "settled", "no better since"), ("worse than", "as good as", "better than")):
        last = [word for line in evaluated for word in words if word in line][-1]
        assert last in closing
        said = [word for line in evaluated for word in words if word in line]
        assert all(one != other or one == "no better since" for one, other in pairwise(said))
    assert all("aside_ngram" in json.loads(line) for line in run.metrics.read_text().splitlines() if "val_loss" in line)
