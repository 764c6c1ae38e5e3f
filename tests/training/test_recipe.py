"""The recipe gives a config that trains, for any text, and divides a text only where it is many."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config import Config
from charrnn.errors import CharrnnError
from charrnn.loading import parse_config
from charrnn.text.division import FILES, Documents
from charrnn.text.survey import Survey, survey
from charrnn.training import recipe as recipes
from charrnn.training.recipe import PASSES, Recipe, find_recipe, is_text, namesake, recipe
from charrnn.training.session import train

POEM = "空山新雨後，天氣晚來秋。\n明月松間照，清泉石上流。\n\n"
STANZA = (
    "The rain is on the window pane,\nthe night is at the door,\nand all I hear is rain again,\nno more, no more.\n\n"
)
SPEECH = "HAMLET:\nWords, words, words.\n\nPOLONIUS:\nWhat is the matter, my lord?\n\n"
NOVEL = "他走了很久，终于到了山下的小村子里，天已经黑了。\n\n村里没有灯。\n\n"
CODE = "def add(a, b):\n    return a + b\n\n\nclass A:\n    pass\n\n"


def documents(folder: Path, *texts: str) -> Documents:
    files = [folder / f"{i}.txt" for i in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    return Documents.of(survey(files))


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        (POEM * 30, "blank-line"),
        (POEM * 3, None),
        (STANZA * 30, None),
        (SPEECH * 30, None),
        (NOVEL * 30, None),
        ((STANZA * 3 + "\n\n") * 30, "blank-lines: 2"),
        (("CHAPTER\n\n" + STANZA * 60 + "\n\n") * 30, None),
        ("A joke.\nIt is short.\n%\n" * 30, "/^%$/"),
        ("A text of several lines,\nand another.<|endoftext|>" * 30, "<|endoftext|>"),
        (("A chapter of a book. " * 400 + "\n***\n") * 30, None),
        ((SPEECH * 400 + "<|endoftext|>") * 30, "<|endoftext|>"),
        (CODE * 30, None),
        ("\n".join(f"Anna{'abcde'[i % 5]} Miller" for i in range(40)), "line"),
        ("\n".join(["李白", "杜甫", "王維", "白居易"] * 10), "line"),
        ("I walked a while.\nThen it rained.\n" * 30, None),
        ("X:1\nT:A hornpipe\nK:D\nabc|def|\n\n" * 30, "blank-line"),
        ("Tunes of the village\n\n" + "X: 2\nK:D\nabc|def|\n\n" * 30, "blank-line"),
        ("X:1\nK:D\nabc|\n\n" * 10 + NOVEL * 30, None),
    ],
)
def test_a_text_is_divided_only_where_it_is_many(tmp_path: Path, text: str, separator: str | None) -> None:
    found = documents(tmp_path, text)
    assert found.separator == separator
    assert found.reason


def test_short_files_are_documents_and_a_few_or_long_ones_are_not(tmp_path: Path) -> None:
    assert documents(tmp_path, *[STANZA * 3] * 25).separator == "file"
    assert documents(tmp_path, *[STANZA * 3] * FILES).separator == "file"
    assert documents(tmp_path, *[STANZA * 3] * FILES, STANZA * 500).separator == "file"  # one of them may be long
    assert documents(tmp_path, *[STANZA * 3] * 5).separator is None
    assert documents(tmp_path, *[STANZA * 100] * 25).separator is None


ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1, max_size=300),
    st.lists(st.sampled_from([POEM, STANZA, SPEECH, NOVEL, CODE, "a\n", "\n", "月"]), min_size=1).map("".join),
)


@example("a", 5.0)
@example(POEM * 400, 30.0)
@example(STANZA * 4000, 0.1)
@given(ANY_TEXT, st.floats(0.01, 1000))
def test_any_text_gets_a_valid_config_in_whose_batches_it_fits(
    tmp_path_factory: pytest.TempPathFactory, text: str, minutes: float
) -> None:
    file = tmp_path_factory.mktemp("text") / "a text: 1.txt"
    file.write_text(text, encoding="utf-8")
    looked = survey([file])
    config = parse_config(str(recipe(looked, [str(file)], minutes)))
    assert config.corpus.path == str(file)
    training = config.training
    if config.corpus.mode == "documents":
        assert training.batch_size <= len(Documents.of(looked).lengths) * config.corpus.split[0]
    else:
        assert training.batch_size * training.window <= max(1, looked.characters * config.corpus.split[0])
    assert training.minutes is None or training.minutes == minutes


def test_the_same_text_and_minutes_give_the_same_recipe(tmp_path: Path) -> None:
    file = tmp_path / "novel.txt"
    file.write_text(NOVEL * 1000, encoding="gb18030")
    first = find_recipe([file], 5)
    assert str(first) == str(find_recipe([file], 5)) != str(find_recipe([file], 30))
    assert first.name == "novel"
    config = parse_config(str(first))
    assert config.corpus.encoding == "gb18030"
    assert config == Config.model_validate(config.model_dump())


def test_a_config_is_no_text(tmp_path: Path) -> None:
    for name, content, expected in (
        ("config.yaml", "corpus: {path: a.txt}", False),
        ("config.txt", "# a comment\ncorpus:\n  path: a.txt\n", False),
        ("config.json", '{"corpus": {"path": "a.txt"}}', False),
        ("config.json", '{\n  "training": {},\n  "corpus": {"path": "a.txt"}\n}', False),
        ("poems.json", '[{"title": "corpus", "text": "a"}]', True),
        ("novel", "It was a dark night.", True),
        ("novel.txt", "It was a dark night.", True),
        ("corpus.txt", "The corpus: a body.", True),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert is_text(tmp_path / name) == expected
    assert is_text(tmp_path) and is_text(f"{tmp_path}/*.txt")
    assert not is_text("poems") and not is_text(tmp_path / "missing.txt")
    assert not is_text("a" * 5000) and not is_text("~nobody-of-that-name/a.txt")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    with pytest.raises(CharrnnError, match="empty"):
        find_recipe([tmp_path / "empty.txt"])
    with pytest.raises(CharrnnError, match="minutes"):
        (tmp_path / "a.txt").write_text("a", encoding="utf-8")
        find_recipe([tmp_path / "a.txt"], -1)


@given(st.lists(st.integers(1, 3_000), min_size=21, max_size=60))
def test_a_sample_may_be_as_long_as_nearly_all_documents(lengths: list[int]) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "a.txt").write_text("<|endoftext|>".join("a" * length for length in lengths), encoding="utf-8")
        config = parse_config(str(find_recipe([Path(folder, "a.txt")])))
    assert config.corpus.mode == "documents"
    assert sum(length <= config.sampling.length for length in lengths) >= 0.95 * len(lengths)
    assert config.sampling.length <= max(300, 1.1 * max(lengths) + 1)


def test_the_run_of_a_glob_has_the_name_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "code" / "deep").mkdir(parents=True)
    (tmp_path / "code" / "deep" / "note1.md").write_text(NOVEL, encoding="utf-8")
    for glob, name in (("code/**/*.md", "code"), ("code/*/*", "code"), ("code/deep/note*.md", "note")):
        assert find_recipe([tmp_path / glob]).name == name


@pytest.mark.parametrize("name", ["a.txt", "a" * 60 + ".txt", "two\nlines.txt", "a # b.txt"])
def test_a_recipe_is_yaml_whatever_the_text_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).write_text(NOVEL * 9, encoding="utf-8")
    (tmp_path / "folder" / "empty.txt").touch()
    for path in (tmp_path / "folder", tmp_path / "folder" / name):
        assert parse_config(str(find_recipe([path]))).corpus.path == str(path)


def test_an_encoding_that_is_given_is_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"in \xd6sterreich\n")
    with pytest.raises(CharrnnError, match=r"give one as corpus\.encoding"):
        find_recipe([tmp_path / "a.txt"])
    with pytest.raises(CharrnnError) as raised:
        find_recipe([tmp_path / "a.txt"], option="‹encoding›")
    assert "give one as --encoding" in raised.value.for_command
    for encoding in ("cp1252", "cp850"):
        assert parse_config(str(find_recipe([tmp_path / "a.txt"], encoding=encoding))).corpus.encoding == encoding
    with pytest.raises(CharrnnError, match="no codec"):
        find_recipe([tmp_path / "a.txt"], encoding="nope")


def test_a_folder_is_a_document_for_each_file_unless_its_files_are_long(tmp_path: Path) -> None:
    for name, text in (("songs", STANZA * 3), ("novels", STANZA * 100)):
        (tmp_path / name).mkdir()
        for i in range(12):
            (tmp_path / name / f"{i}.txt").write_text(f"{i}\n{text}", encoding="utf-8")
    few = ["training.steps=2", "model.num_layers=1", "model.hidden_size=8", "model.embedding_size=8"]
    runs = [
        train(name, overrides=few, out=tmp_path / "runs" / name, device="cpu", quiet=True)
        for name in ("songs", "novels")
    ]
    assert [run.config.corpus.mode for run in runs] == ["documents", "stream"]
    assert runs[0].facts.documents == 12 and runs[0].config.corpus.separator == "file"


def test_a_folder_with_the_name_of_a_ready_made_config_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert namesake("poems") == "" == namesake("songs") == namesake("a" * 5000)
    for name in ("poems", "songs"):
        Path(name).mkdir()
        Path(name, "a.txt").write_text(STANZA, encoding="utf-8")
    assert namesake("poems").endswith("charrnn train ./poems") and namesake("songs") == "" == namesake("./poems")
    assert not is_text("poems") and is_text("./poems") and is_text("poems/") and is_text("songs")
    with pytest.raises(CharrnnError, match=r"training\.steps"):
        train("poems", overrides=["training.steps=-1"])  # a mistake, so that nothing is fetched
    assert capsys.readouterr().err.splitlines() == [namesake("poems")]
    Path("demo").write_text(STANZA, encoding="utf-8")
    assert "the file here is taken" in namesake("demo") and is_text("demo")
    Path("tang").mkdir()
    Path("tang/run.json").touch()
    assert namesake("tang") == ""


@example(8_000, 0.05)
@example(8_000, 5.0)
@example(2_000, 60.0)
@given(st.integers(2_000, 10**8), st.floats(0.05, 60))
def test_what_the_reasons_say_of_passes_and_minutes_is_what_the_config_has(
    sized: Survey, characters: int, minutes: float
) -> None:
    lines = recipe(replace(sized, counts=sized.counts * characters // sized.characters), ["a.txt"], minutes).lines
    config = parse_config(str(Recipe("a", "a", lines)))
    reasons = {key: reason for key, _, reason in lines}
    passes = float(re.fullmatch("the text is read some (.*) times", reasons["model.dropout"])[1])  # type: ignore[index]
    assert config.training.minutes == minutes  # a training never takes longer, on the slowest machine
    if config.training.epochs is None:
        assert passes <= PASSES
    else:
        took, of = re.match("some (.*) of the (.*) minutes: ", reasons["training.epochs"]).groups()  # type: ignore[union-attr]
        assert config.training.epochs == PASSES == passes
        assert float(took) <= float(of) == float(f"{minutes:g}")
    more = recipe(replace(sized, counts=sized.counts * characters // sized.characters), ["a.txt"], 2 * minutes)
    assert config.training.epochs is None or "training.epochs" in {line.key for line in more.lines}
    assert config.corpus.split[1] > 0 or "training.evaluate_every" not in reasons  # nothing is held out


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """A survey of a text whose size a test sets."""
    file = tmp_path_factory.mktemp("sized") / "a.txt"
    file.write_text(NOVEL * 50, encoding="utf-8")
    return survey([file])


@pytest.mark.parametrize("minutes", [0.01, 0.02])
def test_few_minutes_count_for_a_small_text_too(tmp_path: Path, minutes: float) -> None:
    (tmp_path / "a.txt").write_text(NOVEL * 200, encoding="utf-8")
    config = parse_config(str(find_recipe([tmp_path / "a.txt"], minutes)))
    assert config.training.minutes == minutes and config.corpus.split == [1, 0, 0]


def test_a_gpu_is_given_a_larger_network_and_larger_batches_where_the_text_fills_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recipes, "is_cpu", lambda device: device == "cpu")
    monkeypatch.setattr(recipes, "find_device", torch.device)
    Path("small.txt").write_text(NOVEL * 300, encoding="utf-8")
    Path("large.txt").write_text(NOVEL * (recipes.BATCHES * recipes.GPU.batch // len(NOVEL) + 1), encoding="utf-8")

    def values(text: str, device: str) -> dict[str, Any]:
        return {line.key: line.value for line in find_recipe([text], 2, device=device).lines}

    assert values("small.txt", "cuda") == values("small.txt", "cpu")
    here, there = values("large.txt", "cpu"), values("large.txt", "cuda")
    for key in ("model.hidden_size", "training.batch_size", "training.window"):
        assert there[key] > here[key]
    config = parse_config(str(find_recipe(["large.txt"], 2, device="cuda")), "the recipe")
    assert config.model.hidden_size == there["model.hidden_size"]
