from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from charrnn.errors import CharrnnError
from charrnn.experiments.compare import compare
from charrnn.experiments.sweep import load_sweep, sweep
from charrnn.models import build_model
from charrnn.run import load

BASE = """
corpus: {path: text.txt}
model: {hidden_size: 8, embedding_size: 4}
training: {steps: 6, batch_size: 4, window: 8, sample_every: null}
"""


@pytest.fixture(autouse=True)
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("to be, or not to be, that is the question. " * 40, encoding="utf-8")


def write(sweep: str, base: str = BASE) -> str:
    Path("sweep.yaml").write_text(base + sweep, encoding="utf-8")
    return "sweep.yaml"


def test_a_grid_is_every_combination() -> None:
    configs = load_sweep(write("sweep: {grid: {model.cell: [rnn, gru], training.seed: [0, 1, 2]}}"))
    assert list(configs) == [f"cell={cell},seed={seed}" for cell in ("rnn", "gru") for seed in range(3)]
    assert configs["cell=gru,seed=2"].model.cell == "gru"
    assert configs["cell=gru,seed=2"].training.seed == 2


def test_variants_are_named_and_sized() -> None:
    configs = load_sweep(
        write("sweep: {parameters: 5000, variants: {a: {model.cell: lstm}, b: {model.cell: mlp}, c: null}}")
    )
    assert list(configs) == ["a", "b", "c"]
    for config in configs.values():
        with torch.device("meta"):
            count = sum(p.numel() for p in build_model(config.model, 17 + 2).parameters())
        assert count == pytest.approx(5000, rel=0.05)


def test_a_sweep_goes_on_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    config = write("sweep: {variants: {a: {model.cell: rnn}, b: {training.steps: 4}}}")
    runs = sweep(config, out="out", device="cpu")
    before = {run.path: (run.path / "run.json").stat().st_mtime_ns for run in runs}
    again = sweep(config, out="out", device="cpu")
    assert {run.path: (run.path / "run.json").stat().st_mtime_ns for run in again} == before
    state = next((Path("out/b/checkpoints")).glob("step-*/state.json"))
    state.write_text(json.dumps(json.loads(state.read_text()) | {"finished": False, "step": 2}))
    sweep(config, out="out", device="cpu")
    assert load("out/b").checkpoints.summary("last").step == 4
    rows = compare(again)
    assert [row.bits_per_char for row in rows] == sorted(row.bits_per_char for row in rows)
    for row in rows:  # of all characters, whatever a training has looked at
        assert (row.bits_per_char, row.estimated) == (load(row.run, "cpu").evaluate().bits_per_char, False)
    shutil.rmtree("out/a/checkpoints")
    (row,) = compare([load("out/a", "cpu")])
    assert row.estimated and math.isfinite(row.bits_per_char)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("sweep: {grid: {model.cel: [rnn]}}", ["variant cel=rnn", "model.cel", "nearest: cell"]),
        ("sweep: {grid: {model.cell: [rnn, rmm]}}", ["variant cell=rmm", "model.cell", "'rnn'"]),
        ("sweep: {grid: {cell: [rnn]}}", ["cell", "a section and a key"]),
        ("sweep: {}", ["sweep", "at least one"]),
        ("sweep: {grdi: {model.cell: [rnn]}}", ["sweep.grdi"]),
        ("sweep: {variants: {'../evil': {model.cell: rnn}}}", ["../evil", "folder"]),
        ("sweep: {grid: {corpus.path: [sub/text.txt, sub_text.txt]}}", ["path=sub_text.txt", "sweep.variants"]),
        (f"sweep: {{grid: {{a.b: {[0] * 100}, c.d: {[0] * 100}}}}}", ["10,000 variants", "1,000"]),
        (f"sweep: {{grid: {{model.cell: [rnn]}}, parameters: 1{'0' * 400}}}", ["sweep.parameters", "1000000000000"]),
        (r'sweep: {variants: {"a\e[2J": {model.cell: rnn}}}', [r"'a\x1b[2J'", "folder"]),
        ("", ["no `sweep:` section", "charrnn train"]),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(section: str, words: list[str]) -> None:
    with pytest.raises(CharrnnError) as error:
        sweep(write(section), out="out")
    for word in words:
        assert word in str(error.value)
    assert not Path("out").exists()
