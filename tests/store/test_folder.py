"""A new run gets a folder of its own, and nothing that is not a run is ever removed for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.store import folder as module
from charrnn.store.facts import Facts
from charrnn.store.folder import is_run, new_folder
from charrnn.store.lock import locked

DEAD, LIVING = "999999999 1", f"{os.getpid()} "
RUN = Facts(
    format=1,
    id="0",
    parameters=1,
    fingerprint="0",
    mode="stream",
    characters={"train": 1, "val": 1, "test": 1},
    documents=None,
    vocabulary=2,
).model_dump_json()
LEFTOVERS = {"lock", ".lock-99999999", "config.yaml", "vocab.json", ".run.json.tmp"}
"""What a training may leave that was killed before its run was whole."""
OTHERS = {
    *("run.json", "metrics.jsonl", "samples.txt", ".metrics.jsonl.tmp", "checkpoints/step-00000001/model.safetensors"),
    *("checkpoints/step-00000002/manifest.json", "checkpoints/.step-00000003.tmp/state.json"),
    *("tensorboard/events.out.tfevents.1.host.1.0", "tensorboard/projector_config.pbtxt"),
    *("tensorboard/00012/embedding/tensors.tsv", "tensorboard/00012/embedding/metadata.tsv"),
}
"""What it leaves otherwise."""
FOREIGN = [
    "notes.txt",
    "run.json.bak",
    "checkpoints/step-1/notes",
    "checkpoints/notes",
    "tensorboard/notes",
    "tensorboard/00012/embedding/notes",
    ".hidden",
    ".git/config",
    "x/y",
]
NAMES = sorted((LEFTOVERS | OTHERS) - {"lock", "run.json"}) + FOREIGN


def make(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """A folder with these files and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return files


def content(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_text() for file in files}


@given(
    names=st.sets(st.sampled_from(NAMES)),
    lock=st.sampled_from([None, DEAD, LIVING, "mine", ""]),
    overwrite=st.booleans(),
)
def test_only_what_a_killed_training_left_is_removed(names: set[str], lock: str | None, overwrite: bool) -> None:
    out = Path("out")
    before = make(out, {name: f"own {name}" for name in names} | ({} if lock is None else {"lock": lock}))
    leftover = "lock" in " ".join(before) and lock in (None, DEAD) and before.keys() <= LEFTOVERS
    if leftover or not before:
        assert new_folder(out, "name", overwrite) == out
        assert content(out) == {}
    else:
        with pytest.raises(CharrnnError, match="is not a run"):
            new_folder(out, "name", overwrite)
        assert content(out) == before


@given(names=st.sets(st.sampled_from(NAMES)), lock=st.sampled_from([None, DEAD, LIVING]), overwrite=st.booleans())
def test_a_run_is_replaced_only_when_asked_and_never_while_it_trains(
    names: set[str], lock: str | None, overwrite: bool
) -> None:
    out = Path("out")
    before = make(out, dict.fromkeys(names, "x") | {"run.json": RUN} | ({} if lock is None else {"lock": lock}))
    foreign = not before.keys() <= LEFTOVERS | OTHERS
    if overwrite and lock != LIVING and not foreign:
        assert new_folder(out, "name", overwrite) == out
        assert out.is_dir() and list(out.iterdir()) == []
    else:
        told = f"process {os.getpid()}" if lock == LIVING else "not a file of the run"
        with pytest.raises(CharrnnError, match=told if overwrite else "already holds a run"):
            new_folder(out, "name", overwrite)
        assert content(out) == before


def test_a_run_that_this_process_trains_is_free_when_it_has_ended() -> None:
    out = Path("out")
    make(out, {"run.json": RUN})
    with locked(out), pytest.raises(CharrnnError, match=f"process {os.getpid()}"):
        new_folder(out, "name", overwrite=True)
    assert is_run(out)
    assert new_folder(out, "name", overwrite=True) == out
    assert not is_run(out)


@pytest.mark.parametrize("facts", ["{}", '{"experiment": "not charrnn"}', "[]", "text", '{"format": "1"}'])
def test_a_run_json_of_another_program_is_no_run_to_replace(facts: str) -> None:
    before = make(Path("out"), {"run.json": facts, "config.yaml": "mine"})
    with pytest.raises(CharrnnError, match="no run of charrnn's"):
        new_folder("out", "name", overwrite=True)
    assert content(Path("out")) == before


