"""How far back a model looks: exactly as far as its architecture lets it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charrnn
from charrnn.errors import CharrnnError
from charrnn.report.memory import Targets, drawn, memory, part_of, targets_of, whole
from charrnn.report.opening import causal_runs
from charrnn.run import Run
from charrnn.text.dataset import Part

NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
TEXT = "".join(f"the {i} geese fly over {i * i} lakes; 鵝飛過湖。\n" for i in range(200))
POEMS = "\n\n".join(f"{i}山{i % 7}水\n{'月' * (i % 5)}下{i}人" for i in range(150))


def trained(text: str = TEXT, mode: str = "stream", name: str = "run", **model: Any) -> Run:
    if not Path(f"{name}.txt").exists():
        Path(f"{name}.txt").write_text(text, encoding="utf-8")
    small = {"hidden_size": 12, "embedding_size": 6} | model
    corpus = {"path": f"{name}.txt", "mode": mode, "shared_run": None}
    training = {"steps": 4, "batch_size": 4, "window": 16, "sample_every": None}
    return charrnn.train(
        {"corpus": corpus, "model": small, "training": training, "sampling": {"length": 3}}, device="cpu", quiet=True
    )


@pytest.mark.parametrize("mode", ["stream", "documents"])
@pytest.mark.parametrize(
    ("model", "reach"),
    [({"cell": "ngram", "order": 4}, 3), ({"cell": "ngram", "order": 1}, 1), ({"cell": "mlp", "context": 5}, 5)],
)
def test_it_is_exactly_flat_beyond_what_it_can_see(mode: str, model: dict[str, Any], reach: int) -> None:
    run = trained(TEXT if mode == "stream" else POEMS, mode, **model)
    (part,) = part_of([run])
    known = tuple(range(1, 12))
    found = memory(run, targets_of(part, 300), known)
    beyond = found.bits[known.index(reach) :]
    exactly = 0.0 if model["cell"] == "ngram" else 1e-6  # products of other shapes round in another way
    assert beyond == pytest.approx([found.everything] * len(beyond), abs=exactly)
    assert found.span is not None and found.span <= reach
    if reach > 1:
        assert found.bits[0] != pytest.approx(found.everything, abs=1e-3)


CELLS = [
    {"cell": "lstm"},
    {"cell": "mingru", "num_layers": 2},
    {"cell": "ngram", "order": 3},
    {"cell": "gru", "ngram": {"order": 3}},
]


@pytest.mark.parametrize("mode", ["stream", "documents"])
@pytest.mark.parametrize("model", CELLS, ids=lambda model: str(model["cell"]))
def test_each_value_is_that_of_reading_step_by_step(mode: str, model: dict[str, Any]) -> None:
    run = trained(TEXT if mode == "stream" else POEMS, mode, **model)
    (part,) = part_of([run])
    targets = targets_of(part, 6)
    reader, boundary = run.model.writer, run.model.boundary
    found = memory(run, targets, (1, 3, 20, 100))
    by_step: dict[int | None, list[float]] = {k: [] for k in (*found.known, None)}
    for place, span in zip(targets.places, targets.spans[targets.span], strict=True):
        begin = int(span[0]) if mode == "documents" else 0
        before = [boundary, *np.asarray(part.ids)[begin:place].tolist()]
        ended = mode == "documents" and place == span[1]
        wanted = boundary if ended else int(part.ids[place])
        for k, bits in by_step.items():
            blank = k is not None and k < len(before)
            state = reader.blank_state(1) if blank else reader.initial_state(1)
            for character in before[-k:] if blank and k else before[-1001:]:
                logits, state = reader.step(torch.tensor([character]), state)
            bits.append(float(-logits[0].double().log_softmax(-1)[wanted] / math.log(2)))
    assert found.everything == pytest.approx(np.mean(by_step[None]), abs=1e-4)
    assert found.bits == pytest.approx([np.mean(by_step[k]) for k in found.known], abs=1e-4)


def test_of_all_documents_everything_is_the_evaluation() -> None:
    run = trained(POEMS, "documents")
    (part,) = part_of([run])
    found = memory(run, targets_of(part, 10**6), (10**6,))
    assert found.everything == pytest.approx(run.evaluate().bits_per_char, abs=1e-6)
    assert found.targets == run.evaluate().characters
    assert found.bits == (found.everything,) and found.errors == (0.0,) and found.span == 10**6


def test_fewer_targets_at_large_k_give_the_same_within_the_stated_error(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(POEMS, "documents")
    targets = targets_of(part_of([run])[0], 10**6)
    whole_ = memory(run, targets, (2, 4, 8))
    monkeypatch.setattr("charrnn.report.memory.FEWER", 2)
    monkeypatch.setattr("charrnn.report.memory.FEWEST", 32)
    assert len(targets.places) > 4 * 32
    few = memory(run, targets, (2, 4, 8))
    assert few.everything == whole_.everything and few.bits[0] == whole_.bits[0]
    assert few.errors[1:] != whole_.errors[1:]  # others were read
    for one, other, error in zip(few.bits, whole_.bits, few.errors, strict=True):
        assert abs(one - other) <= 3 * error


@pytest.mark.parametrize("count", [1, 3, 64, 500, 5000])
@pytest.mark.parametrize("documents", [False, True])
def test_targets_lie_within_their_spans_and_none_twice(count: int, documents: bool) -> None:
    spans = np.array([[5, 6], [100, 140], [10, 90], [200, 200], [300, 1900]])
    part = Part(np.arange(2000), spans) if documents else Part(np.arange(2000), pieces=spans)
    targets = targets_of(part, count)
    inside = targets.spans[targets.span]
    assert ((inside[:, 0] <= targets.places) & (targets.places < inside[:, 1] + documents)).all()
    assert len(set(zip(targets.places.tolist(), inside[:, 0].tolist(), strict=True))) == len(targets.places)
    assert len(targets.places) <= count
    total = int((spans[:, 1] - spans[:, 0]).sum()) + 4 * documents
    assert len(targets.places) >= 0.8 * min(count, total)
    if count >= total:
        assert len(targets.places) == total


def test_what_cannot_be_laid_over_each_other_is_refused() -> None:
    one, other = trained(), trained(TEXT + "x", name="other")
    with pytest.raises(CharrnnError, match="another text"):
        part_of([one, other])
    assert len(part_of([one, other], "run.txt")) == 2
    both = trained(bidirectional=True)
    with pytest.raises(CharrnnError, match="bidirectional"):
        causal_runs([both.path])
    assert [run.path for run in causal_runs([Path("runs")])] == sorted([one.path, other.path])
    with pytest.raises(CharrnnError, match="bidirectional"):
        memory(both, targets_of(part_of([both])[0], 10))


def test_it_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    from charrnn.report.out import check_ending, write_picture

    run = trained()
    found = memory(run, targets_of(part_of([run])[0], 50), (1, 2))
    for ending in ("html", "svg", "png", "pdf"):
        check_ending(Path(f"a.{ending}"))
        write_picture(Path(f"a.{ending}"), drawn([found]), "多遠？ <b>", "words")
        assert Path(f"a.{ending}").stat().st_size > 1000
    page = Path("a.html").read_text(encoding="utf-8")
    assert "多遠？ &lt;b&gt;" in page and "<svg" in page and set(re.findall('http[^"]*', page)) <= NAMESPACES
    with pytest.raises(CharrnnError, match=r"\.html"):
        check_ending(Path("a.jpg"))


def test_whole_is_in_the_order_of_the_targets() -> None:
    run = trained(POEMS, "documents", cell="ngram", order=2)
    (part,) = part_of([run])
    targets = targets_of(part, 10**6)
    order = np.random.default_rng(0).permutation(len(targets.places))
    shuffled = Targets(targets.ids, targets.spans, targets.span[order], targets.places[order], True)
    np.testing.assert_array_equal(whole(run.model, shuffled), whole(run.model, targets)[order])
