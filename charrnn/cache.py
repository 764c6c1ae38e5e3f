"""Where encoded corpora, downloads and compiled libraries are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from charrnn.errors import CharrnnError


def cache_folder() -> Path:
    """$CHARRNN_CACHE, or the user's cache folder. Raises CharrnnError where there is neither."""
    if given := os.environ.get("CHARRNN_CACHE"):
        return Path(given).absolute()
    return own_cache()


def own_cache() -> Path:
    """The user's cache folder. Raises CharrnnError where the user has no home: nothing is looked for elsewhere."""
    try:
        folder = Path(platformdirs.user_cache_dir("charrnn"))
    except RuntimeError:  # newer versions of platformdirs where there is no home
        folder = Path("~")
    if not folder.is_absolute():  # older ones
        raise CharrnnError(
            "there is no cache folder: HOME is not set, and this user has no home folder; set CHARRNN_CACHE to a folder"
        )
    return folder
