from __future__ import annotations

import json
import math
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cells import CELLS
from charrnn.config import Config
from charrnn.errors import CharrnnError
from charrnn.experiments.compare import as_dicts, compare, notes, runs_in, tables
from charrnn.experiments.differences import flat, varied
from charrnn.experiments.plot import plot
from charrnn.experiments.sweep import sweep
from charrnn.experiments.variants import load_sweep
from charrnn.models import build_model
from charrnn.plugins import load_plugin
from charrnn.run import load
from charrnn.store.lock import locked
from charrnn.training.session import train

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
        write("sweep: {parameters: 5000, variants: {a: {model.cell: gru}, b: {model.cell: mlp}, c: null}}")
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


def changed_key(config: str) -> list[Path]:
    return [run.path for run in sweep(config, overrides=["model.hidden_size=12"], out="out", device="cpu")]


def changed_file(config: str) -> list[Path]:
    Path(config).write_text(Path(config).read_text().replace("steps: 6", "steps: 5"), encoding="utf-8")
    return [run.path for run in sweep(config, out="out", device="cpu")]


def changed_text(config: str) -> list[Path]:
    Path("text.txt").write_text("or is it the answer? no, it is not. " * 50, encoding="utf-8")
    return [run.path for run in sweep(config, out="out", device="cpu")]


def changed_charrnn(config: str) -> list[Path]:
    for name in "ab":
        facts = json.loads(Path(f"out/{name}/run.json").read_text())
        Path(f"out/{name}/run.json").write_text(json.dumps(facts | {"results": 0}))
    return [run.path for run in sweep(config, out="out", device="cpu")]


