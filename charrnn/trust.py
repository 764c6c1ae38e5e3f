"""What nobody but this user and root could have put there: only that is run as code, or learnt from."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Untrusted(Exception):
    """Somebody else could have put something here; the message says who, and where."""


def trusted(folder: Path, make: bool = False) -> Path:
    """The folder, its links resolved, if nobody but this user and root may change what lies in it.

    The folder and all folders above it must belong to this user or root, and nobody else may write there. Only above it
    may be a sticky folder, such as /tmp, in which everyone removes but their own files. With `make` what is missing is
    made, for this user alone, and nothing below a folder that is not trusted. Raises Untrusted, and OSError where a
    folder is not there. Windows does not tell who may write.
    """
    for part in (folder.absolute(), *folder.absolute().parents):
        if part.is_symlink() and not (is_mine(status := part.lstat()) or status.st_uid == 0):
            raise Untrusted(f"{part} is a link of another user")
    place = folder.resolve(strict=not make)
    for part in (*reversed(place.parents), place):
        if make and not os.path.lexists(part):
            part.mkdir(mode=0o700, exist_ok=True)
        _check(part, part.stat(), sticky_is_safe=part != place)
    return place


def is_mine(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to this user."""
    return os.name == "nt" or status.st_uid == os.geteuid()


def check_file(file: Path) -> None:
    """Raises Untrusted where a file in a trusted folder is another's, a link, or may be written by others."""
    if not stat.S_ISREG(file.lstat().st_mode):
        raise Untrusted(f"{file} is not a plain file")
    check(file)


def check(path: Path) -> None:
    """Raises Untrusted where what lies in a trusted folder is another's, or may be written by others."""
    _check(path, path.stat(), sticky_is_safe=False)


def _check(path: Path, status: os.stat_result, sticky_is_safe: bool) -> None:
    if not is_mine(status) and status.st_uid != 0:
        raise Untrusted(f"{path} belongs to another user (number {status.st_uid})")
    if os.name == "nt" or (sticky_is_safe and status.st_mode & stat.S_ISVTX):
        return
    if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid)):
        raise Untrusted(f"{path} may be written by others (mode {stat.S_IMODE(status.st_mode):04o})")


def _is_private(group: int) -> bool:
    """Whether a group has no member but this user or root, as many systems make one for each user."""
    import grp
    import pwd

    us = {0, os.geteuid()}
    try:
        own, owners = grp.getgrgid(group), [pwd.getpwuid(user) for user in us]
        members = {pwd.getpwnam(name).pw_uid for name in own.gr_mem}
    except KeyError:
        return False
    members |= {user.pw_uid for user in pwd.getpwall() if user.pw_gid == group}
    return members <= us and any((own.gr_gid, own.gr_name) == (one.pw_gid, one.pw_name) for one in owners)
