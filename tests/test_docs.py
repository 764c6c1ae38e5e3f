"""The documentation: links lead somewhere, commands are commands, and both READMEs say the same."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import unquote

import pytest
import typer

from charrnn.cli import app
from charrnn.config import Config

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("docs/*.md")]
    + [ROOT / "CHANGELOG.md", ROOT / "data" / "README.md"]
)
README, TRANSLATED = ROOT / "README.md", ROOT / "README.zh.md"
COMMANDS: Any = typer.main.get_command(app)
DATA = ("yaml", "python", "json", "text", "c")
"""Languages of fenced blocks that hold no commands."""


class Page(NamedTuple):
    """A Markdown file, taken apart."""

    prose: list[str]
    """Its lines outside of code blocks."""
    blocks: list[tuple[str, list[str]]]
    """Its code blocks: the language of the fence (none for an indented block), and the lines."""

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Level and text of each heading."""
        found = (re.match(r"(#{1,6}) +(.*?) *#*$", line) for line in self.prose)
        return [(len(match[1]), match[2]) for match in found if match]

    @property
    def anchors(self) -> set[str]:
        """What `#...` may point to, by GitHub's rules."""
        anchors: set[str] = set()
        for _, text in self.headings:
            slug = anchor(text)
            again = (f"{slug}-{i}" if i else slug for i in range(1000))
            anchors.add(next(one for one in again if one not in anchors))
        return anchors

    @property
    def links(self) -> list[str]:
        """The targets of all links and images."""
        text = re.sub(r"`[^`]*`", "code", "\n".join(self.prose))
        return re.findall(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)", text)

    @property
    def spans(self) -> list[str]:
        """All inline code."""
        return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", "\n".join(self.prose))]

    @property
    def command_lines(self) -> list[str]:
        """What a person types in code blocks, continued lines joined: what follows `$ ` where there is any, or all."""
        lines = []
        for language, block in self.blocks:
            if language not in DATA:
                typed = "\n".join(block).replace("\\\n", " ").split("\n")
                session = [line.strip()[2:] for line in typed if line.strip().startswith("$ ")]
                lines += session or [line.strip() for line in typed if line.strip()]
        return lines


def parse(text: str) -> Page:
    prose: list[str] = []
    blocks: list[tuple[str, list[str]]] = []
    fence, indented = "", False
    for line in text.splitlines():
        mark = re.match(r" *(```+|~~~+) *(\w*)", line)
        if fence:
            if line.strip() == fence:
                fence = ""
            else:
                blocks[-1][1].append(line)
        elif mark:
            fence, indented = mark[1], False
            blocks.append((mark[2], []))
        elif line.startswith("    ") and (indented or not prose or not prose[-1].strip()):
            if not indented:
                blocks.append(("", []))
            indented = True
            blocks[-1][1].append(line[4:])
        else:
            indented = indented and not line.strip()  # an empty line does not end an indented block
            prose.append(line)
    return Page(prose, blocks)


