"""Accuracy by distance: nothing but chance beyond what a model can see, and all of it where it sees enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import charrnn
from charrnn.errors import CharrnnError
from charrnn.evaluation.likelihood import likelihood
from charrnn.models import LanguageModel, State
from charrnn.report.recall import Recall, drawn, recall
from charrnn.text.dataset import Part
from charrnn.text.synthetic import KEY, floor_of


def trained(name: str, **model: Any) -> charrnn.Run:
    training = {"steps": 2, "batch_size": 8, "window": 32, "sample_every": None, "evaluate_characters": 500}
    corpus = {"name": name}
    small = {"hidden_size": 8, "embedding_size": 8} | model
    return charrnn.train(
        {"corpus": corpus, "model": small, "training": training, "sampling": {"length": 3}}, device="cpu", quiet=True
    )


class Perfect(LanguageModel):
    """Knows the rule of recall-4-16, written down apart: it keeps all that it has read."""

    LONGEST = 24

    def __init__(self, run: charrnn.Run) -> None:
        super().__init__(len(run.vocabulary))
        self.id_of = {one: run.vocabulary.encode(one)[0] for one in KEY + ".|"}

    def initial_state(self, batch: int) -> State:
        return (torch.full((batch, self.LONGEST), -1),)

    def features(self, ids: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        (read,) = state
        found = []
        for row in ids:
            read = torch.cat([read[:, 1:], row[:, None]], dim=1)
            found.append(read)
        return torch.stack(found), (read,)

    def readout(self, features: torch.Tensor) -> torch.Tensor:
        flat = features.flatten(0, -2)
        chances = torch.stack([self._after(row.tolist()) for row in flat])
        return chances.log().view(*features.shape[:-1], self.vocab_size)

    def _after(self, read: list[int]) -> torch.Tensor:
        text = read[read.index(self.boundary) + 1 :]
        chances = torch.zeros(self.vocab_size, dtype=torch.float64)
        bar = self.id_of["|"]
        if len(text) < 3:
            chances[[self.id_of[one] for one in KEY]] = 1 / 36
        elif bar in text:
            place = len(text) - text.index(bar) - 1
            chances[text[place] if place < 3 else self.boundary] = 1
        else:
            left = [distance for distance in (4, 8, 16) if distance > len(text)]
            chances[bar] = (len(text) + 1 in left) / len(left)
            chances[self.id_of["."]] = 1 - chances[bar]
        return chances


def test_a_perfect_model_recalls_everything_and_reaches_the_floor_exactly() -> None:
    run = trained("recall-4-16", cell="ngram", order=1)
    run.__dict__["model"] = Perfect(run)
    found = recall(run, documents=60)
    assert found.distances == (4, 8, 16) and found.accuracy == (1.0, 1.0, 1.0) and sum(found.places) == 3 * 60
    part = run.dataset().part("val", run.config.corpus)
    few = Part(part.ids, part.spans[:60])
    floor = floor_of(run.config.corpus, run.vocabulary, few)
    assert likelihood(run.model, few).bits_per_char == pytest.approx(floor, abs=1e-5)


def test_an_ngram_does_not_copy_what_it_has_not_counted() -> None:
    found = recall(trained("recall-4-16", cell="ngram", order=8))
    assert found.distances == (4, 8, 16) and found.chance == pytest.approx(1 / 36)
    assert sum(found.places) == 3 * 1000
    assert max(found.accuracy) < 0.5  # held-out keys are new to it, and beyond its context there are none


@pytest.mark.parametrize(
    ("name", "chance"), [("brackets-2-3", 1 / 2), ("brackets-1-2", 1.0), ("adding", 1 / 10), ("count", 1 / 2)]
)
def test_every_synthetic_corpus_has_places_that_are_decided(name: str, chance: float) -> None:
    found = recall(trained(name, cell="ngram", order=3), documents=40)
    assert found.chance == pytest.approx(chance) and all(count > 0 for count in found.places)
    assert all(0 <= share <= 1 for share in found.accuracy)
    if chance == 1:
        assert set(found.accuracy) == {1.0}  # there is nothing to be wrong about
    if name == "brackets-2-3":
        assert found.distances[0] == 1 and found.accuracy[0] == 1.0  # what closes stands beside what opened


def test_a_mixture_and_a_network_are_measured_too() -> None:
    for own in ({"cell": "lstm"}, {"cell": "gru", "ngram": {"order": 2}}):
        found = recall(trained("recall-4", **own), documents=10)
        assert found.distances == (4,) and found.places == (30,)


def test_what_is_not_drawn_by_a_program_is_refused() -> None:
    Path("a.txt").write_text("a b c d e\n\n" * 300)
    run = charrnn.train(
        {"corpus": {"path": "a.txt"}, "model": {"cell": "ngram"}, "sampling": {"length": 3}}, device="cpu", quiet=True
    )
    with pytest.raises(CharrnnError, match="synthetic corpus"):
        recall(run)
    with pytest.raises(CharrnnError, match="left to right"):
        recall(trained("recall-4", bidirectional=True))


def test_the_floor_stands_beside_the_bits() -> None:
    run = trained("recall-4", cell="ngram", order=8)
    floor = run.floor()
    assert floor is not None and floor == pytest.approx(3 * 5.169925 / 8)
    assert floor < run.evaluate().bits_per_char
    assert run.floor("train") == pytest.approx(floor)
    assert trained("count", cell="ngram").floor() is not None


def test_seeds_are_one_line() -> None:
    pytest.importorskip("matplotlib")
    from charrnn.report.out import write_picture

    found = [Recall(f"runs/诗,seed={i}", "lstm", (4, 8), (1.0, 0.1 * i), (30, 30), 1 / 36) for i in range(3)]
    assert {one.group for one in found} == {"诗"}
    write_picture(Path("a.svg"), drawn(found), "t", "w")
    assert Path("a.svg").stat().st_size > 1000
