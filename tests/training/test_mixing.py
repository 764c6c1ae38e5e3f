"""A mixture in training: what is set aside is learnt from by neither, and its parts and checkpoints are whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import charrnn
from charrnn.config import CorpusConfig, ModelConfig
from charrnn.models import Mixture, NGramModel, build_model
from charrnn.text.dataset import Part
from charrnn.training.aside import read_apart, set_aside

TEXT = "The cat sat on the mat.\nA dog sat on the log.\n\nA bird sang in the tree, and the cat looked up.\n\n" * 60


@given(
    total=st.integers(1, 40_000),
    cuts=st.lists(st.integers(0, 40_000), max_size=6),
    holdout=st.sampled_from(["spread", "tail"]),
)
def test_a_stream_is_divided_into_what_is_learnt_and_what_is_set_aside(
    total: int, cuts: list[int], holdout: Any
) -> None:
    edges = np.unique([0, total, *(cut for cut in cuts if cut < total)])
    spans = np.stack([edges[:-1], edges[1:]], axis=1)[::2]  # every second piece is another part's
    part = Part(np.zeros(total, np.uint8), pieces=spans)
    rest, aside = set_aside(part, CorpusConfig(path="a", holdout=holdout))
    owner = np.zeros(total, int)
    for one, number in ((part, 1), (rest, 2), (aside, 4)):
        for begin, end in one.spans:
            owner[begin:end] += number
    assert set(np.unique(owner)) <= {0, 3, 5}  # in the part and in exactly one of both, or in none
    assert rest.characters + aside.characters == part.characters
    assert aside.characters == max(1, min(part.characters // 50, 20_000))
    if holdout == "tail":
        assert len(aside.spans) <= len(spans)


@given(lengths=st.lists(st.integers(1, 200), min_size=2, max_size=300))
def test_documents_are_divided_whole(lengths: list[int]) -> None:
    edges = np.cumsum([0, *lengths])
    part = Part(np.zeros(edges[-1], np.uint8), np.stack([edges[:-1], edges[1:]], axis=1))
    rest, aside = set_aside(part, CorpusConfig(path="a"))
    assert rest.documents is not None
    assert aside.documents is not None
    assert part.documents is not None
    assert np.array_equal(np.concatenate([rest.documents, aside.documents]), part.documents)
    assert 1 <= len(aside.documents) < len(lengths)
    assert len(aside.documents) == 1 or (aside.documents[:, 1] - aside.documents[:, 0]).sum() <= part.characters // 50


def train(out: str, mode: str = "stream", **training: Any) -> charrnn.Run:
    Path("text.txt").write_text(TEXT)
    keys = {"steps": 30, "batch_size": 4, "window": 16, "evaluate_every": "10 steps", "checkpoint_every": "10 steps"}
    config = {
        "corpus": {"path": "text.txt", "mode": mode},
        "model": {"cell": "gru", "hidden_size": 12, "embedding_size": 6, "ngram": {"order": 4}},
        "training": keys | {"sample_every": None} | training,
    }
    Path(f"{out}.yaml").write_text(json.dumps(config))
    return charrnn.train(f"{out}.yaml", out=out, quiet=True, device="cpu")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("mode", ["stream", "documents"])
def test_both_are_better_than_each(mode: str) -> None:
    run = train("run", mode)
    lines = [line for line in run.history() if "aside_both" in line]
    for line in lines:
        alone = (line[f"aside_{expert}"] for expert in ("network", "ngram", "recent"))
        assert line["aside_both"] <= min(alone) + 1e-3
    assert isinstance(run.model, Mixture)
    best = min(line["val_loss"] for line in lines)
    assert run.evaluate().nats_per_char == pytest.approx(best, abs=1e-4)


def test_checkpoints_share_what_was_counted_and_resume_with_it() -> None:
    whole, half = train("whole"), train("half", steps=20)
    tables = sorted(Path("half/checkpoints").glob("*/counts.safetensors"))
    assert len(tables) > 1
    assert len({file.stat().st_ino for file in tables}) == 1
    charrnn.resume("half", overrides=["training.steps=30"], quiet=True, device="cpu")
    ours, theirs = (run.checkpoints.find("last").folder for run in (half, whole))
    assert ours.name == theirs.name
    counted = [load_file(folder / "counts.safetensors") for folder in (ours, theirs)]
    assert all(torch.equal(counted[0][name], counted[1][name]) for name in counted[1])


def test_a_mixture_writes_the_same_with_and_without_c(monkeypatch: pytest.MonkeyPatch) -> None:
    train("run")
    fast = charrnn.load("run").sample("The ", length=60, samples=3)
    monkeypatch.setattr("charrnn.generation.fast.library", lambda: None)
    slow = charrnn.load("run").sample("The ", length=60, samples=3)
    assert [one.text for one in fast] == [one.text for one in slow]


@pytest.mark.parametrize("damage", ["missing", "another"])
def test_tables_that_do_not_fit_are_refused(damage: str) -> None:
    run = train("run")
    file = run.checkpoints.find("last").folder / "counts.safetensors"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[::-1])
    for folder in Path("run/checkpoints").iterdir():
        if folder != file.parent and (folder / file.name).exists():
            (folder / file.name).unlink()
    with pytest.raises(charrnn.CharrnnError):
        charrnn.load("run").sample("The ", length=5)


def test_a_run_with_counts_can_be_replaced() -> None:
    first = train("run", steps=2)
    second = charrnn.train("run.yaml", out="run", overwrite=True, quiet=True, device="cpu")
    assert first.facts.id != second.facts.id


def test_a_fit_to_a_large_alphabet_takes_every_kth_place_of_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number is bounded by the logits, and none of them is another than a fit to all would take."""
    ids = np.random.default_rng(0).integers(0, 9, 3_000).astype(np.uint8)
    part = Part(ids, pieces=np.arange(0, 3_000, 300)[:, None] + np.array([100, 200]))
    mixture = Mixture(
        build_model(ModelConfig(cell="gru", hidden_size=4, embedding_size=4), 11, 0), NGramModel(11, 3), 20
    )
    mixture.ngram.fit(Part(ids))
    x, known, came = (torch.cat(parts) for parts in zip(*read_apart(mixture.eval(), part), strict=True))
    monkeypatch.setattr("charrnn.training.aside.LOGITS", 11 * 100)
    some, some_known, some_came = (torch.cat(parts) for parts in zip(*read_apart(mixture, part), strict=True))
    assert len(came) == 1_000 and 90 <= len(some_came) <= 110
    rows = [int(((x - one).abs().amax((1, 2)) < 1e-5).nonzero()[0, 0]) for one in some]
    assert torch.equal(some_came, came[rows]) and torch.equal(some_known, known[rows])
    assert {row % 10 for row in rows} == {*range(10)}  # the ten texts stand side by side
