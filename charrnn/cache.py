"""Where encoded corpora, downloads and compiled libraries are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from charrnn.errors import CharrnnError
from charrnn.terminal import warn_once
from charrnn.trust import Untrusted, trusted


def cache_folder(part: str) -> Path:
    """A part of $CHARRNN_CACHE. Where that is not set, or is not the user's alone, which is told, of the user's cache.

    Whoever can write into a cache decides what is learnt from it, and what a command that clears it removes. Raises
    CharrnnError where there is no such folder, and none can be made.
    """
    if given := os.environ.get("CHARRNN_CACHE"):
        folder = Path(given).absolute() / part
        try:
            return trusted(folder, make=True)
        except (Untrusted, PermissionError) as error:
            reason = str(error) if isinstance(error, Untrusted) else f"{given}: {error.strerror}"
            warn_once(f"charrnn: CHARRNN_CACHE: {reason}; your own cache folder is used in its place")
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle, in older Pythons
            where, why = getattr(error, "filename", None) or folder, getattr(error, "strerror", None) or error
            raise CharrnnError(f"CHARRNN_CACHE: {where}: cannot be written: {why}") from None
    return own_cache() / part


def own_cache() -> Path:
    """The user's cache folder. Raises CharrnnError where the user has no home: nothing is looked for elsewhere."""
    try:
        folder = Path(platformdirs.user_cache_dir("charrnn"))
    except RuntimeError:  # newer versions of platformdirs where there is no home
        folder = Path("~")
    if not folder.is_absolute():  # older ones
        raise CharrnnError(
            "there is no cache folder: HOME is not set, and this user has no home folder; set CHARRNN_CACHE to a "
            "folder of yours"
        )
    return folder
