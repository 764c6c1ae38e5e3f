"""Help that is whole, and names of other programs that lead to ours."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from charrnn.cli import app, main, others
from charrnn.config import Config
from charrnn.errors import CharrnnError
from charrnn.loading import parse_config

UNITS = re.compile("minutes|characters|texts|processes|probability|factor|rate|seed|number|days", re.IGNORECASE)
"""One of these words says what a number is."""


def tree(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands, with the words that call them."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from tree(inner, (*path, name))


ALL = dict(tree())
GROUPS = [path for path, command in ALL.items() if hasattr(command, "commands")]


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """The message for a command line, which is one line and ends with exit code 2."""
    monkeypatch.setattr(sys, "argv", ["charrnn", *arguments])
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as left:
        patch.setattr(sys, "stdout", sys.stdout)  # `main` puts its own in their place
        patch.setattr(sys, "stderr", sys.stderr)
        main()
    out, told = capsys.readouterr()
    assert left.value.code == 2 and out == ""
    (line,) = told.splitlines()
    assert line.startswith("charrnn: ")
    return line.removeprefix("charrnn: ")


def shown(path: tuple[str, ...], width: int) -> str:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": str(width)}, terminal_width=width)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_no_help_is_cut(path: tuple[str, ...], width: int) -> None:
    text = shown(path, width)
    assert "…" not in text and not re.search(r"[a-z]\.\.\.", text)
    words = " ".join(text.split())
    for inner in getattr(ALL[path], "commands", {}).values():
        assert inner.help and " ".join(inner.help.split("\n\n")[0].split()) in words


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_has_help_its_default_and_its_unit(path: tuple[str, ...]) -> None:
    context = typer.main.get_command(app).make_context("charrnn", ["corpus", "list"])
    for one in ALL[path].params:
        if one.param_type_name != "option":  # some releases of Typer lose the help of arguments
            continue
        assert one.help, one.name
        if one.is_flag or one.name == "help":
            continue
        _, told = one.get_help_record(context)
        assert "default: " in told.lower(), one.name
        if isinstance(one.default, int | float) or re.search(
            "<(int|float)|INTEGER|FLOAT", " ".join(one.get_help_record(context))
        ):
            assert UNITS.search(told), one.name


@pytest.mark.parametrize(
    ("typed", "ours"),
    [
        ("generate", "sample"),
        ("predict", "sample"),
        ("compose", "write"),
        ("infer", "sample"),
        ("complete", "sample"),
        ("evaluate", "eval"),
        ("test", "eval"),
        ("fit", "train"),
        ("finetune", "train --init-from RUN"),
        ("new", "configs recipe TEXT"),
        ("list", "configs list"),
        ("trian", "train"),
        ("Sample", "sample"),
        ("de_compress", "decompress"),
    ],
)
def test_a_name_of_others_leads_to_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, ours: str
) -> None:
    assert refused(capsys, monkeypatch, typed, "novel.txt") == f"no command {typed}; did you mean `charrnn {ours}`?"


def test_every_name_in_the_table_is_one_of_ours_once_and_hides_none() -> None:
    for group, names in others.COMMANDS.items():
        commands = ALL[tuple(group.split())].commands
        words = [word for one in names.values() for word in one.split()]
        assert len(words) == len(set(words)) and not set(words) & set(commands)
        for ours in names:
            if not ours.startswith("--"):
                path = tuple(word for word in ours.split() if not word.isupper() and not word.startswith("-"))
                assert (*group.split(), *path) in ALL


def test_what_is_no_command_at_all(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, monkeypatch, "xyzzy") == "no command xyzzy; `charrnn --help` lists them"
    assert (
        refused(capsys, monkeypatch, "corpus", "fetch", "war-and-peace")
        == "no command fetch of `charrnn corpus`; did you mean `charrnn corpus get`?"
    )
    Path("a novel.txt").touch()
    assert "`charrnn train 'a novel.txt'`" in refused(capsys, monkeypatch, "a novel.txt")
    Path("my-novel").mkdir()
    Path("my-novel/run.json").touch()
    assert "`charrnn sample my-novel`" in refused(capsys, monkeypatch, "my-novel")
    for odd in ("a\nb", "\x1b[31m", "a" * 5000, "", "-x"):
        assert len(refused(capsys, monkeypatch, odd)) < 200


def keys() -> list[str]:
    return [
        f"{section}.{key}"
        for section, field in Config.model_fields.items()
        for key in field.annotation.model_fields  # type: ignore[union-attr]
    ]


def test_the_keys_and_options_in_the_tables_are_ours() -> None:
    assert set(others.KEYS) <= set(keys())
    for command, options in others.OPTIONS.items():
        assert set(options) <= {name for one in ALL[(command,)].params for name in one.opts}
        words = [word for one in options.values() for word in one.split()]
        given = others.GIVEN.get(command, ("", ""))[1].split()
        assert len(words) == len(set(words)) and not set(words) & set(given)
    words = [word for one in others.KEYS.values() for word in one.split()]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("--epochs", "training.epochs"),
        ("--lr", "training.learning_rate"),
        ("--hidden-size", "model.hidden_size"),
        ("--hidden_size", "model.hidden_size"),
        ("--temp", "sampling.temperature"),
        ("--steps", "training.steps"),
        ("--batch-size", "training.batch_size"),
    ],
)
def test_an_option_of_train_that_is_a_key_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str, key: str
) -> None:
    for typed in ([option, "3"], [f"{option}=3"]):
        said = refused(capsys, monkeypatch, "train", "novel.txt", *typed)
        assert said == f"no option {option} of `charrnn train`; write --set {key}=3"
        parse_config("corpus: {path: a}", overrides=[said.split("--set ")[1]])  # it can be written
    for typed in ([option], [option, "--quiet"]):
        assert refused(capsys, monkeypatch, "train", *typed).endswith(f"write --set {key}=VALUE")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sample run --num-samples 3", "did you mean --samples?"),
        ("sample run --temp 1", "did you mean --temperature?"),
        ("sample run --steps 100", "did you mean --length?"),
        ("sample run --promt a", "did you mean --prompt?"),
        ("sample run --hidden-size 3", "`charrnn sample --help` lists them"),
        ("train --minuts 3", "did you mean --minutes?"),
        ("train --data novel.txt", "give the text, the folder or the config without an option"),
        ("--xyzzy", "`charrnn --help` lists them"),
        ("corpus list --xyzzy", "`charrnn corpus list --help` lists them"),
    ],
)
def test_other_unknown_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, said: str
) -> None:
    assert refused(capsys, monkeypatch, *shlex.split(command)).endswith(f"; {said}")


@given(st.text(min_size=1, max_size=80), st.booleans())
def test_any_name_gets_a_message_of_one_line(name: str, is_option: bool) -> None:
    done = CliRunner().invoke(app, ["train", f"--xyz{name}"] if is_option else [f"xyz{name}"])
    assert isinstance(done.exception, CharrnnError)
    assert len(done.exception.for_command.splitlines()) == 1 and len(done.exception.for_command) < 200
