"""Small runs, a desk in a real pseudo-terminal, and what a server is started with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.config import Config
from charrnn.run import Run

TOOL = Path(__file__).parents[2] / "benchmarks" / "pseudo_terminal.py"
REGULATED = (
    "春眠不覺曉，處處聞啼鳥。\n夜來風雨聲，花落知多少。\n\n床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。\n\n"
)
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
    pytest.importorskip("pyte", reason="a terminal for the tests: pip install pyte")
    pytest.importorskip("prompt_toolkit", reason="pip install 'charrnn[write]'")
    pytest.importorskip("pty", reason="this system has no pseudo-terminals")
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


def trained(folder: Path, name: str, text: str, mode: str) -> Run:
    file = folder / f"{name}.txt"
    file.write_text(text * 20, encoding="utf-8")
    config = charrnn.Config.model_validate(
        {
            "corpus": {"path": str(file), "mode": mode},
            "model": {"hidden_size": 16, "embedding_size": 8},
            "training": {"steps": 3, "batch_size": 4, "window": 8, "sample_every": None, "kernels": "plain"},
            "sampling": {"prompt": "", "length": 30},
        }
    )
    return charrnn.load(charrnn.train(config, out=folder / name, quiet=True, device="cpu").path, "cpu")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, session_cache: Path) -> list[Run]:
    """A run of poems, and one of a long text."""
    folder = tmp_path_factory.mktemp("served")
    return [
        trained(folder, "poems", REGULATED, "documents"),
        trained(folder, "play", "To be, or not to be: that is the question.\n", "stream"),
    ]
