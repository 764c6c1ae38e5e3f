"""What a user gives is shown as it was given, in characters and in bytes."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import charrnn
from charrnn.cli import main
from charrnn.errors import CharrnnError
from charrnn.models import set_kernels
from charrnn.run import Run

FRENCH = "La fenêtre fermée a rêvé enfin de l'été passé… Le garçon gêné a mangé une pêche.\n" * 60
CHINESE = "山上的老人听见冬天的路。\n隔壁的木匠忘记了那扇蓝门。\n" * 60
TUNE = bytes(range(256)) * 12
PLACES = {
    "nfkc": (FRENCH.encode(), {"normalization": "nfkc"}, "char"),
    "nfd": (unicodedata.normalize("NFD", FRENCH).encode(), {}, "char"),
    "utf-8": (FRENCH.encode(), {}, "byte"),
    "gbk": (CHINESE.encode("gbk"), {"encoding": "gbk"}, "byte"),
    "latin-1": (FRENCH.replace("…", ".").encode("latin-1"), {"encoding": "latin-1"}, "byte"),
    "tune": (TUNE, {}, "byte"),
}
PLACES["poems"] = (FRENCH.replace("\n", "\n\n").encode(), {"normalization": "nfkc", "mode": "documents"}, "char")
KINDS = list(PLACES)

few = settings(max_examples=12)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("given")
    made = {}
    for name, (data, corpus, kind) in PLACES.items():
        (folder / f"{name}.txt").write_bytes(data)
        sections: dict[str, Any] = {
            "corpus": {"path": str(folder / f"{name}.txt")} | corpus,
            "vocab": {"kind": kind},
            "model": {"hidden_size": 12, "embedding_size": 6},
            "training": {"steps": 12, "batch_size": 4, "window": 12, "learning_rate": 0.05, "sample_every": None}
            | {"kernels": "plain"},
            "sampling": {"prompt": "", "length": 17},
        }
        config = charrnn.Config.model_validate(sections)
        made[name] = charrnn.train(config, out=folder / name, quiet=True, device="cpu")
        set_kernels(made[name].model, "plain")
    return made


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def command(*arguments: str | Path, stdin: bytes = b"", terminal: bool = False, code: int = 0) -> tuple[bytes, str]:
    """Standard output and standard error of the command, as `main` runs it."""
    kind = Terminal if terminal else io.TextIOWrapper
    streams = [
        io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"),
        kind(io.BytesIO(), encoding="utf-8"),
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
    ]
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv, (sys.stdin, sys.stdout, sys.stderr) = ["charrnn", *map(str, arguments)], streams
    left: object = 0
    try:
        main()
    except SystemExit as exit:
        left = exit.code or 0
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before
    for stream in streams[1:]:
        stream.flush()
    out, told = (stream.buffer.getvalue() for stream in streams[1:])  # type: ignore[attr-defined]
    assert left == code, told
    return out, told.decode()


def sampled(run: Run, *arguments: str | Path, **how: Any) -> bytes:
    return command("sample", run.path, "--seed", "1", "--length", "40", *arguments, **how)[0]


@pytest.mark.parametrize("kind", ["gbk", "latin-1", "tune", "utf-8"])
def test_bytes_come_out_as_they_are_drawn(runs: dict[str, Run], kind: str) -> None:
    run = runs[kind]
    for seed in ("1", "2", "3"):
        out, told = command("sample", run.path, "--seed", seed, "--length", "40", "--prompt", "")
        (one,) = run.sample("", length=40, seed=int(seed))
        assert out == one.data and len(out) == 40 and told == ""
        assert sampled(run, "--prompt", "", "--stream", "--seed", seed) == out
        (row,) = json.loads(command("sample", run.path, "--seed", seed, "--length", "40", "--json")[0])
        text = run.vocabulary.text_of(out)
        assert ("text" in row) == (text is not None) == ("base64" not in row)
        assert row.get("text") == text if "text" in row else base64.b64decode(row["base64"]) == out
    several = sampled(run, "--samples", "2", "--prompt", "")
    assert several == b"\n\n".join(one.data or b"" for one in run.sample("", length=40, seed=1, samples=2))


def test_a_prompt_is_encoded_as_the_corpus_was(runs: dict[str, Run], tmp_path: Path) -> None:
    out = sampled(runs["gbk"], "--prompt", "山上的", "--temperature", "0")
    assert out.startswith("山上的".encode("gbk"))
    (tmp_path / "utf-8.txt").write_text("山上的\n", encoding="utf-8")
    (tmp_path / "gbk.txt").write_bytes("山上的".encode("gbk"))
    for name in ("utf-8.txt", "gbk.txt"):
        assert sampled(runs["gbk"], "--prompt-file", tmp_path / name, "--temperature", "0") == out
    assert sampled(runs["gbk"], "--prompt", "-", "--temperature", "0", stdin="山上的".encode("gbk")) == out
    _, told = command("sample", runs["gbk"].path, "--prompt", "🙂", code=2)
    assert "not in gbk, the encoding of the model's corpus: 🙂(U+1F642)" in told
    assert sampled(runs["latin-1"], "--prompt", "été").startswith("été".encode("latin-1"))


@few
@given(st.binary(min_size=1, max_size=30))
def test_any_bytes_can_be_gone_on_from(runs: dict[str, Run], data: bytes) -> None:
    Path("prompt.bin").write_bytes(data)
    try:
        kept = data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r").encode()
    except UnicodeDecodeError:
        kept = data
    for name in ("tune", "utf-8"):
        out = sampled(runs[name], "--prompt-file", "prompt.bin")
        assert out.startswith(kept) and len(out) == len(kept) + 40
        (one,) = runs[name].sample(data, length=40, seed=1)
        assert one.data is not None and one.data.startswith(data)


def test_a_terminal_gets_text_in_which_other_bytes_are_escaped(runs: dict[str, Run]) -> None:
    for stream in ((), ("--no-stream",)):
        shown = sampled(runs["gbk"], "--prompt", "山上的", *stream, terminal=True).decode()
        assert shown.startswith("山上的") and "\ufffd" not in shown and shown.endswith("\n")
        shown = sampled(runs["tune"], *stream, terminal=True).decode()
        assert all(character.isprintable() or character in "\n\t" for character in shown)
        assert "\\x" in shown


TYPED = st.lists(st.sampled_from([*"La fenêtre fermée…ﬁ", "e\u0302", "＿", "_", "_"]), min_size=1, max_size=14)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "gbk"])
@few
@given(TYPED.map("".join).filter(lambda text: "_" in text))
def test_fill_changes_blanks_only(runs: dict[str, Run], kind: str, text: str) -> None:
    try:
        found = runs[kind].fill(text, samples=3, unknown="keep")
    except CharrnnError as error:
        pytest.fail(str(error))
    pattern = "(.{1,10})".join(map(re.escape, re.split("[＿_]", text)))
    for one in found:
        match = re.fullmatch(pattern, one.text, re.DOTALL)
        assert match is not None
        assert "\ufffd" not in one.text
    assert len({one.text for one in found}) == len(found)


def test_a_blank_of_a_model_of_bytes_is_a_character_of_any_length(runs: dict[str, Run]) -> None:
    for one in runs["gbk"].fill("山上的＿人听_冬天的路。", samples=9):
        assert len(one.text) == 12 and not one.text.isascii()
    assert command("fill", runs["utf-8"].path, "ferm_e")[0].decode().startswith("ferm")
    longer = runs["utf-8"].fill("La fen_tre", samples=60)
    assert any(not one.text.isascii() for one in longer)
    assert [one.log_prob for one in longer] == sorted((one.log_prob for one in longer), reverse=True)


def test_a_filled_text_has_the_probability_that_score_gives_it(runs: dict[str, Run], tmp_path: Path) -> None:
    for kind, text in (("utf-8", "La fen_tre"), ("gbk", "山上的_人"), ("nfkc", "La fen_tre…")):
        for one in runs[kind].fill(text, samples=4):
            encoding = "gbk" if kind == "gbk" else "utf-8"
            (tmp_path / "filled.txt").write_bytes(one.text.encode(encoding))
            (row,) = runs[kind].score(tmp_path / "filled.txt", "document")
            assert -row.bits.sum() * math.log(2) == pytest.approx(one.log_prob, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@few
@given(data=st.data())
def test_score_shows_what_stands_in_the_file(runs: dict[str, Run], kind: str, data: st.DataObject) -> None:
    known = ["fenêtre", "e\u0302", "…", "ﬁ", "秋", "\n", "zzz", " "] if kind != "gbk" else ["山", "上", "\n", "。"]
    encoding = {"gbk": "gbk", "latin-1": "latin-1"}.get(kind, "utf-8")
    parts = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=12))
    text = "".join(parts).encode(encoding, "ignore").decode(encoding)
    if not text.strip():
        return
    Path("text.txt").write_bytes(text.encode(encoding))
    run = runs[kind]
    rows = run.score("text.txt")
    if kind == "poems":  # what separates documents is in none of them, and the end of each counts
        assert "".join("".join(row.text for row in rows).split()) == "".join(text.split())
        assert sum(row.bits.sum() for row in rows) * math.log(2) == pytest.approx(run.evaluate("text.txt").nats, 1e-4)
        return
    assert "".join(row.text for row in rows) == text
    nats = sum(row.bits.sum() for row in rows) * math.log(2)
    assert nats == pytest.approx(run.evaluate("text.txt").nats, rel=1e-4)
    single = run.score("text.txt", "character")
    assert "".join(row.text for row in single) == text
    bits = [(character, bits) for row in rows for character, bits in row.characters]
    assert [character for character, _ in bits] == [row.text for row in single]
    assert [own for _, own in bits] == pytest.approx([row.bits.sum() for row in single])
    out, _ = command("score", run.path, "text.txt", "--color")
    assert re.sub("\x1b\\[[0-9;]*m", "", out.decode()) == text


def test_a_surprising_letter_has_its_colour_where_it_stands(runs: dict[str, Run], tmp_path: Path) -> None:
    """Letters of two bytes before it do not move it."""
    (tmp_path / "line.txt").write_text("La fenêtre fermée ZZ\n", encoding="utf-8")
    (row,) = runs["utf-8"].score(tmp_path / "line.txt")
    characters = list(row.characters)
    assert characters[-3:-1] == [("Z", row.bits[-3]), ("Z", row.bits[-2])]
    assert characters[6] == ("ê", row.bits[6] + row.bits[7])


def test_a_prompt_is_echoed_as_it_was_typed(runs: dict[str, Run]) -> None:
    for kind, prompt in (("nfkc", "La ﬁn…"), ("nfd", "La fenêtre"), ("nfkc", "fene\u0302tre")):
        for stream in ((), ("--stream",)):
            out, told = command("sample", runs[kind].path, "--prompt", prompt, "--length", "9", "--seed", "1", *stream)
            assert out.decode().startswith(prompt)
            assert len(told.splitlines()) == (kind == "nfd")
    _, told = command("sample", runs["nfd"].path, "--prompt", "ê", "--strict", code=2)
    assert "(U+00EA; the model knows e\u0302 (U+0065 U+0302))" in told and "leave --strict out" in told


def test_line_ends_and_tabs_can_be_typed(runs: dict[str, Run]) -> None:
    for typed, meant in ((r"pêche.\nLa", "pêche.\nLa"), ("pêche.\r\nLa", "pêche.\nLa"), ("pêche.\rLa", "pêche.\nLa")):
        assert sampled(runs["nfkc"], "--prompt", typed).decode().startswith(meant)
    assert sampled(runs["tune"], "--prompt", r"a\t\\n\x").startswith(b"a\t\\n\\x")
    assert sampled(runs["nfkc"], "--stop", r"\n", "--prompt", "pêche.", "--length", "400").decode().count("\n") <= 2


@pytest.mark.parametrize("name", ["sample", "fill"])
def test_every_option_that_a_message_names_is_one_of_the_command(runs: dict[str, Run], name: str) -> None:
    options = {option for option in command(name, "--help")[0].decode().split() if option.startswith("--")}
    before = ("--prompt",) if name == "sample" else ()
    for more in ((), ("--strict",), ("--strict", "--unknown", "keep"), ("--unknown", "x")):
        for text in ("秋_", "“_", "_\ud800"):
            _, told = command(name, runs["nfkc"].path, *before, text, *more, code=2)
            assert set(re.findall(r"--[a-z-]+", told)) <= options


def test_a_prompt_from_a_file_is_read_in_its_own_encoding(runs: dict[str, Run], tmp_path: Path) -> None:
    text = "La fenêtre fermée a rêvé de l'été passé"
    outs = set()
    for encoding in ("utf-8", "cp1252", "utf-16"):
        (tmp_path / "prompt.txt").write_bytes(text.encode(encoding))
        out, told = command("sample", runs["nfkc"].path, "--prompt-file", tmp_path / "prompt.txt", "--seed", "1")
        outs.add(out)
        assert told == "" if encoding == "utf-8" else f"read as {encoding}" in told
    assert len(outs) == 1 and outs.pop().decode().startswith(text)
    (tmp_path / "prompt.txt").write_bytes(b"\xff\x00\xfe\x00\x81")
    _, told = command("sample", runs["nfkc"].path, "--prompt-file", tmp_path / "prompt.txt", code=2)
    assert "not UTF-8 at byte 0" in told


def test_fill_reads_escapes_as_sample_does(runs: dict[str, Run]) -> None:
    typed = command("fill", runs["nfkc"].path, r"passé.\nLa fen_tre")[0]
    assert typed == command("fill", runs["nfkc"].path, "passé.\nLa fen_tre")[0]
    assert typed.decode().startswith("passé.\nLa fen")


def test_several_samples_are_told_apart_on_a_terminal_only(runs: dict[str, Run]) -> None:
    texts = [one.text for one in runs["nfkc"].sample("La", length=40, seed=1, samples=3)]
    assert sampled(runs["nfkc"], "--samples", "3", "--prompt", "La").decode() == "\n\n".join(texts) + "\n"
    shown = sampled(runs["nfkc"], "--samples", "3", "--prompt", "La", terminal=True).decode()
    assert [shown.count(f"--- {number} of 3 ---\nLa") for number in (1, 2, 3)] == [1, 1, 1]
    assert "---" not in sampled(runs["nfkc"], "--prompt", "La", "--no-stream", terminal=True).decode()


def test_scores_of_standard_input_are_those_of_the_file(runs: dict[str, Run], tmp_path: Path) -> None:
    data = "La fenêtre\n\nzzz\n".encode()
    (tmp_path / "text.txt").write_bytes(data)
    for arguments in (["score"], ["score", "--sort"], ["score", "--json"]):
        name, *options = arguments
        out, told = command(name, runs["nfkc"].path, tmp_path / "text.txt", *options)
        assert (out, told) == command(name, runs["nfkc"].path, "-", *options, stdin=data)
        assert "3 of 16 characters" in told and "z(U+007A)" in told
    rows = [
        json.loads(line)
        for line in command("score", runs["nfkc"].path, "-", "--json", "--sort", stdin=data)[0].splitlines()
    ]
    assert [row["text"].strip() == "" for row in rows] == [False, False, True]
    out, told = command("eval", runs["nfkc"].path, "--text", "-", "--json", stdin="été\n".encode("utf-16"))
    assert json.loads(out)["characters"] == 4 and "read as utf-16" in told
    _, told = command("eval", runs["nfkc"].path, "--encoding", "utf-8", code=2)
    assert "--text" in told