def anchor(heading: str) -> str:
    """The `#...` that GitHub makes of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower().strip()).replace(" ", "-")


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each command in a line of shell: without comments, redirections and variables set before it."""
    inner = re.findall(r"\$\(([^()]*)\)", line)
    line = re.sub(r"\$\([^()]*\)|<[A-Za-z][^>]*>|\$\w+", "X", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for word in [*lexer, ";"]:
        if skip:  # the file of a redirection
            skip = False
        elif set(word) <= set("<>"):
            skip = True
        elif set(word) <= set("|&;()"):
            if words:
                yield words
            words = []
        elif words or not re.match(r"\w+=", word):
            words.append(word)
    for command in inner:
        yield from simple_commands(command)


def mistakes(line: str, whole: bool = True) -> list[str]:
    """What is wrong with a line of shell. `whole`: a command has all its arguments; otherwise it is only mentioned."""
    try:
        commands = list(simple_commands(line))
    except ValueError as error:
        return [f"{line}: {error}"] if line.startswith(("charrnn ", "python ", "make ")) else []
    found = []
    for words in commands:
        name = words[0].rpartition("/")[2]  # nothing for the folder in a drawn tree
        if ["-m", "charrnn"] in [words[i : i + 2] for i in range(len(words))]:
            words = words[words.index("charrnn") :]
            name = "charrnn"
        if name == "charrnn":
            found += charrnn_mistakes(words[1:], whole)
        elif name in ("python", "python3") and words[1:2] and not words[1].startswith("-"):
            found += script_mistakes(words[1], words[2:])
        elif re.fullmatch(r"(benchmarks|tests/tools)/\w+\.py", words[0]):
            found += script_mistakes(words[0], words[1:])
        elif name == "make":
            targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
            found += [
                f"make {word}: no such target" for word in words[1:] if re.match(r"\w", word) and word not in targets
            ]
    return [f"{line}: {mistake}" for mistake in found]


def charrnn_mistakes(words: list[str], whole: bool) -> list[str]:
    """What the parser of the command line says of these words; the command is not run."""
    command, path = COMMANDS, "charrnn"
    words = [re.sub(r"^[A-Z]$", "1", word.strip("[]")) for word in words if word.strip("[]") not in ("...", "…")]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return [f"{path} has no command {words[0]}"]
        command, path, words = command.commands[words[0]], f"{path} {words[0]}", words[1:]
    if (not words and not whole) or {"-h", "--help"} & set(words):
        return []
    try:
        with mock.patch("charrnn.cli.options.load_plugin"):  # the files of an example are not here
            command.make_context(path, words)
    except typer.Exit:  # --version, and a group without a command
        return []
    except Exception as error:  # Typer brings a click of its own in some versions, and uses click in others
        if type(error).__name__ == "MissingParameter" and not whole:
            return []
        return [f"{path}: {error}"]
    return []


def script_mistakes(script: str, words: list[str]) -> list[str]:
    """Whether a script of ours exists and knows the options."""
    file = ROOT / script
    if not file.is_file():
        return [f"{script}: no such file"]
    source = file.read_text(encoding="utf-8")
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    return [f"{script}: no option {option}" for option in options if f'"{option}"' not in source]


def key_mistakes(text: str) -> list[str]:
    """Keys that no config has: of `--set section.key=...`."""
    sections: Any = {name: field.annotation for name, field in Config.model_fields.items()}
    found = re.findall(r"--set\s+([a-z_]+)\.([a-z_0-9]+)=", text)
    return [
        f"{section}.{key}: no such key"
        for section, key in found
        if section not in sections or key not in sections[section].model_fields
    ]


def link_mistakes(page: Path, target: str) -> list[str]:
    """Whether the target of a link is there, and its heading too."""
    if re.match(r"[a-z]+:", target):
        return []
    path, _, fragment = target.partition("#")
    file = (page.parent / unquote(path)).resolve() if path else page
    if not file.exists():
        return [f"{target}: no such file"]
    if fragment and file.suffix == ".md" and unquote(fragment) not in parse(file.read_text(encoding="utf-8")).anchors:
        return [f"{target}: no such heading"]
    return []


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(params=PAGES, ids=name)
def page(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def read(page: Path) -> Page:
    return parse(page.read_text(encoding="utf-8"))


def test_links_point_to_files_and_headings(page: Path) -> None:
    assert [mistake for target in read(page).links for mistake in link_mistakes(page, target)] == []


def test_commands_are_commands(page: Path) -> None:
    taken = read(page)
    found = [mistake for line in taken.command_lines for mistake in mistakes(line)]
    for span in taken.spans:
        if re.match(r"(\w+=\S* )*(charrnn|make|python|torchrun) |(benchmarks|tests/tools)/\w+\.py", span):
            found += mistakes(span, whole=False)
    assert found == []


def test_keys_of_overrides_exist(page: Path) -> None:
    assert key_mistakes(page.read_text(encoding="utf-8")) == []


def test_files_that_are_named_exist(page: Path) -> None:
    named = [
        span for span in read(page).spans if re.fullmatch(r"(benchmarks|charrnn|configs|tests)/[\w/-]+\.\w+", span)
    ]
    assert [file for file in named if not (ROOT / file).exists()] == []


def test_the_reference_is_what_the_docstrings_say() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "api.py"))["page"]()
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == page, "make docs"


def test_the_examples_of_the_library_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("novel.txt").write_text("the cat sat on the mat, quite at ease.\nthe dog sat on the log.\n" * 60, "utf-8")
    names: dict[str, Any] = {"__name__": "example"}
    for language, block in read(ROOT / "docs" / "library.md").blocks:
        if language == "python":
            exec("\n".join(block), names)
    assert "a" not in names["text"] and "q" not in names["text"] and len(names["text"]) == 103
    assert re.search(r"Run runs/run\S*: gru 1 × 64, \d\.\d\d bits", capsys.readouterr().out)


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 150


