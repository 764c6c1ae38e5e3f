"""What every test starts from: folders of its own, and no mirror."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("charrnn", max_examples=50, deadline=None)
settings.load_profile("charrnn")


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_folders(session_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is shared by the tests of a session, so that a corpus is made once, and is never the user's."""
    monkeypatch.setenv("CHARRNN_CACHE", str(session_cache))
    monkeypatch.delenv("CHARRNN_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)
