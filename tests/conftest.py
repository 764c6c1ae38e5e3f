"""What every test starts from: a cache of the session's own, a folder of its own, no mirror, one thread."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from charrnn.terminal import LOG, say_on_standard_error

settings.register_profile("charrnn", max_examples=50, deadline=None)
settings.load_profile("charrnn")
torch.set_num_threads(1)  # tiny tensors: a second thread only waits for the first


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Shared by the tests of a session, so that a corpus is made once, and never the user's."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARRNN_CACHE", str(cache))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("CHARRNN_MIRROR", raising=False)
        yield cache


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """What is said goes to standard error, as in the command: pytest has handlers of its own on the root logger."""
    say_on_standard_error()
    yield
    for handler in [*LOG.handlers]:
        LOG.removeHandler(handler)
        handler.close()
    LOG.setLevel(logging.NOTSET)
    LOG.propagate = True


@pytest.fixture(autouse=True)
def own_folder(session_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", str(session_cache))
    monkeypatch.delenv("CHARRNN_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)