def test_both_readmes_have_the_same_structure_and_commands() -> None:
    english, chinese = read(README), read(TRANSLATED)
    assert [level for level, _ in english.headings] == [level for level, _ in chinese.headings]
    assert [language for language, _ in english.blocks] == [language for language, _ in chinese.blocks]
    assert without_comments(english) == without_comments(chinese)
    assert len(without_comments(english)) > 20


def without_comments(page: Page) -> list[str]:
    lines = (re.sub(r"(^|\s+)#.*", "", line).strip() for _, block in page.blocks for line in block)
    return [line for line in lines if line]


def test_there_is_something_to_check() -> None:
    readme = read(README)
    assert {"make demo", "make test"} <= {line.split("#")[0].strip() for line in readme.command_lines}
    assert sum(line.startswith("charrnn ") for line in readme.command_lines) > 10
    assert sum(target.startswith("docs/") for target in readme.links) > 10


@pytest.mark.parametrize(
    "line",
    [
        "charrnn train my.yaml --set model.hidden_size=512 --minutes 30   # a remark's apostrophe",
        'echo "To be, or" | charrnn sample RUN --prompt - --length 500 > poem.txt',
        "CHARRNN_CACHE=/big/disk charrnn eval RUN --protocol blocks | jq .",
        'charrnn sample "$(charrnn train demo)" --prompt 秋 && charrnn info RUN',
        "charrnn sample $(charrnn train demo) --samples N",
        "torchrun --nnodes 2 --rdzv-endpoint HOST:29500 -m charrnn train CONFIG",
        ".venv/bin/charrnn corpus show tang",
        "charrnn --version",
        "charrnn fill --help",
        "python -m venv .venv && pip install torch --index-url <PyTorch's CPU index>",
        "python benchmarks/encoding.py [TEXT ...] --megabytes 200",
        "make test-all",
    ],
)
def test_right_lines_are_accepted(line: str) -> None:
    assert mistakes(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "charrnn train my.yaml --minuts 30",
        "charrnn train my.yaml --minutes soon",
        "charrnn sample",
        "charrnn smaple RUN",
        "charrnn eval RUN too-many",
        "charrnn corpus fetch tang",
        "cat poem.txt | charrnn sample RUN --promt -",
        "X=1 charrnn sample RUN --top-q 0.9",
        'charrnn sample "$(charrnn train demo --fast)"',
        "torchrun --nnodes 2 -m charrnn train CONFIG --worker 2",
        'charrnn sample RUN --prompt "it',
        "python benchmarks/nothing.py",
        "python benchmarks/encoding.py --gigabytes 1",
        "make tests",
    ],
)
def test_wrong_lines_are_found(line: str) -> None:
    assert len(mistakes(line)) == 1


def test_a_mention_needs_no_arguments_but_right_options() -> None:
    assert mistakes("charrnn sample", whole=False) == []
    assert mistakes("charrnn sample --seed 7", whole=False) == []
    assert len(mistakes("charrnn sample --sede 7", whole=False)) == 1
    assert len(mistakes("charrnn smaple", whole=False)) == 1


def test_wrong_options_are_found_wherever_a_page_has_them() -> None:
    text = """# A page

Type `charrnn sample RUN --color`, or:

    $ charrnn train x.yaml \\
        --nosuch 1
    some output --of it

```sh
charrnn eval RUN --nosuch
```

```yaml
charrnn: --nosuch
```
"""
    taken = parse(text)
    assert taken.spans == ["charrnn sample RUN --color"]
    assert len(mistakes(taken.spans[0], whole=False)) == 1
    assert [len(mistakes(line)) for line in taken.command_lines] == [1, 1]


def test_wrong_keys_and_links_are_found(tmp_path: Path) -> None:
    assert key_mistakes("--set model.hidden_size=1 --set training.minutes=2") == []
    assert len(key_mistakes("--set model.hiden_size=1 --set trainig.minutes=2")) == 2
    page = tmp_path / "page.md"
    page.write_text("# 一、安装 `charrnn`\n\n## What it's for: 1 × 2\n\n## Again\n\n## Again\n", encoding="utf-8")
    for right in (
        "#一安装-charrnn",
        "#what-its-for-1--2",
        "page.md#again",
        "page.md#again-1",
        "https://a.b/#c",
        "page.md",
    ):
        assert link_mistakes(page, right) == []
    for wrong in ("#again-2", "#一、安装-charrnn", "other.md", "page.md#other"):
        assert len(link_mistakes(page, wrong)) == 1
