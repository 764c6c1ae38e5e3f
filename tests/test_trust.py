"""What others may change is not trusted."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from charrnn.trust import Untrusted, trusted

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners here")


def person(name: str, number: int, group: int) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "", number, group, "", "/", "/bin/sh"))


@pytest.mark.parametrize(
    ("number", "name", "members", "other", "private"),
    [
        (0, "root", [], None, True),
        (0, "root", ["root"], None, True),
        (0, "root", ["me", "root"], None, True),
        (0, "root", ["eve"], person("eve", 77, 77), False),
        (0, "root", [], person("eve", 77, 0), False),
        (0, "wheel", [], None, False),
        (5, "me", [], None, True),
        (5, "me", ["me"], None, True),
        (5, "me", ["eve"], person("eve", 77, 77), False),
        (5, "me", [], person("eve", 77, 5), False),
        (5, "me", ["nobody-knows"], None, False),
        (5, "users", ["me"], None, False),
    ],
)
def test_a_group_that_may_write_is_one_without_others(
    number: int,
    name: str,
    members: list[str],
    other: pwd.struct_passwd | None,
    private: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people = [person("root", 0, 0), person("me", 5, 5), *([other] if other else [])]

    def find(key: str, value: Any) -> pwd.struct_passwd:
        for one in people:
            if getattr(one, key) == value:
                return one
        raise KeyError(value)

    monkeypatch.setattr(os, "geteuid", lambda: 5)
    monkeypatch.setattr(pwd, "getpwuid", lambda value: find("pw_uid", value))
    monkeypatch.setattr(pwd, "getpwnam", lambda value: find("pw_name", value))
    monkeypatch.setattr(pwd, "getpwall", lambda: people)
    monkeypatch.setattr(grp, "getgrgid", lambda value: grp.struct_group((name, "", value, members)))
    folder, real = tmp_path / "folder", Path.stat

    def of_group(path: Path, **options: Any) -> os.stat_result:
        status = list(real(path, **options))[:10]
        status[0], status[4], status[5] = (0o40775 if path == folder else 0o40755), 5, number
        return os.stat_result(status)

    folder.mkdir()
    monkeypatch.setattr(Path, "stat", of_group)
    monkeypatch.setattr(Path, "lstat", of_group)
    if private:
        assert trusted(folder) == folder
    else:
        with pytest.raises(Untrusted, match="may be written by others"):
            trusted(folder)
