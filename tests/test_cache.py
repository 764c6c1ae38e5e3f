"""A cache in which others may write is not used, and whoever clears the cache removes only what charrnn made there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from charrnn import cache
from charrnn.cache import cache_folder
from charrnn.config import CorpusConfig, VocabConfig
from charrnn.errors import CharrnnError
from charrnn.terminal import warn_once
from charrnn.text.dataset import load_dataset
from charrnn.text.keeping import PARTS, fault_of, kept, remove_kept

OTHER = 65534
only_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own cache folder; $CHARRNN_CACHE is another one."""
    warn_once.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home" / "charrnn"


def test_it_is_made_for_its_user_alone(own: Path) -> None:
    before = os.umask(0)
    try:
        made = [cache_folder(part) for part in PARTS]
    finally:
        os.umask(before)
    assert made == [Path("cache", part).absolute() for part in PARTS]
    assert {path.stat().st_mode & 0o777 for path in (Path("cache"), *made)} == {0o700}
    assert not own.exists()


@pytest.mark.parametrize("place", ["cache", "cache/ids"])
@pytest.mark.parametrize("how", ["open", pytest.param("another's", marks=only_root)])
def test_what_others_may_write_is_passed_by_and_told_once(
    place: str, how: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(place).mkdir(parents=True)
    if how == "open":
        Path(place).chmod(0o777)
    else:
        os.chown(place, OTHER, OTHER)
    assert cache_folder("ids") == cache_folder("ids") == own / "ids"
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "your own cache folder is used" in told and str(Path(place).absolute()) in told
    assert list(Path(place).iterdir()) == []  # nothing of this user's is left in the way of others


@only_root
def test_a_planted_text_is_not_learnt_from(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that is whole, of another text, in a cache that another user owns."""
    texts = {"mine": "all that is mine. " * 100, "theirs": "nothing is yours. " * 100}
    for name, text in texts.items():
        Path(name).write_text(text)
        os.utime(name, (1, 1))
    corpus = CorpusConfig(path="text", mode="stream")
    found = {name: load_dataset([Path(name)], corpus, VocabConfig()) for name in texts}
    (mine, theirs) = (Path("cache/ids", data.fingerprint[:32]) for data in found.values())
    manifest = (theirs / "dataset.json").read_text().replace(found["theirs"].fingerprint, found["mine"].fingerprint)
    mine.rename("aside")
    theirs.rename(mine)
    (mine / "dataset.json").write_text(manifest)
    os.chown("cache/ids", OTHER, OTHER)
    data = load_dataset([Path("mine")], corpus, VocabConfig())
    assert data.vocabulary.decode(data.ids.tolist()) == texts["mine"]


@only_root
def test_a_planted_link_leads_no_clearing_elsewhere(own: Path) -> None:
    documents = Path("documents", "0" * 32)
    documents.mkdir(parents=True)
    (documents / "thesis.tex").write_text("mine")
    Path("cache").mkdir()
    Path("cache/ids").symlink_to(documents.parent.absolute())
    os.chown("cache/ids", OTHER, OTHER, follow_symlinks=False)
    assert kept() == []


def test_only_what_charrnn_made_is_listed_and_removed(own: Path) -> None:
    """The folder is one of the user's, who has downloads/ and corpora/ of his own, and a link in it."""
    Path("documents").mkdir()
    mine = [Path("documents", "thesis.tex")]
    for name in ("downloads/tax.pdf", "downloads/photos/a.jpg", "corpora/list.txt", "corpora/list.json", "ids/.gone-x"):
        mine.append(cache_folder(Path(name).parts[0]).joinpath(*Path(name).parts[1:]))
    for file in mine:
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
    link = cache_folder("ids") / ("0" * 32)
    link.symlink_to(Path("documents").absolute())
    made = cache_folder("downloads") / "0123456789ab"
    made.mkdir()
    (made / "poems.json").write_text("[]")
    assert [one.path for one in kept()] == [link, made]
    assert [remove_kept(one) for one in kept()] == [True, True]
    assert kept() == [] and not os.path.lexists(link) and not made.exists()
    assert all(file.read_text() == "mine" for file in mine)


@only_root
def test_nothing_of_another_owner_is_listed(own: Path) -> None:
    for number, owner in ((0, OTHER), (1, 0)):
        entry = cache_folder("ids") / str(number).zfill(32)
        entry.mkdir()
        os.chown(entry, owner, owner)
    (one,) = kept()
    assert one.name.endswith("1") and fault_of(one) is not None


def test_what_cannot_be_removed_is_told(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = cache_folder("digests") / ("0" * 32)
    entry.write_text("[]")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(entry))

    for name in ("rename", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    assert [remove_kept(one) for one in kept()] == [False]


def test_a_cache_that_cannot_be_made_is_told(own: Path) -> None:
    Path("cache").write_text("a file")
    with pytest.raises(CharrnnError, match=r"CHARRNN_CACHE: .*cache/ids: cannot be written"):
        cache_folder("ids")


def test_one_that_may_not_be_entered_is_passed_by(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path, make: bool) -> Path:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(cache, "trusted", refuse)
    assert cache_folder("ids") == own / "ids"