@pytest.mark.parametrize("needed", ["out/config.yaml", "out/samples.txt", "out/../out/config.yaml", "link/config.yaml"])
def test_a_run_that_holds_the_config_or_the_text_is_not_replaced(needed: str) -> None:
    before = make(Path("out"), {"run.json": RUN, "config.yaml": "mine", "samples.txt": "mine"})
    Path("link").symlink_to("out")
    with pytest.raises(CharrnnError, match="copy it elsewhere"):
        new_folder("out", "name", True, [Path("elsewhere"), Path(needed)])
    assert content(Path("out")) == before


def test_the_current_folder_is_replaced_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    make(Path("out"), {"run.json": RUN, "config.yaml": "x"})
    monkeypatch.chdir("out")
    assert new_folder(".", "name", overwrite=True) == Path() and list(Path().iterdir()) == []


def test_a_link_in_a_run_is_removed_and_what_it_leads_to_is_not() -> None:
    make(Path("elsewhere"), {"step-1": "mine"})
    make(Path("out"), {"run.json": RUN})
    Path("out/checkpoints").symlink_to(Path("elsewhere").absolute())
    assert new_folder("out", "name", overwrite=True) == Path("out")
    assert list(Path("out").iterdir()) == [] and content(Path("elsewhere")) == {"step-1": "mine"}


def test_what_makes_it_a_run_goes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a replacement that is cut short can be done again."""
    before = make(Path("out"), {"run.json": RUN, "vocab.json": "x", "samples.txt": "x"})
    removed: list[str] = []
    monkeypatch.setattr(module, "remove", lambda file: removed.append(file.name))
    new_folder("out", "name", overwrite=True)
    assert sorted(removed) == sorted(before) and removed[-1] == "run.json"


@given(taken=st.sets(st.integers(1, 7)), files=st.sets(st.integers(1, 7)), overwrite=st.booleans())
def test_without_a_name_of_its_own_it_gets_the_first_number_that_is_free(
    taken: set[int], files: set[int], overwrite: bool
) -> None:
    """Whatever takes the others: a run, an empty folder, a file."""
    runs = Path("runs")
    make(runs, {name(number): "a file" for number in files - taken})
    for number in taken:
        (runs / name(number)).mkdir()
        if number % 2:
            (runs / name(number) / "run.json").write_text("{}")
    before, free = content(runs), min(set(range(1, 9)) - taken - files)
    assert new_folder(None, "poem", overwrite) == runs / name(free)
    assert new_folder(None, "other", overwrite) == runs / "other"
    assert (runs / name(free)).is_dir() and list((runs / name(free)).iterdir()) == []
    assert content(runs) == before


def name(number: int) -> str:
    return "poem" if number == 1 else f"poem-{number}"


@pytest.mark.parametrize("count", [5])
def test_many_new_runs_are_numbered_without_a_gap(count: int) -> None:
    assert [new_folder(None, "poem", False) for _ in range(count)] == [
        Path("runs") / name(number) for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("out", ["new", "deep/er/and/deeper", Path("as/a/path"), "秋 天", "a.b"])
def test_a_folder_that_is_not_there_is_made_with_all_above_it(out: str | Path) -> None:
    made = new_folder(out, "name", False)
    assert made == Path(out) and made.is_dir() and not list(made.iterdir())
    assert new_folder(out, "name", False) == made  # an empty one holds nothing


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("out", ["file", "file/below", "link", "x" * 300, "file/run.json"])
def test_where_no_folder_can_be_the_name_is_told_and_nothing_is_touched(out: str, overwrite: bool) -> None:
    Path("file").write_text("mine")
    Path("link").symlink_to("nowhere")
    with pytest.raises(CharrnnError, match=out[:4]):
        new_folder(out, "name", overwrite)
    assert Path("file").read_text() == "mine"
    assert Path("link").is_symlink()
    assert sorted(path.name for path in Path().iterdir()) == ["file", "link"]


def test_a_file_where_all_runs_lie_is_told() -> None:
    Path("runs").write_text("mine")
    with pytest.raises(CharrnnError, match="runs"):
        new_folder(None, "name", True)
    assert Path("runs").read_text() == "mine"


def test_a_run_is_a_folder_with_the_file_that_is_written_last() -> None:
    make(Path("begun"), dict.fromkeys(LEFTOVERS, ""))
    make(Path("whole"), {"run.json": "{}"})
    make(Path("folder"), {"run.json/x": ""})
    Path("file").write_text("")
    paths = ["begun", "whole", "folder", "file", "file/x", "nowhere", "x" * 5000]
    assert [path for path in paths if is_run(Path(path))] == ["whole"]
