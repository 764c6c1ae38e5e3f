"""`charrnn report`: the file that it writes, what it says of it, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import charrnn
from charrnn.cli import app
from charrnn.errors import CharrnnError


def command(*arguments: str, expected: int = 0) -> Result:
    result = CliRunner().invoke(app, ["report", *arguments])
    if expected == 0:
        assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(*arguments: str) -> str:
    error = command(*arguments, expected=2).exception
    assert isinstance(error, CharrnnError), error
    return error.for_command


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "text.txt").write_text("the cat sat on the mat.\n" * 100, encoding="utf-8")
    for name, cell in (("one", "gru"), ("two", "lstm")):
        config = charrnn.Config.model_validate(
            {
                "corpus": {"path": str(folder / "text.txt")},
                "model": {"cell": cell, "hidden_size": 8, "embedding_size": 4},
                "training": {"steps": 10, "batch_size": 4, "window": 8, "kernels": "plain"},
                "sampling": {"prompt": "the", "length": 20},
            }
        )
        charrnn.train(config, out=folder / name, quiet=True, device="cpu")
    return folder


@pytest.fixture(autouse=True)
def there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)


def test_a_report_is_written_once_and_replaced_only_if_asked(made: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "own.html")
    first = command("one", "-o", out)
    assert first.stdout.strip() == out
    assert "quotes 240 characters of the held-out text of one; --no-quotes" in first.stderr
    assert "holds the model (float32)" in first.stderr
    text = Path(out).read_text(encoding="utf-8")
    assert refused("two", "-o", out).endswith("exists already; give --out another file, or --overwrite")
    assert Path(out).read_text(encoding="utf-8") == text
    again = command("one", "two", "-o", out, "--overwrite", "--no-quotes", "--precision", "float16")
    assert "quotes" not in again.stderr and "(float16)" in again.stderr
    assert Path(out).read_text(encoding="utf-8") != text
    assert [file.name for file in tmp_path.iterdir()] == ["own.html"]


def test_without_out_it_is_report_html_and_json_says_what_is_in_it(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = json.loads(command(str(made / "one"), str(made / "two"), "--json").stdout)
    assert told["report"] == "report.html" and told["bytes"] == Path("report.html").stat().st_size
    assert told["quoted_characters"] == {str(made / "one"): 240, str(made / "two"): 240}
    assert told["precision"] == "float32"
    one, two = told["left_out"]  # the held-out part is too small to tell what a unit follows
    assert one.startswith("one: ") and two.startswith("two: ") and "240 characters, too few" in one


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-run"], "no such folder"),
        (["one", "no-run"], "no such folder"),
        (["text.txt"], "not a folder"),
        (["one", "--precision", "int8"], "auto, float32 or float16"),
        (["one", "--checkpoint", "7000"], "a step that has a checkpoint was expected"),
        (["one", "-o", "no-folder/own.html"], "cannot be written"),
    ],
)
def test_a_mistake_gets_one_message_and_leaves_no_file(made: Path, arguments: list[str], said: str) -> None:
    before = sorted(made.iterdir())
    assert said in refused(*arguments)
    assert sorted(made.iterdir()) == before


def test_a_folder_of_that_name_is_never_replaced(made: Path, tmp_path: Path) -> None:
    assert "exists already" in refused("one", "-o", str(tmp_path), "--overwrite")
    assert tmp_path.is_dir()
