"""All that the cache holds, as the user may list, check and remove it."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from charrnn import native
from charrnn.cache import cache_folder
from charrnn.text import entries

Kind = Literal["text", "corpus", "download", "library", "digest"]
FOLDERS: dict[str, Kind] = {
    "ids": "text",
    "corpora": "corpus",
    "downloads": "download",
    "native": "library",
    "digests": "digest",
}


@dataclass(frozen=True)
class Kept:
    """Something in the cache."""

    kind: Kind
    """`text`: encoded; `corpus`: a named one; `download`: its sources; `library`: compiled C; `digest`: of a file."""
    path: Path
    bytes: int
    days: float
    """Since it was used last, as far as the system notes that."""

    @property
    def name(self) -> str:
        """Of its file or folder."""
        return self.path.name


def kept() -> list[Kept]:
    """All that lies in the cache, by kind and name. Raises CharrnnError where there is no cache folder."""
    found = []
    for folder, kind in FOLDERS.items():
        for path in sorted((cache_folder() / folder).glob("*")):
            if path.name.startswith(".") or (path.suffix == ".json" and kind in ("corpus", "library")):
                continue  # what is being built belongs to its builder, and a manifest goes with what it is of
            status = _status(path)
            used = max((max(one.st_atime, one.st_mtime) for one in status), default=time.time())
            found.append(Kept(kind, path, sum(one.st_size for one in status), (time.time() - used) / 86400))
    return found


def _status(path: Path) -> list[os.stat_result]:
    """The status of each file. Links are not followed, and what another process removes meanwhile is left out."""
    found = []
    for file in [path] if path.is_symlink() or not path.is_dir() else path.rglob("*"):
        with suppress(OSError):
            if stat.S_ISREG((status := file.lstat()).st_mode):
                found.append(status)
    return found


def fault_of(one: Kept) -> str | None:
    """What is wrong with something in the cache, all of it read, or None. Downloads are checked when they are used."""
    if one.kind == "text":
        return entries.fault(one.path, whole=True)
    if one.kind == "corpus":
        return entries.fault_of_file(one.path, whole=True)
    return native.fault(one.path) if one.kind == "library" and one.path.suffix == ".so" else None


def remove_kept(one: Kept) -> None:
    """Removes something from the cache, with its manifest."""
    entries.remove(one.path)
    if one.kind in ("corpus", "library"):
        entries.remove(one.path.with_suffix(".json"))
