"""Where encoded corpora, downloads and compiled libraries are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The folder $CHARRNN_CACHE, or charrnn's folder in the user's cache."""
    return Path(os.environ.get("CHARRNN_CACHE") or platformdirs.user_cache_dir("charrnn"))
