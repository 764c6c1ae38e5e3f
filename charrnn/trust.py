"""Whose code may be run: only what nobody but this user and root could have put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Untrusted(Exception):
    """Somebody else could have put code here; the message says who, and where."""


def trusted(folder: Path) -> Path:
    """The folder, its links resolved, if nobody but this user and root may change what lies in it.

    The folder and all folders above it must belong to this user or root, and nobody else may write there. Only above it
    may be a sticky folder, such as /tmp, in which everyone removes but their own files. Raises Untrusted, and OSError
    where a folder is not there.
    """
    for part in (folder.absolute(), *folder.absolute().parents):
        if part.is_symlink() and part.lstat().st_uid not in (0, os.geteuid()):
            raise Untrusted(f"{part} is a link of another user")
    place = folder.resolve(strict=True)
    for part in (place, *place.parents):
        _check(part, part.stat(), sticky_is_safe=part != place)
    return place


def check_file(file: Path) -> None:
    """Raises Untrusted where a file in a trusted folder is another's, a link, or may be written by others."""
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise Untrusted(f"{file} is not a plain file")
    _check(file, status, sticky_is_safe=False)


def _check(path: Path, status: os.stat_result, sticky_is_safe: bool) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise Untrusted(f"{path} belongs to another user (number {status.st_uid})")
    if sticky_is_safe and status.st_mode & stat.S_ISVTX:
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
