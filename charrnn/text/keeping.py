"""All that the cache holds, as the user may list, check and remove it."""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from charrnn import native
from charrnn.cache import cache_folder
from charrnn.text import entries
from charrnn.trust import is_mine

Kind = Literal["text", "corpus", "download", "library", "digest", "index"]
PARTS: dict[str, tuple[Kind, str]] = {
    "ids": ("text", "[0-9a-f]{32}"),
    "corpora": ("corpus", r".+-[0-9a-f]{12}\.txt"),
    "downloads": ("download", "[0-9a-f]{12}"),
    "native": ("library", r"\w+-[0-9a-f]{24}\.so"),
    "digests": ("digest", "[0-9a-f]{32}"),
    "suffixes": ("index", r"[0-9a-f]{32}\.bin"),
}
"""What lies in each part of the cache, and the names that charrnn gives: whatever else lies there is left alone."""


@dataclass(frozen=True)
class Kept:
    """Something in the cache."""

    kind: Kind
    """`text`: encoded; `corpus`: a named one; `download`: its sources; `library`: compiled C; `digest`: of a file;
    `index`: the places of a training part in order, for `charrnn novelty`."""
    path: Path
    bytes: int
    days: float
    """Since it was used last, as far as the system notes that."""

    @property
    def name(self) -> str:
        """Of its file or folder."""
        return self.path.name


def kept() -> list[Kept]:
    """All that charrnn keeps in the cache, by kind and name. No link is followed, and nothing of others is listed.

    Raises CharrnnError where there is no cache folder.
    """
    found = []
    for part, (kind, form) in PARTS.items():
        for path in sorted(cache_folder(part).glob("*")):
            if re.fullmatch(form, path.name) and (status := _files(path)) is not None:
                used = max((max(one.st_atime, one.st_mtime) for one in status), default=time.time())
                found.append(Kept(kind, path, sum(one.st_size for one in status), (time.time() - used) / 86400))
    return found


def _files(path: Path) -> list[os.stat_result] | None:
    """Size and times of each file of an entry; None where it is another's, or gone."""
    try:
        if not is_mine(path.lstat()):
            return None
        within = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
        status = [file.lstat() for file in (path, *within)]
    except OSError:
        return None
    return [one for one in status if not stat.S_ISDIR(one.st_mode)]


def fault_of(one: Kept) -> str | None:
    """What is wrong with something in the cache, all of it read, or None. Downloads are checked when they are used."""
    if one.kind == "text":
        groups = (entries.fault_of_file(file, whole=True) for file in one.path.glob("groups-*.bin"))
        return entries.fault(one.path, whole=True) or next(filter(None, groups), None)
    if one.kind in ("corpus", "index"):
        return entries.fault_of_file(one.path, whole=True)
    return native.fault(one.path) if one.kind == "library" and one.path.suffix == ".so" else None


def remove_kept(one: Kept) -> bool:
    """Removes something from the cache, with its manifest. Gives whether it could be removed."""
    gone = entries.remove(one.path)
    return gone and (one.kind not in ("corpus", "library", "index") or entries.remove(one.path.with_suffix(".json")))
