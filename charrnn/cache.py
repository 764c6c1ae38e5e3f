"""Where encoded corpora, downloads and compiled libraries are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """$CHARRNN_CACHE, or the user's cache folder."""
    return Path(os.environ.get("CHARRNN_CACHE") or platformdirs.user_cache_dir("charrnn"))
