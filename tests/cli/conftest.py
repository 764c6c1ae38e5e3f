"""A command line that is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.cli import main

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Gives the last line of what a refused command says; nothing of it is a result."""

    def told(*arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["charrnn", *(str(one) for one in arguments)])
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as left:
            patch.setattr(sys, "stdout", sys.stdout)  # `main` puts its own in their place
            patch.setattr(sys, "stderr", sys.stderr)
            main()
        written, said = capsys.readouterr()
        assert left.value.code == 2 and written == "" and "Traceback" not in said
        return said.splitlines()[-1]

    return told
