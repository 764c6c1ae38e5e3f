from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.evaluation.likelihood import likelihood, some_characters
from charrnn.training.validation import STREAM


@pytest.mark.parametrize("characters", [100, "auto", "all"])
def test_an_ngram_is_evaluated_on_the_characters_that_other_models_are(tmp_path: Path, characters: Any) -> None:
    """The same places for all, so that learning curves in one picture can be compared."""
    text = "".join(random.Random(0).choices("abcdef ghi\n", k=9_000))
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    document: dict[str, Any] = {
        "corpus": {"path": str(tmp_path / "text.txt"), "mode": "stream"},
        "model": {"cell": "ngram", "order": 3},
        "training": {"evaluate_characters": characters, "sample_every": None},
    }
    run = charrnn.train(charrnn.Config.model_validate(document), out=tmp_path / "run", quiet=True, device="cpu")
    (told,) = [line["val_loss"] for line in run.history() if "val_loss" in line]
    whole = run.dataset().part("val", run.config.corpus)
    part = some_characters(whole, 100, STREAM) if characters == 100 else whole
    expected = likelihood(run.model, part).nats_per_char
    assert told == pytest.approx(expected, abs=1e-4)
    assert (expected == pytest.approx(run.evaluate().nats_per_char, abs=1e-6)) is (characters != 100)
