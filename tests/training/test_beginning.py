"""A training that begins from a trained model: rows follow their characters, and frozen weights stay as they were."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import charrnn
from charrnn.cli import main
from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.models import LanguageModel, build_model
from charrnn.run import Run
from charrnn.text.vocab import Vocabulary
from charrnn.training.beginning import Beginning, keep_frozen
from charrnn.training.session import resume

OLD = "The cat sat on the mat. The dog sat on the log.\n" * 40
NEW = "A bird sang in a tree; zebras, too, sing: «la»!\n" * 40
SIZES = {"hidden_size": 12, "embedding_size": 8}
MODELS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "tied": {"tie_embedding": True, "norm": "layer", "num_layers": 2},
    "deep": {"cell": "gru", "input_layers": 1, "output_layers": 1},
    "mingru": {"cell": "mingru", "num_layers": 2, "residual": True, "norm": "rms"},
    "mlp": {"cell": "mlp", "context": 4},
    "bidirectional": {"cell": "gru", "bidirectional": True},
    "mixture": {"cell": "gru", "ngram": {"order": 3}},
    "as wide as the alphabet": {"hidden_size": len(set(OLD)) + 2, "embedding_size": len(set(OLD)) + 2},
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(out: str, text: str, model: dict[str, Any] | None = None, **training: Any) -> Path:
    Path(f"{out}.txt").write_text(text, encoding="utf-8")
    keys = {
        "steps": 4,
        "batch_size": 4,
        "window": 16,
        "learning_rate": 0.02,
        "sample_every": None,
        "warmup": None,
        "keep": 9,
    }
    config = {
        "corpus": {"path": f"{out}.txt"},
        "model": SIZES | (model or {}),
        "training": keys | training,
    }
    file = Path(f"{out}.yaml")
    file.write_text(json.dumps(config))
    return file


def train(
    out: str, text: str, model: dict[str, Any] | None = None, *, begin: dict[str, Any] | None = None, **training: Any
) -> Run:
    return charrnn.train(written(out, text, model, **training), out=out, quiet=True, device="cpu", **(begin or {}))


def weights(run: str | Path, step: int) -> dict[str, Tensor]:
    return load_file(next(Path(run).glob(f"checkpoints/step-*{step}")) / "model.safetensors")


def logits(model: LanguageModel, vocabulary: Vocabulary, text: str) -> Tensor:
    """The logits `[T, 1, V]` after each character; those of the bidirectional model see the text behind, too."""
    network = model.learner.eval()
    ids = torch.tensor([network.boundary, *vocabulary.encode(text)])[:, None]
    with torch.no_grad():
        features, _ = network.read(ids[:-1], ids[1:], network.initial_state(1))
        return network.readout(features)


@pytest.mark.parametrize("kind", MODELS)
def test_every_row_follows_its_character(kind: str) -> None:
    run = train("old", OLD, MODELS[kind])
    old, draw = run.vocabulary, random.Random(kind)
    kept = draw.sample(old.characters, len(old) - 5)
    characters = [*kept, *"ÄÖÜ山水"]
    draw.shuffle(characters)
    new = Vocabulary("char", characters)
    model = build_model(run.config.model, len(new), seed=1)
    Beginning.of(run).give(model, new)
    text = "".join(draw.choices(kept, k=50))
    before, after = logits(run.model, old, text), logits(model, new, text)
    known = [*kept, "<unk>", "<boundary>"]
    columns = [
        [{**{c: i for i, c in enumerate(v.characters)}, "<unk>": v.unknown, "<boundary>": v.boundary}[c] for c in known]
        for v in (old, new)
    ]
    torch.testing.assert_close(after[..., columns[1]], before[..., columns[0]])
    mean = before[..., : len(old.characters)].mean(-1, keepdim=True)
    fresh = [characters.index(character) for character in "ÄÖÜ山水"]
    torch.testing.assert_close(after[..., fresh], mean.expand(-1, -1, 5))


@pytest.mark.parametrize("averaged", [False, True])
def test_the_first_checkpoint_has_the_weights_that_the_run_predicts_with(averaged: bool) -> None:
    old = train("old", OLD, evaluate_every="1 steps", average_after="2 steps" if averaged else None)
    new = train("new", OLD, begin={"init_from": "old"}, steps=1)
    first = weights("new", 0)
    assert all(torch.equal(first[name], weight) for name, weight in old.model.state_dict().items())
    assert new.facts.init_from == old.facts.id
    assert old.facts.init_from == ""


def test_bytes_have_one_alphabet() -> None:
    written("old", OLD)
    keys: dict[str, Any] = {"overrides": ["vocab.kind=byte"]}
    old = train("old", OLD, begin=keys)
    train("new", NEW, begin={"init_from": "old", **keys}, steps=1)
    first = weights("new", 0)
    assert all(torch.equal(first[name], weight) for name, weight in old.model.state_dict().items())
    with pytest.raises(CharrnnError, match=r"reads bytes.*vocab\.kind=byte"):
        train("chars", NEW, begin={"init_from": "old"})


def test_the_architecture_is_the_runs_and_dropout_and_ngram_the_configs() -> None:
    train("old", OLD, {"cell": "gru", "num_layers": 2, "dropout": 0.5, "ngram": {"order": 3}})
    new = train("new", NEW, {"input_dropout": 0.25, "ngram": {"order": 2}}, begin={"init_from": "old"})
    expected = ModelConfig(cell="gru", num_layers=2, hidden_size=12, embedding_size=8, input_dropout=0.25)
    assert new.config.model.model_dump(exclude={"ngram"}) == expected.model_dump(exclude={"ngram"})
    assert new.config.model.ngram is not None
    assert new.config.model.ngram.order == 2
    alone = train("alone", NEW, begin={"init_from": "old", "overrides": ["model.cell=gru", "model.dropout=0.1"]})
    assert (alone.config.model.ngram, alone.config.model.dropout) == (None, 0.1)


def test_a_text_can_be_learnt_from_a_model_that_reads_both_ways() -> None:
    train("old", OLD, MODELS["bidirectional"])
    new = charrnn.train("old.txt", init_from="old", steps=1, quiet=True, device="cpu")
    assert (new.config.model.bidirectional, new.config.model.ngram) == (True, None)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("frozen", [["embedding"], ["trunk"], ["embedding", "trunk"], ["trunk", "output"]], ids=str)
def test_frozen_weights_do_not_move_and_the_others_do(optimizer: str, frozen: list[str]) -> None:
    """`trunk` and `embedding`: nothing before the last layer learns. `trunk` and `output`: no bias does."""
    keys: dict[str, Any] = {
        "optimizer": optimizer,
        "weight_decay": 0.5,
        "average_after": "2 steps",
        "activation_penalty": 0.1,
    }
    model = {"num_layers": 2, "output_layers": 1}
    train("old", OLD, model)
    train("new", NEW, begin={"init_from": "old", "freeze": frozen}, checkpoint_every="1 steps", **keys)
    first, last = weights("new", 0), weights("new", 4)
    for name, weight in first.items():
        assert torch.equal(weight, last[name]) == name.startswith(tuple(frozen)), name


@pytest.mark.parametrize("model", [{}, {"ngram": {"order": 3}}, {"tie_embedding": True}], ids=str)
def test_a_resumed_training_goes_on_with_them_frozen(model: dict[str, Any]) -> None:
    train("old", OLD, model)
    begin = {"init_from": "old", "freeze": ["embedding"]}
    train("whole", NEW, model, begin=begin, steps=6, schedule="constant")
    train("parts", NEW, model, begin=begin, steps=3, schedule="constant")
    shutil.rmtree("old")  # it is not needed again
    resume("parts", overrides=["training.steps=6"], quiet=True, device="cpu")
    whole, parts = weights("whole", 6), weights("parts", 6)
    assert all(torch.equal(weight, parts[name]) for name, weight in whole.items())
    with pytest.raises(CharrnnError, match="frozen that were"):
        resume("parts", overrides=["training.steps=9", "training.freeze=[]"], quiet=True, device="cpu")


RUNS = "whole", "parts"
COUNTED: dict[str, Any] = {"cell": "gru", "ngram": {"order": 4}}


def sentences(count: int, seed: int) -> str:
    draw = random.Random(seed)
    words = [
        *[
            "the",
            "cat",
            "dog",
            "bird",
            "zebra",
            "sat",
            "sang",
            "lay",
            "ran",
            "on",
            "in",
            "under",
            "a",
            "tree",
            "mat",
            "log",
            "house",
            "and",
            "then",
            "too",
        ]
    ]
    return "".join(" ".join(draw.choices(words, k=6)).capitalize() + ".\n" for _ in range(count))


def keeping(out: str, keep: float | str, **training: Any) -> Run:
    model = COUNTED | {"ngram": {"order": 3, "keep": keep}}
    return train(out, sentences(50, 2), model, begin={"init_from": "old"}, **training)


def test_the_counts_of_the_run_are_kept_with_the_weight_that_pays() -> None:
    train("old", sentences(900, 1), COUNTED)
    alone, kept = keeping("alone", 0), keeping("kept", "auto")
    last, without = kept.history()[-1], alone.history()[-1]
    assert last["kept_weight"] > 0.5  # both texts are of one kind
    assert last["aside_ngram_unkept"] == pytest.approx(without["aside_ngram"], abs=1e-4)
    assert last["aside_ngram"] < without["aside_ngram"]
    assert "kept_weight" not in without
    assert not [*Path("alone").rglob("background.safetensors")]
    Path("part.txt").write_text(sentences(50, 3))
    assert kept.evaluate("part.txt").bits_per_char < alone.evaluate("part.txt").bits_per_char


def test_a_training_that_keeps_counts_goes_on_without_the_run_that_they_are_of() -> None:
    train("old", OLD, COUNTED)
    keeping("whole", "auto", steps=6, schedule="constant", evaluate_every="1 steps")
    keeping("parts", "auto", steps=3, schedule="constant", evaluate_every="1 steps")
    shutil.rmtree("old")
    resume("parts", overrides=["training.steps=6"], quiet=True, device="cpu")
    whole, parts = (load_file(next(Path(run).glob("checkpoints/step-*6")) / "counts.safetensors") for run in RUNS)
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    whole, parts = (weights(run, 6) for run in RUNS)
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())


def test_a_run_that_keeps_counts_can_be_replaced() -> None:
    train("old", OLD, COUNTED)
    first = keeping("new", "auto")
    again = charrnn.train("new.yaml", out="new", overwrite=True, init_from="old", quiet=True, device="cpu")
    assert first.facts.id != again.facts.id


def test_counts_that_are_kept_are_read_without_pytorch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    train("old", OLD, COUNTED)
    keeping("kept", 0.5)
    fast = charrnn.load("kept").sample("The ", length=60, samples=3)
    monkeypatch.setattr("charrnn.generation.fast.library", lambda: None)
    slow = charrnn.load("kept").sample("The ", length=60, samples=3)
    assert [one.text for one in fast] == [one.text for one in slow]


def test_without_its_first_checkpoint_a_training_does_not_begin_from_nothing() -> None:
    train("old", OLD)
    train("new", NEW, begin={"init_from": "old"})
    shutil.rmtree("new/checkpoints")
    with pytest.raises(CharrnnError, match="not the weights that it was to begin with"):
        resume("new", quiet=True, device="cpu")


def test_a_tied_weight_has_two_names() -> None:
    model = build_model(ModelConfig(hidden_size=4, embedding_size=4, tie_embedding=True), 9)
    keep_frozen(model, ["output.weight"])
    assert not model.get_parameter("embedding.weight").requires_grad


def test_mistakes_are_told() -> None:
    train("old", OLD, {"cell": "gru"})
    train("counts", OLD, {"cell": "ngram", "hidden_size": 256, "embedding_size": 64})
    written("new", NEW)
    for begin, words in (
        ({"init_from": "nowhere"}, "nowhere: no such folder"),
        ({"init_from": "counts"}, "counts: an n-gram only counts"),
        ({"init_from": "old", "overrides": ["model.hidden_size=13"]}, r"model.hidden_size=13.*has hidden_size 12"),
        ({"init_from": "old", "overrides": [" model . cell=rnn"]}, "has cell gru"),
        ({"init_from": "old", "freeze": ["embeding"]}, r"'embeding': no weight.*embedding\.weight, trunk"),
        ({"init_from": "old", "overrides": ["model.ngram.keep=2"]}, r"model\.ngram\.keep"),
        ({"freeze": ["embedding", "trunk", "output"]}, "these are all weights"),
        ({"freeze": [""]}, "at least 1 character"),
        ({"freeze": ["e"], "overrides": ["model={cell: ngram}"]}, "a section and a key"),
    ):
        with pytest.raises(CharrnnError, match=words):
            train("new", NEW, begin=begin)
    with pytest.raises(CharrnnError, match="none"):
        train("new", NEW, {"cell": "ngram", "hidden_size": 256, "embedding_size": 64}, begin={"freeze": ["e"]})
    assert not Path("new").exists()
    with pytest.raises(CharrnnError, match="lies in the run that would be replaced"):
        charrnn.train("new.yaml", out="old", overwrite=True, init_from="old", quiet=True)


def test_several_workers_begin_from_it_too(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    train("old", OLD)
    words = ["train", str(written("new", NEW)), "--init-from", "old", "--freeze", "embedding", "--device", "cpu"]
    for out, workers in (("one", "1"), ("two", "2")):
        monkeypatch.setattr("sys.argv", ["charrnn", *words, "--out", out, "--workers", workers])
        with pytest.raises(SystemExit) as exit:
            main()
        assert not exit.value.code
        told = capfd.readouterr().err
        assert told.count("the weights and the model are those of old, step 4: lstm 1 × 12, embedding 8") == 1
        assert told.count(f"{len(set(OLD))} characters are known, {len(set(NEW) - set(OLD))} are new") == 1
        assert f"({8 * (len(set(OLD + NEW)) + 2)} of them frozen)" in told
    first, one, two = weights("one", 0), weights("one", 4), weights("two", 4)
    for name, weight in first.items():
        assert torch.equal(weight, weights("two", 0)[name])
        torch.testing.assert_close(one[name], two[name], atol=1e-4, rtol=1e-3)
    assert torch.equal(first["embedding.weight"], two["embedding.weight"])


def test_the_alphabet_is_that_of_both_texts_unless_it_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    train("old", OLD)
    both = train("both", NEW, begin={"init_from": "old"})
    assert set(both.vocabulary.characters) == set(OLD) | set(NEW)
    assert "left out" not in capfd.readouterr().err
    charrnn.train("both.yaml", init_from="old", overrides=["vocab.also="], out="own", device="cpu")
    assert set(charrnn.load("own").vocabulary.characters) == set(NEW)
    assert f"{len(set(OLD) - set(NEW))} are left out" in capfd.readouterr().err
    more = charrnn.load_config(written("more", NEW))
    more.vocab.also = "☃"
    begun = charrnn.train(more, init_from="old", out="more", quiet=True, device="cpu")
    assert set(begun.vocabulary.characters) == set(OLD) | set(NEW) | {"☃"}
    again = charrnn.resume(both.path, steps=6, quiet=True, device="cpu")
    assert again.vocabulary.characters == both.vocabulary.characters
    assert np.isfinite(again.evaluate().bits_per_char)
