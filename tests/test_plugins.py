"""A cell of one's own, without touching the package: the example of docs/adding-a-cell.md, run as it stands there."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import charrnn
from charrnn.cells import CELLS
from charrnn.errors import CharrnnError
from charrnn.models import build_model
from charrnn.plugins import load_plugin

PAGE = Path(__file__).parents[1] / "docs" / "adding-a-cell.md"
SMALL = ["model.hidden_size=12", "model.embedding_size=6", "training.steps=6", "training.window=8"]


@pytest.fixture(autouse=True)
def only_for_this_test() -> Iterator[None]:
    before = dict(CELLS)
    yield
    CELLS.clear()
    CELLS.update(before)
    for name in [name for name in sys.modules if name.startswith("charrnn_plugin_")]:
        del sys.modules[name]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    match = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None and match[1].count("\n") < 40
    file = tmp_path / "ugrnn.py"
    file.write_text(match[1], encoding="utf-8")
    (tmp_path / "text.txt").write_text("the cat sat on the mat, and the dog sat on the log.\n" * 60, encoding="utf-8")
    (tmp_path / "my.yaml").write_text("corpus: {path: text.txt}\nmodel: {cell: ugrnn}\n", encoding="utf-8")
    return file


def test_what_a_cell_imports_from_its_folder_is_part_of_its_code(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its helpers, and theirs; nothing of charrnn, of PyTorch or of the standard library."""
    monkeypatch.syspath_prepend(plugin.parent)
    names = ["helper_of_a_cell", "helper_of_the_helper"]

    def code(constant: int) -> str:
        (plugin.parent / f"{names[1]}.py").write_text(f"C = {constant}\ndef g(): return C\n", encoding="utf-8")
        (plugin.parent / f"{names[0]}.py").write_text(f"from {names[1]} import g\n", encoding="utf-8")
        for name in [*names, "charrnn_plugin_ugrnn"]:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        load_plugin(plugin)
        return CELLS["ugrnn"].code

    alone = code(1)
    plugin.write_text(f"import {names[0]}\n{plugin.read_text(encoding='utf-8')}", encoding="utf-8")
    first = code(1)
    assert len({alone, first, code(22)}) == 3
    assert code(1) == first
    for name in names:
        sys.modules.pop(name, None)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command, in a process that knows nothing of the plugin."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "charrnn", *arguments]
    return subprocess.run(line, capture_output=True, encoding="utf-8", env=environment)


def test_the_commands_take_it(plugin: Path) -> None:
    sets = [part for key in [*SMALL, "model.options={gate_bias: 2.0}"] for part in ("--set", key)]
    missing = command("train", "my.yaml", *sets)
    assert missing.returncode == 2
    assert "model.cell: expected" in missing.stderr and "--plugin FILE.py" in missing.stderr
    trained = command("train", "my.yaml", "--plugin", "ugrnn.py", "--out", "run", *sets, "--workers", "2", "--quiet")
    assert trained.returncode == 0, trained.stderr
    for verb in (["sample"], ["eval"], ["info"], ["score"], ["compare"], ["fill"], ["compress"]):
        given = {"score": ["text.txt"], "fill": ["the c_t"], "compress": ["text.txt"]}.get(verb[0], [])
        refused = command(*verb, "run", *given)
        assert refused.returncode == 2, verb
        assert "its cell ugrnn is not charrnn's own" in refused.stderr and "--plugin ugrnn.py" in refused.stderr, verb
        done = command(*verb, "run", *given, "--plugin", "ugrnn.py")
        assert done.returncode == 0, (verb, done.stderr)
        if verb == ["sample"]:
            assert done.stderr.count("has no way to write without PyTorch") == 1
    more = command("train", "--resume", "run", "--plugin", "ugrnn.py", "--set", "training.steps=9", "--quiet")
    assert more.returncode == 0, more.stderr


def test_in_python_importing_it_is_enough(plugin: Path, tmp_path: Path) -> None:
    load_plugin(plugin)
    load_plugin(plugin)  # once
    run = charrnn.train("my.yaml", overrides=SMALL, out=tmp_path / "run", quiet=True)
    assert run.config.model.cell == "ugrnn"
    assert json.loads((run.path / "run.json").read_text())["plugin"] == "ugrnn.py"
    before = charrnn.load(run.path, "cpu").sample("the", length=20)[0].text
    assert before == charrnn.load(run.path, "cpu").sample("the", length=20)[0].text
    del CELLS["ugrnn"]
    with pytest.raises(CharrnnError, match=r"its cell ugrnn is not charrnn's own.*ugrnn\.py"):
        charrnn.load(run.path)


def test_it_is_held_to_its_options(plugin: Path) -> None:
    load_plugin(plugin)
    config = charrnn.load_config("my.yaml", [*SMALL, "model.options={gate_bias: 2}"])
    layer = build_model(config.model, 5).get_submodule("trunk.layers.0")
    assert torch.equal(layer.get_parameter("b")[12:], torch.full((12,), 2.0))
    with pytest.raises(CharrnnError, match=r"model\.options: got an unexpected keyword argument 'gate'"):
        charrnn.train("my.yaml", overrides=[*SMALL, "model.options={gate: 2}"], quiet=True)
    with pytest.raises(CharrnnError, match=r"no model\.options"):
        charrnn.load_config("my.yaml", ["model.cell=gru", "model.options={gate: 2}"])


def test_a_cell_gets_a_name_of_its_own() -> None:
    class Layer(charrnn.RecurrentLayer):
        """Nothing yet."""

    with pytest.raises(CharrnnError, match="charrnn has a cell of that name"):
        charrnn.register_cell("lstm", Layer)
    with pytest.raises(CharrnnError, match="a name such as"):
        charrnn.register_cell("a cell", Layer)
    with pytest.raises(CharrnnError, match="RecurrentLayer was expected"):
        charrnn.register_cell("other", torch.nn.LSTM)  # type: ignore[arg-type]
    charrnn.register_cell("mine", Layer)
    assert CELLS["mine"].is_recurrent and "weight_dropout" not in CELLS["mine"].keys


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nothing_of_that_name", r"broken\.py, line 1: ModuleNotFoundError"),
        ("x = 1\n\ndef f(:", r"broken\.py, line 3: SyntaxError"),
        ("x = 1\n1 / 0", r"broken\.py, line 2: ZeroDivisionError: division by zero"),
        ("import charrnn\ncharrnn.register_cell('gru', charrnn.RecurrentLayer)", r"broken\.py: register_cell: gru"),
    ],
)
def test_a_plugin_that_fails_is_told_with_its_line(code: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(code, encoding="utf-8")
    for _ in range(2):
        with pytest.raises(CharrnnError, match=told):
            load_plugin(tmp_path / "broken.py")


@pytest.mark.parametrize("name", ["nothing.py", "text.txt", "."])
def test_a_plugin_is_a_python_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("x", encoding="utf-8")
    with pytest.raises(CharrnnError, match="a Python file was expected"):
        load_plugin(tmp_path / name)