@pytest.mark.parametrize("change", [changed_key, changed_file, changed_text, changed_charrnn])
def test_a_run_that_is_not_what_is_asked_for_is_never_shown_for_it(
    change: Callable[[str], list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write("sweep: {variants: {a: {model.cell: rnn}, b: {model.cell: gru}}}")
    first = sweep(config, out="out", device="cpu")
    before = {run.path: (run.path / "config.yaml").read_bytes() for run in first}
    assert change(config) == [Path("out/a-2"), Path("out/b-2")]
    assert "out/a: " in capsys.readouterr().err
    assert {path: (path / "config.yaml").read_bytes() for path in before} == before, "what was there is kept"
    if change is changed_key:
        assert {load(path, "cpu").config.model.hidden_size for path in ("out/a-2", "out/b-2")} == {12}
        assert [run.path for run in sweep(config, out="out", device="cpu")] == [Path("out/a"), Path("out/b")]
        assert changed_key(config) == [Path("out/a-2"), Path("out/b-2")], "both are known again"
        assert not Path("out/a-3").exists()


def test_with_replace_nothing_old_stays() -> None:
    config = write("sweep: {variants: {a: {model.cell: rnn}}}")
    sweep(config, out="out", device="cpu")
    (run,) = sweep(config, overrides=["model.hidden_size=12"], out="out", device="cpu", replace=True)
    assert run.path == Path("out/a") and run.config.model.hidden_size == 12
    assert sorted(path.name for path in Path("out").iterdir()) == ["a"]
    for size in (10, 14):
        sweep(config, overrides=[f"model.hidden_size={size}"], out="out", device="cpu")
    assert sorted(path.name for path in Path("out").iterdir()) == ["a", "a-2", "a-3"]
    sweep(config, overrides=["model.hidden_size=16"], out="out", device="cpu", replace=True)
    assert sorted(path.name for path in Path("out").iterdir()) == ["a"]


def test_a_key_that_no_architecture_shows_is_a_column() -> None:
    config = write("sweep: {grid: {training.learning_rate: [0.001, 0.01]}}")
    (table,) = tables(compare(sweep(config, out="out", device="cpu")))
    assert table.keys == ["training.learning_rate"]
    config = write("sweep: {grid: {model.hidden_size: [4, 6]}}")
    (table,) = tables(compare(sweep(config, out="other", device="cpu")))
    assert table.keys == []


def test_how_samples_are_written_changes_no_run() -> None:
    config = write("sweep: {variants: {a: {model.cell: rnn}}}")
    (first,) = sweep(config, out="out", device="cpu")
    (again,) = sweep(config, overrides=["sampling.temperature=0.3"], out="out", device="cpu")
    assert again.path == first.path


def test_a_cell_of_the_users_own_is_known_by_its_code(tmp_path: Path) -> None:
    code = (
        "import charrnn\nfrom charrnn.models.rnn import RNNLayer\n\n\nclass Mine(RNNLayer):\n    pass\n\n\n"
        'charrnn.register_cell("mine", Mine)\n'
    )
    for more in ("", "# changed\n"):
        Path(f"plugin{len(more)}").mkdir()
        Path(f"plugin{len(more)}/mine.py").write_text(code + more, encoding="utf-8")
    config = write("sweep: {variants: {a: {model.cell: mine}}}")
    found = []
    try:
        for folder in ("plugin0", "plugin0", "plugin10"):
            load_plugin(Path(folder, "mine.py"))
            found += [run.path.name for run in sweep(config, out="out", device="cpu")]
    finally:
        CELLS.pop("mine", None)
        sys.modules.pop("charrnn_plugin_mine", None)
    assert found == ["a", "a", "a-2"]


def test_seeds_are_trainings_of_their_own_and_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    config = write("sweep: {variants: {a: {model.cell: rnn}, g: {model.cell: ngram, model.order: 2}}}")
    sweep(config, out="out", device="cpu")
    runs = sweep(config, seeds=3, out="out", device="cpu")
    assert [run.path.name for run in runs] == ["a", "a,seed=1", "a,seed=2", "g"], "the first seed was there"
    (table,) = tables(compare(runs))
    group = next(group for group in table.groups if len(group.rows) > 1)
    bits = [run.evaluate().bits_per_char for run in runs[:3]]
    assert [row.seed for row in group.rows] == [0, 1, 2]
    assert group.bits_per_char == pytest.approx(statistics.fmean(bits))
    assert group.deviation == pytest.approx(statistics.stdev(bits))
    assert group.name == "out/a"
    with pytest.raises(CharrnnError, match="seeds"):
        sweep(config, seeds=0, out="out")


def test_what_another_process_trains_is_left_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    config = write("sweep: {variants: {a: {model.cell: rnn}, b: {model.cell: gru}}}")
    Path("out/.claims/a").mkdir(parents=True)
    with locked(Path("out/.claims/a")):
        assert [run.path.name for run in sweep(config, out="out", device="cpu")] == ["b"]
    assert "a: another process is training it" in capsys.readouterr().err
    assert [run.path.name for run in sweep(config, out="out", device="cpu")] == ["a", "b"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["a", "b"]


@pytest.mark.slow
def test_several_processes_divide_a_sweep() -> None:
    config = write("sweep: {seeds: 3, variants: {a: {model.cell: rnn}, b: {model.cell: gru}}}")
    together = sweep(config, out="together", device="cpu", jobs=3)
    alone = sweep(config, out="alone", device="cpu")
    assert [run.path.name for run in together] == [run.path.name for run in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.evaluate().nats == pytest.approx(other.evaluate().nats, rel=1e-3)
        assert len(list(one.path.parent.iterdir())) == 6


def test_figures_of_different_texts_stand_in_different_tables() -> None:
    for name, holdout in (("one", "tail"), ("two", "spread")):
        keys = yaml.safe_load(BASE)
        keys["corpus"]["holdout"] = holdout
        train(Config.model_validate(keys | {"training": keys["training"] | {"steps": 4 + len(holdout)}}), out=name)
    runs = runs_in([Path("one"), Path("two")])
    rows = compare(runs)
    assert len(tables(rows)) == 2
    said = "\n".join(notes(runs, rows))
    assert "2 texts" in said and "lengths differ: 8 steps (1 run), 10 steps (1 run)" in said
    assert {key for row in as_dicts(rows) for key in row} >= {
        "corpus.holdout",
        "training.steps",
        "seed",
        "bits_per_char",
    }


def test_a_folder_stands_for_its_runs(tmp_path: Path) -> None:
    sweep(write("sweep: {variants: {a: {model.cell: rnn}, b: {model.cell: gru}}}"), out="out", device="cpu")
    Path("out/notes").mkdir()
    assert [run.path for run in runs_in([Path("out")])] == [Path("out/a"), Path("out/b")]
    with pytest.raises(CharrnnError, match="twice"):
        runs_in([Path("out"), Path("out/a")])
    with pytest.raises(CharrnnError, match="neither a run nor a folder of runs"):
        runs_in([Path("out/notes")])


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_of_seeds_and_of_both_sides(ending: str) -> None:
    pytest.importorskip("matplotlib")
    variants = "{诗: {model.cell: rnn}, b: {model.bidirectional: true}, $g: {model.cell: ngram}}"
    runs = sweep(write(f"sweep: {{seeds: 2, variants: {variants}}}"), out="out", device="cpu")
    plot(runs, compare(runs), Path(f"curves.{ending}"))
    assert Path(f"curves.{ending}").stat().st_size > 1000
    with pytest.raises(CharrnnError, match="cannot be written"):
        plot(runs, compare(runs), Path("curves.nonsense"))


@given(st.dictionaries(st.sampled_from(["hidden_size", "num_layers", "embedding_size"]), st.integers(1, 9)))
def test_what_varies_is_what_was_changed(changes: dict[str, int]) -> None:
    one = Config.model_validate({"corpus": {"name": "tang"}})
    other = one.with_keys("model", **changes)
    real = {f"model.{key}" for key, value in changes.items() if getattr(one.model, key) != value}
    assert set(varied([one, other])) == set(varied([other, one, one])) == real
    assert {key for key, value in flat(one).items() if flat(other)[key] != value} == real


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("sweep: {grid: {model.cel: [rnn]}}", ["variant cel=rnn", "model.cel", "nearest: cell"]),
        ("sweep: {grid: {model.cell: [rnn, rmm]}}", ["variant cell=rmm", "model.cell", "'rnn'"]),
        ("sweep: {grid: {cell: [rnn]}}", ["cell", "a section and a key"]),
        ("sweep: {}", ["sweep", "at least one"]),
        ("sweep: {variants: {a: {model.cell: lstm}, b: null}}", ["a and b are the same training"]),
        ("sweep: {seeds: 600, grid: {model.cell: [rnn, gru]}}", ["1,200 trainings", "1,000"]),
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
