"""A desk in a real pseudo-terminal, at a small run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.config import Config

pytest.importorskip("pyte", reason="a terminal for the tests: pip install pyte")
pytest.importorskip("prompt_toolkit", reason="pip install 'charrnn[write]'")
pytest.importorskip("pty", reason="this system has no pseudo-terminals")

TOOL = Path(__file__).parents[2] / "benchmarks" / "pseudo_terminal.py"
POEMS = "\n\n".join(["床前一盞燈，窗外雨無聲。", "山高水又長，月下獨還鄉。", "春風吹綠草，小鳥叫得早。"] * 40)


def _pseudo_terminal() -> Any:
    spec = spec_from_file_location("pseudo_terminal", TOOL)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PseudoTerminal


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An n-gram of verse, which is trained and opened at once."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "poems.txt").write_text(POEMS, encoding="utf-8")
    config = Config.model_validate(
        {
            "corpus": {"path": str(folder / "poems.txt"), "mode": "documents"},
            "model": {"cell": "ngram", "order": 3},
            "sampling": {"length": 60},
        }
    )
    return charrnn.train(config, out=folder / "run", quiet=True).path


@pytest.fixture
def at_desk(small_run: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts `charrnn write` with arguments in a terminal, and waits until it shows its keys."""
    opened: list[Any] = []
    kind = _pseudo_terminal()

    def start(*arguments: str, wait: str = "Tab take", environment: dict[str, str] | None = None, **size: int) -> Any:
        given = {"XDG_STATE_HOME": str(tmp_path / "state"), "OMP_NUM_THREADS": "1", **(environment or {})}
        command = [sys.executable, "-m", "charrnn", "write", str(small_run), "--seed", "1", *arguments]
        terminal = kind(command, environment=given, **size)
        opened.append(terminal)
        terminal.until(wait)
        return terminal

    yield start
    for terminal in opened:
        terminal.kill()
