"""The commands as a user types them: what lands on standard output, and what a mistake gets."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cli import main
from charrnn.cli.info import GLIMPSE, _glimpse

TEXT = "The cat sat on the mat. The dog sat on the log.\nA bird sang in the tree, and the cat looked up.\n" * 60
POEMS = "\n\n".join(["床前一盞燈，\n窗外雨無聲。", "山高水又長，\n月下獨還鄉。", "春風吹綠草，\n小鳥叫得早。"] * 40)
CONFIG = {
    "corpus": {"path": "text.txt"},
    "model": {"hidden_size": 16, "embedding_size": 8},
    "training": {"steps": 40, "batch_size": 8, "window": 16, "learning_rate": 0.02},
    "sampling": {"prompt": "The", "length": 40},
}
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@dataclass
class Done:
    """What a command printed."""

    stdout: str
    stderr: str


def charrnn(*arguments: str | Path, cwd: Path, code: int = 0, stdin: str = "") -> Done:
    """Runs a command in this process, as `main` would in its own: PyTorch is imported once and not for each."""
    streams = [io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline="") for text in (stdin, "", "")]
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr, Path.cwd()
    sys.argv, (sys.stdin, sys.stdout, sys.stderr) = ["charrnn", *map(str, arguments)], streams
    os.chdir(cwd)
    try:
        main()
        left = 0
    except SystemExit as exit:
        left = exit.code if isinstance(exit.code, int) else 0
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before[:4]
        os.chdir(before[4])
    texts = []
    for stream in streams[1:]:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))
    done = Done(*texts)
    assert left == code, f"exit code {left}\n{done.stdout}\n{done.stderr}"
    if code == 2:
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
    return done


def refused(*arguments: str | Path, cwd: Path) -> str:
    return charrnn(*arguments, cwd=cwd, code=2).stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, a config and two trained runs."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "poems.txt").write_text(POEMS, encoding="utf-8")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    poems = CONFIG | {"corpus": {"path": "poems.txt", "mode": "documents"}, "sampling": {"prompt": "春", "length": 60}}
    (folder / "poems.yaml").write_text(yaml.safe_dump(poems, allow_unicode=True), encoding="utf-8")
    done = charrnn("train", "config.yaml", "--out", "run", cwd=folder)
    assert done.stdout == "run\n"
    charrnn("train", "poems.yaml", "--out", "poems", cwd=folder)
    return folder


def test_help_does_not_wait_for_torch(tmp_path: Path) -> None:
    code = "import sys; from charrnn.cli import app; sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "sample" in charrnn("--help", cwd=tmp_path).stdout


def test_a_run_is_complete(folder: Path) -> None:
    run = folder / "run"
    assert {"config.yaml", "run.json", "vocab.json", "metrics.jsonl", "samples.txt", "checkpoints"} <= {
        p.name for p in run.iterdir()
    }
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line][-1] == 40
    assert any("val_bits_per_char" in line for line in lines)
    assert {line["kind"] for line in lines} == {"step", "evaluation"}
    assert all(("val_loss" in line) == (line["kind"] == "evaluation") for line in lines)
    assert not list(run.rglob("*.tmp")) and not list(run.rglob("*.pt"))


def test_sample(folder: Path) -> None:
    first = charrnn("sample", "run", "--prompt", "The", "--length", "30", "--seed", "3", cwd=folder)
    assert first.stderr == ""
    assert first.stdout.startswith("The")
    assert len(first.stdout) == 3 + 30 + 1
    again = charrnn("sample", "run", "--prompt", "The", "--length", "30", "--seed", "3", cwd=folder)
    assert again.stdout == first.stdout
    streamed = charrnn("sample", "run", "--prompt", "The", "--length", "30", "--seed", "3", "--stream", cwd=folder)
    assert streamed.stdout == first.stdout


def test_without_a_seed_each_text_is_another_and_can_be_had_again(folder: Path) -> None:
    options = "sample", "run", "--prompt", "The", "--length", "60", "--temperature", "2"
    for more in ((), ("--stream",)):
        first, other = (charrnn(*options, *more, cwd=folder) for _ in range(2))
        assert first.stdout != other.stdout
        seed = first.stderr.split("--seed ")[1].split(")")[0]
        assert charrnn(*options, *more, "--seed", seed, cwd=folder).stdout == first.stdout
    rows = json.loads(charrnn(*options, "--json", cwd=folder).stdout)
    again = json.loads(charrnn(*options, "--json", "--seed", str(rows[0]["seed"]), cwd=folder).stdout)
    assert again == rows


def test_sample_json_and_several(folder: Path) -> None:
    done = charrnn("sample", "run", "--samples", "3", "--seed", "5", "--length", "20", "--json", cwd=folder)
    rows = json.loads(done.stdout)
    assert [set(row) for row in rows] == [{"text", "log_prob", "seed", "index", "step"}] * 3
    assert [(row["seed"], row["index"]) for row in rows] == [(5, 0), (5, 1), (5, 2)]
    assert all(row["log_prob"] < 0 for row in rows)


def test_sample_from_a_file_and_from_standard_input(folder: Path) -> None:
    (folder / "prompt.txt").write_text("The cat\n", encoding="utf-8")
    options = ("--length", "10", "--temperature", "0")
    texts = [
        charrnn("sample", "run", "--prompt", "The cat", *options, cwd=folder).stdout,
        charrnn("sample", "run", "--prompt-file", "prompt.txt", *options, cwd=folder).stdout,
        charrnn("sample", "run", "--prompt-file", "-", *options, cwd=folder, stdin="The cat\n").stdout,
        charrnn("sample", "run", "--prompt", "-", *options, cwd=folder, stdin="The cat\n").stdout,
    ]
    assert len(set(texts)) == 1


def test_poems_in_any_locale(folder: Path) -> None:
    environment = dict(ENVIRONMENT) | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "charrnn", "sample", "poems", "--prompt", "春"]
    done = subprocess.run(command, cwd=folder, capture_output=True, env=environment, check=True)
    assert done.stdout.decode("utf-8").startswith("春")


def test_eval(folder: Path) -> None:
    result = json.loads(charrnn("eval", "run", "--json", cwd=folder).stdout)
    assert {"bits_per_char", "nats_per_char", "perplexity", "characters"} <= set(result)
    assert result["characters"] == len(TEXT) - round(0.9 * len(TEXT))
    (folder / "other.txt").write_text("The cat sat.", encoding="utf-8")
    assert json.loads(charrnn("eval", "run", "--text", "other.txt", "--json", cwd=folder).stdout)["characters"] == 12
    documents = json.loads(charrnn("eval", "poems", "--json", "--split", "val", cwd=folder).stdout)
    assert documents["characters"] == 12 * 14  # the end of each counts
    assert "bits per character" in charrnn("eval", "run", cwd=folder).stdout


def test_info(folder: Path) -> None:
    document = json.loads(charrnn("info", "run", "--json", cwd=folder).stdout)
    assert document["steps"] == 40
    assert document["best_loss"] == pytest.approx(min(line["val_loss"] for line in document["history"]), rel=1e-4)
    assert "lstm 1 × 16" in charrnn("info", "run", cwd=folder).stdout


def test_training_that_has_ended_goes_on_when_made_longer(folder: Path) -> None:
    charrnn("train", "config.yaml", "--out", "longer", "--set", "training.steps=20", cwd=folder)
    message = refused("train", "--resume", "longer", cwd=folder)
    assert "has trained 20 steps, and 20 is its whole length" in message and "--set training.steps=40" in message
    assert charrnn("train", "--resume", "longer", "--set", "training.steps=30", cwd=folder).stdout == "longer\n"
    steps = [json.loads(line)["step"] for line in (folder / "longer" / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps) and steps[-1] == 30
    assert "train a new one" in refused("train", "--resume", "longer", "--set", "model.hidden_size=8", cwd=folder)


@pytest.mark.parametrize("length", ["--set training.steps=3", "--set training.epochs=0.01", "--minutes 0.000001"])
def test_a_length_that_is_over_is_told_with_one_that_works(folder: Path, length: str) -> None:
    name = length.split()[1].partition("=")[0]
    charrnn("train", "config.yaml", "--out", name, "--set", "training.steps=8", cwd=folder)
    advice = refused("train", "--resume", name, *length.split(), cwd=folder).rpartition("whole length: ")[2]
    assert advice.split()[0] == length.split()[0]
    assert charrnn("train", "--resume", name, *advice.split(), cwd=folder).stdout == f"{name}\n"


def test_interrupted_training_saves_and_says_how_to_go_on(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "charrnn",
        "train",
        "config.yaml",
        "--out",
        "stopped",
        "--set",
        "training.steps=100000",
    ]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=dict(ENVIRONMENT))
    metrics = folder / "stopped" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "charrnn train --resume stopped" in errors
    step = json.loads(charrnn("info", "stopped", "--json", cwd=folder).stdout)["steps"]
    assert step > 0
    charrnn("train", "--resume", "stopped", "--set", f"training.steps={step + 5}", cwd=folder)


def test_runs_get_names_of_their_own(folder: Path) -> None:
    short = ("--set", "training.steps=2", "--quiet")
    first, second = (charrnn("train", "config.yaml", *short, cwd=folder) for _ in range(2))
    assert (first.stdout, second.stdout) == ("runs/config\n", "runs/config-2\n")
    assert first.stderr == ""


def test_a_run_is_never_overwritten_unasked(folder: Path) -> None:
    before = (folder / "poems" / "run.json").stat().st_mtime_ns
    message = refused("train", "config.yaml", "--out", "poems", cwd=folder)
    assert "--resume poems" in message and "--overwrite" in message
    assert (folder / "poems" / "run.json").stat().st_mtime_ns == before
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "mine" / "novel.txt").write_text("mine", encoding="utf-8")
    for more in ((), ("--overwrite",)):
        assert "is not a run" in refused("train", "config.yaml", "--out", "mine", *more, cwd=folder)
    assert (folder / "mine" / "novel.txt").read_text() == "mine"


def test_a_small_text_takes_smaller_batches_with_a_word(folder: Path) -> None:
    """Twenty poems, and a page of prose, train with any config."""
    (folder / "few.txt").write_text("\n\n".join(POEMS.split("\n\n")[:20]), encoding="utf-8")
    for config, path, word in (
        ("poems", "few.txt", "training.batch_size is 17 instead of 32, with 17 documents"),
        ("novel", "few.txt", "training.batch_size is "),
        ("shakespeare-60s", "few.txt", "training.batch_size is "),
    ):
        sets = (
            f"corpus.path={path}",
            "training.steps=2",
            "sampling.prompt=春",
            "model.hidden_size=8",
            "model.embedding_size=8",
        )
        options = [part for one in sets for part in ("--set", one)]
        done = charrnn("train", config, *options, "--out", f"small-{config}", cwd=folder)
        assert word in done.stderr
        written = yaml.safe_load((folder / f"small-{config}" / "config.yaml").read_text(encoding="utf-8"))
        assert f"training.batch_size is {written['training']['batch_size']} instead" in done.stderr
        resumed = charrnn("train", "--resume", f"small-{config}", "--set", "training.steps=3", cwd=folder)
        assert "instead of" not in resumed.stderr


def test_another_batch_size_begins_the_text_anew_with_a_word(folder: Path) -> None:
    for name, config in (("anew", "config.yaml"), ("anew-poems", "poems.yaml")):
        charrnn("train", config, "--set", "training.steps=9", "--out", name, cwd=folder)
        for step, size in ((12, 4), (15, 16)):
            sets = f"training.steps={step}", f"training.batch_size={size}"
            done = charrnn("train", "--resume", name, "--set", sets[0], "--set", sets[1], cwd=folder)
            assert f"training.batch_size was {8 if size == 4 else 4} and is {size} now" in done.stderr


def test_a_text_trains_by_its_recipe(folder: Path) -> None:
    """What is printed is what is taken, for one file, for many, and from Python."""
    done = charrnn("train", "text.txt", "--set", "training.steps=3", "--out", "by-recipe", cwd=folder)
    assert "charrnn sample by-recipe" in done.stderr
    printed = charrnn("configs", "recipe", "text.txt", cwd=folder).stdout
    (folder / "printed.yaml").write_text(printed, encoding="utf-8")
    charrnn("train", "printed.yaml", "--set", "training.steps=3", "--out", "by-config", cwd=folder)
    configs = [(folder / name / "config.yaml").read_text(encoding="utf-8") for name in ("by-recipe", "by-config")]
    assert configs[0] == configs[1]
    assert charrnn("sample", "by-recipe", "--length", "5", cwd=folder).stdout
    (folder / "many").mkdir()
    for i in range(25):
        (folder / "many" / f"{i}.txt").write_text(TEXT[: 200 + i], encoding="utf-8")
    files = [f"many/{i}.txt" for i in range(25)]
    for named in (["many"], files):
        done = charrnn("train", *named, "--set", "training.steps=2", cwd=folder)
        written = yaml.safe_load((folder / done.stdout.strip() / "config.yaml").read_text(encoding="utf-8"))
        assert written["corpus"]["separator"] == "file" and written["corpus"]["mode"] == "documents"
    assert "minutes" in refused("train", "text.txt", "--minutes", "-1", cwd=folder)
    assert "--resume run" in refused("train", "run", cwd=folder)
    for nowhere in ("a" * 5000, "~nobody-of-that-name/a.txt"):
        assert "no such file" in refused("train", nowhere, cwd=folder)
    assert "missing.txt" in refused("train", "text.txt", "missing.txt", cwd=folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train"], ["text", "CONFIG", "shakespeare", "--resume"]),
        (["train", "shakespear"], ["no such file", "nearest: shakespeare"]),
        (["train", "config.yaml", "--set", "model.hiden_size=3"], ["model.hiden_size", "nearest: hidden_size"]),
        (["train", "poems.yaml", "--set", "training.forget=0.1"], ["training.forget", "documents"]),
        (["train", "poems.yaml", "--set", "training.window_deviation=5"], ["training.window_deviation", "documents"]),
        (["train", "config.yaml", "--set", "corpus.path=empty.txt"], ["empty"]),
        (["train", "config.yaml", "--set", "corpus.path=nothing.txt"], ["nothing.txt", "no such file"]),
        (["train", "config.yaml", "--set", "corpus.path=gbk.txt"], ["gbk.txt", "byte 7", "gb18030"]),
        (["train", "config.yaml", "--set", "sampling.prompt=秋"], ["秋(U+79CB)", "--set sampling.prompt=TEXT"]),
        (
            ["train", "--resume", "run", "--set", "training.steps=50", "--set", "sampling.prompt=秋"],
            ["--set sampling."],
        ),
        (["train", "--resume", "run", "--set", "training.steps=50", "--set", "training.patience=0"], ["patience"]),
        (["train", "config.yaml", "--device", "cuda:7"], ["--device cpu"]),
        (["train", "config.yaml", "--device", "tpu"], ["cpu, cuda"]),
        (["train", "--resume", "mine"], ["not a run"]),
        (["sample", "nowhere"], ["nowhere", "no such folder"]),
        (["sample", "newer"], ["newer", "upgrade"]),
        (["sample", "run", "--temperature", "-1"], ["--temperature -1", "0"]),
        (["sample", "run", "--top-p", "2"], ["--top-p 2", "at most 1"]),
        (["sample", "run", "--top-k", "0"], ["--top-k 0", "1 or more"]),
        (["sample", "run", "--length", "0"], ["--length 0", "1 or more"]),
        (["sample", "run", "--samples", "0"], ["--samples 0"]),
        (["sample", "run", "--prompt", "秋天"], ["秋(U+79CB)", "天(U+5929)", "--unknown replace"]),
        (["sample", "run", "--prompt-file", "nothing.txt"], ["nothing.txt"]),
        (["sample", "run", "--prompt-file", "/dev/zero"], ["--prompt-file /dev/zero", "not a regular file"]),
        (["compress", "run", "/dev/zero", "--out", "zero.crnn"], ["/dev/zero", "not a regular file"]),
        (["sample", "run", "--stream", "--samples", "2"], ["--stream"]),
        (["eval", "run", "--split", "test"], ["test", "empty"]),
        (["eval", "run", "--text", "empty.txt"], ["empty"]),
        (["corpus", "show", "tiny-shakespear"], ["tiny-shakespeare"]),
        (["configs", "copy", "tan"], ["tang"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_message(folder: Path, arguments: list[str], words: list[str]) -> None:
    (folder / "empty.txt").write_bytes(b"")
    (folder / "gbk.txt").write_bytes(b"Hello: " + "红楼梦里的人都说他不是好人。".encode("gbk") * 20)
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "newer").mkdir(exist_ok=True)
    (folder / "newer" / "run.json").write_text('{"format": 99}')
    message = refused(*arguments, cwd=folder)
    for word in words:
        assert word in message
    assert all(line.startswith("charrnn: ") for line in message.splitlines())


def test_unknown_characters_can_be_replaced(folder: Path) -> None:
    done = charrnn("sample", "run", "--prompt", "秋", "--unknown", "replace", "--length", "5", cwd=folder)
    assert done.stdout.startswith("\ufffd")


def test_what_becomes_unknown_is_told_before_the_training_begins(folder: Path) -> None:
    (folder / "rare.txt").write_text(TEXT + "xyz", encoding="utf-8")
    short = ("--set", "training.steps=1", "--set", "corpus.path=rare.txt")
    first = charrnn("train", "config.yaml", *short, "--set", "vocab.min_count=2", "--out", "rare", cwd=folder)
    words = "3 of 27 characters occur less than 2 times and become <unk>: 0.052 % of the text"
    assert words in first.stderr.splitlines()[0]
    assert words in charrnn("info", "rare", cwd=folder).stdout
    assert "<unk>" not in charrnn("train", "config.yaml", *short, "--out", "common", cwd=folder).stderr
    novel = charrnn("train", "novel", *short, "--set", "training.batch_size=4", "--out", "novel", cwd=folder)
    assert "<unk>" not in novel.stderr
    assert charrnn("sample", "novel", "--prompt", "xyz", "--length", "1", cwd=folder).stdout.startswith("xyz")


def test_nothing_held_out_works_everywhere(folder: Path) -> None:
    (folder / "no-n.txt").write_text(TEXT.replace("n", "m"))  # a sample of it never spells "nan"
    whole = ("--set", "corpus.split=[1, 0, 0]", "--set", "corpus.path=no-n.txt")
    done = charrnn("train", "config.yaml", *whole, "--out", "whole", cwd=folder)
    assert "samples come from the last step, 40" in done.stderr
    shown = [
        done.stderr,
        *(charrnn(name, "whole", cwd=folder).stdout for name in ("info", "sample", "compare")),
        charrnn("compare", "whole", "run", cwd=folder).stdout,
        charrnn("eval", "whole", "--split", "train", cwd=folder).stdout,
        charrnn("train", "--resume", "whole", "--set", "training.steps=44", cwd=folder).stderr,
    ]
    assert not any(word in text.split() for text in shown for word in ("nan", "inf", "inf~", "None"))
    assert "--text FILE or another --split" in refused("eval", "whole", cwd=folder)
    impatient = refused("train", "config.yaml", *whole, "--set", "training.patience=2", "--out", "no", cwd=folder)
    assert "training.patience" in impatient and "corpus.split" in impatient
    assert not (folder / "no").exists()


def test_configs(folder: Path) -> None:
    assert "shakespeare" in charrnn("configs", "list", cwd=folder).stdout
    assert charrnn("configs", "copy", "shakespeare", "mine.yaml", cwd=folder).stdout == "mine.yaml\n"
    assert "exists already" in refused("configs", "copy", "shakespeare", "mine.yaml", cwd=folder)
    schema = json.loads(charrnn("configs", "schema", cwd=folder).stdout)
    assert "CorpusConfig" in schema["$defs"]


@pytest.mark.parametrize("path", ["x" * 300 + ".yaml", "x" * 300 + "/x.yaml", "nowhere/x.yaml", "mine.yaml/x.yaml"])
def test_where_nothing_can_be_written_there_is_one_message(path: str, folder: Path) -> None:
    (folder / "mine.yaml").write_text("mine")
    for command in (["configs", "copy", "demo", path], ["corpus", "get", "python-stdlib", "--out", path + "/" + path]):
        if not path.startswith("nowhere") or command[0] == "configs":
            refused(*command, cwd=folder)
    assert "a Python file was expected" in refused("train", "my.yaml", "--plugin", "x" * 300 + ".py", cwd=folder)
    assert (folder / "mine.yaml").read_text() == "mine" and not (folder / "nowhere").exists()


@pytest.mark.parametrize("kind", ["dangling link", "link", "pipe", "folder"])
def test_a_copy_is_written_through_nothing(kind: str, tmp_path: Path) -> None:
    for command in (["configs", "copy", "demo"], ["corpus", "get", "python-stdlib", "--out", "."]):
        target = tmp_path / ("demo.yaml" if command[0] == "configs" else "python-stdlib.txt")
        if kind == "link":
            (tmp_path / "diary").write_text("mine")
        if kind == "pipe":
            os.mkfifo(target)
        elif kind == "folder":
            (target / target.name).mkdir(parents=True)
        else:
            target.symlink_to("diary")
        assert "exists" in refused(*command, cwd=tmp_path)
        assert not (tmp_path / "diary").exists() or (tmp_path / "diary").read_text() == "mine"
    if kind != "folder":
        charrnn("corpus", "get", "python-stdlib", "--out", ".", "--overwrite", cwd=tmp_path)
        assert target.is_file() and not target.is_symlink()
        assert not (tmp_path / "diary").exists() or (tmp_path / "diary").read_text() == "mine"


def test_half_a_copy_is_none(tmp_path: Path) -> None:
    """A disk that is full, as a limit makes it: the next try succeeds."""
    environment = ENVIRONMENT | {"CHARRNN_CACHE": str(tmp_path / "cache")}

    def get(before: str, out: str) -> subprocess.CompletedProcess[str]:
        program = f"{before} '{sys.executable}' -m charrnn corpus get python-stdlib --out {out}"
        return subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, env=environment)

    assert get("", "first").returncode == 0  # it is now in the cache
    done = get("ulimit -f 1;", "data")
    assert done.returncode == 2
    assert done.stderr == "charrnn: data/python-stdlib.txt: cannot be written: File too large\n"
    assert list((tmp_path / "data").iterdir()) == []
    assert get("", "data").returncode == 0


def test_corpus_get_keeps_what_is_there(folder: Path) -> None:
    assert charrnn("corpus", "get", "tang-regulated", cwd=folder).stdout == "data/tang-regulated.txt\n"
    file = folder / "data" / "tang-regulated.txt"
    charrnn("corpus", "get", "tang-regulated", cwd=folder)
    file.write_text("mine", encoding="utf-8")
    assert "--overwrite" in refused("corpus", "get", "tang-regulated", cwd=folder)
    assert file.read_text() == "mine"
    assert "tang-regulated" in charrnn("corpus", "list", cwd=folder).stdout
    assert "七言律詩" in charrnn("corpus", "show", "tang-regulated", cwd=folder).stdout


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    command = f'"{sys.executable}" -m charrnn sample run --length 20000 --stream | head -c 10'
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert done.stderr == ""
    assert len(done.stdout) == 10


def test_fill(folder: Path) -> None:
    one = charrnn("fill", "run", "The c_t sat", cwd=folder).stdout
    assert one.startswith("The c") and one.endswith("t sat\n")
    rows = json.loads(charrnn("fill", "run", "The ＿at", "--samples", "4", "--json", cwd=folder).stdout)
    assert len({row["text"] for row in rows}) == 4
    assert [row["log_prob"] for row in rows] == sorted((row["log_prob"] for row in rows), reverse=True)
    assert "?" not in charrnn("fill", "run", "The c?t", "--blank", "?", cwd=folder).stdout
    assert "single character" in refused("fill", "run", "The c_t", "--blank", "??", cwd=folder)
    assert "no blank" in refused("fill", "run", "The cat", cwd=folder)
    message = refused("fill", "run", "秋天_", cwd=folder)
    assert "秋(U+79CB) 天(U+5929)" in message and "blanks in their place" in message


def test_what_is_given_stays_where_characters_are_several_bytes(folder: Path) -> None:
    options = ("--set", "vocab.kind=byte", "--set", "training.steps=2", "--quiet")
    charrnn("train", "config.yaml", "--out", "raw", *options, cwd=folder)
    assert charrnn("fill", "raw", "c_t, é秋👩", cwd=folder).stdout.endswith("t, é秋👩\n")


def test_score(folder: Path) -> None:
    (folder / "odd.txt").write_text("The cat sat.\nkgr dnb lbbh\nThe dog sat.\n", encoding="utf-8")
    table = charrnn("score", "run", "odd.txt", "--sort", cwd=folder).stdout.splitlines()
    assert "kgr dnb" in table[1]
    rows = [json.loads(line) for line in charrnn("score", "run", "odd.txt", "--json", cwd=folder).stdout.splitlines()]
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert "\x1b[38;5;" in charrnn("score", "run", "odd.txt", "--color", cwd=folder).stdout
    assert "line, document or character" in refused("score", "run", "odd.txt", "--by", "word", cwd=folder)


def test_compress_and_decompress(folder: Path) -> None:
    (folder / "held.txt").write_text("The cat sat on 秋.\r\n" * 5, encoding="utf-8", newline="")
    assert charrnn("compress", "run", "held.txt", cwd=folder).stdout == "held.txt.crnn\n"
    assert "exists already" in refused("compress", "run", "held.txt", cwd=folder)
    assert "exists already" in refused("decompress", "run", "held.txt.crnn", cwd=folder)
    assert "another model" in refused("decompress", "poems", "held.txt.crnn", "--out", "x", cwd=folder)
    charrnn("decompress", "run", "held.txt.crnn", "--out", "back.txt", cwd=folder)
    assert (folder / "back.txt").read_bytes() == (folder / "held.txt").read_bytes()
    assert "--out" in refused("decompress", "run", "held.txt", cwd=folder)
    (folder / ("x" * 252)).write_text("The cat", encoding="utf-8")
    os.mkfifo(folder / "pipe.crnn")
    for name, said in ((".", "directory"), ("/", "directory"), ("x" * 252, "too long"), ("x" * 300, "too long")):
        assert said in refused("compress", "run", name, cwd=folder)
    for command in ("compress", "decompress"):
        assert "not a regular file" in refused(command, "run", "pipe.crnn", "--out", "y", cwd=folder)
    assert "too long" in refused("compress", "run", "held.txt", "--out", "x" * 300, cwd=folder)
    assert not list(folder.glob(".charrnn-*"))


def test_every_way_to_evaluate(folder: Path) -> None:
    for options in (["--protocol", "blocks", "--block", "20"], ["--dynamic", "--dynamic-rate", "0.001"], []):
        result = json.loads(charrnn("eval", "run", *options, "--json", cwd=folder).stdout)
        assert result["characters"] == 576
        assert result["measure"] == "likelihood"
    for options in (
        ["--protocol", "blocks", "--dynamic"],
        ["--protocol", "blocks", "--block", "0"],
        ["--protocol", "x"],
    ):
        refused("eval", "run", *options, cwd=folder)
    refused("eval", "poems", "--protocol", "blocks", cwd=folder)
    refused("eval", "run", "--dynamic", "--dynamic-rate", "7", cwd=folder)


def test_the_whole_zoo_from_config_files(folder: Path) -> None:
    sweep = CONFIG | {
        "training": CONFIG["training"] | {"steps": 10},  # type: ignore[operator]
        "sweep": {
            "variants": {
                "ngram": {"model.cell": "ngram", "model.order": 3},
                "mlp": {"model.cell": "mlp"},
                "minlstm": {"model.cell": "minlstm", "model.residual": True},
                "both": {"model.bidirectional": True},
            }
        },
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    done = charrnn("sweep", "sweep.yaml", "--out", "zoo", "--plot", "zoo.png", cwd=folder)
    lines = [line for line in done.stdout.splitlines() if line.startswith("zoo/")]
    assert {line.split()[0] for line in lines} == {f"zoo/{name}" for name in ("ngram", "mlp", "minlstm", "both")}
    assert lines[3].startswith("zoo/both") and "*" in lines[3]
    assert "pseudo-likelihood" in done.stdout.split("zoo/both")[0], "a table of its own"
    assert (folder / "zoo.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads(charrnn("compare", "zoo/ngram", "zoo/mlp", "--json", cwd=folder).stdout)
    assert {"run", "architecture", "parameters", "bits_per_char", "minutes", "characters_seen"} <= set(rows[0])
    for name in ("ngram", "mlp", "minlstm"):
        assert charrnn("sample", f"zoo/{name}", "--length", "5", cwd=folder).stdout.startswith("The")
    assert "charrnn fill" in refused("sample", "zoo/both", cwd=folder)
    assert "left to right" in refused("compress", "zoo/both", "text.txt", cwd=folder)
    assert json.loads(charrnn("eval", "zoo/both", "--json", cwd=folder).stdout)["measure"] == "pseudo-likelihood"
    assert "n-gram" in refused("eval", "zoo/ngram", "--dynamic", cwd=folder)
    assert "counts once" in refused("train", "--resume", "zoo/ngram", cwd=folder)
    for values in ("rnn, rmm", "ngram]\n    model.order: [0"):
        bad = f"{yaml.safe_dump(CONFIG)}sweep:\n  grid:\n    model.cell: [{values}]\n"
        (folder / "bad.yaml").write_text(bad, encoding="utf-8")
        assert "model." in refused("sweep", "bad.yaml", cwd=folder)
    assert "charrnn sweep" in refused("train", "sweep.yaml", cwd=folder)
    assert "given twice" in refused("compare", "zoo/mlp", "zoo/mlp", cwd=folder)


def test_a_message_does_not_command_the_terminal(folder: Path) -> None:
    assert "no\\x1b[2Jwhere" in refused("sample", "no\x1b[2Jwhere", cwd=folder)


def test_a_run_may_have_any_name(folder: Path) -> None:
    for name in ("r\udcff", r"m$\q$"):
        shutil.copytree(folder / "run", folder / name, dirs_exist_ok=True)
        document = json.loads((folder / name / "run.json").read_text(encoding="utf-8"))
        (folder / name / "run.json").write_text(json.dumps(document | {"x": "\ud800"}))
    (folder / "matplotlibrc").write_text("text.usetex: True")

    def output(*arguments: str) -> bytes:
        command = [sys.executable, "-m", "charrnn", *arguments]
        return subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE).stdout

    for more in ([], ["--json"], ["--plot", "curves.png"]):
        assert b"architecture" in output("compare", "r\udcff", r"m$\q$", *more)
    for name in ("r\udcff", r"m$\q$"):
        assert b"parameters" in output("info", name)
        shown = json.loads(output("info", name, "--json"))
        assert shown["run"] == name and shown["x"] == "\ud800"


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory")
def test_without_memory_there_is_one_message(folder: Path) -> None:
    shell = f"ulimit -v 400000; '{sys.executable}' -m charrnn eval run"
    done = subprocess.run(["bash", "-c", shell], cwd=folder, env=ENVIRONMENT, capture_output=True, encoding="utf-8")
    assert done.returncode == 2 and "not enough memory" in done.stderr and "Traceback" not in done.stderr


INTERRUPTED = """
import runpy, sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
runpy.run_module("charrnn", run_name="__main__")
"""


def test_ctrl_c_while_the_code_is_read_is_no_bug() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True)
    assert (done.returncode, done.stderr) == (130, b"")


def test_what_would_take_gigabytes_is_refused(folder: Path) -> None:
    assert "1 to 10,000" in refused("sample", "run", "--samples", "1000000000", cwd=folder)
    assert "1 to 10,000" in refused("fill", "run", "The c_t", "--samples", "1000000000", cwd=folder)
    assert "2^63" in refused("fill", "run", "The c_t", "--seed", str(2**64), cwd=folder)
    assert "--block" in refused("eval", "run", "--protocol", "blocks", "--block", str(10**12), cwd=folder)
    assert "no such folder" in refused("sample", "a" * 5000, cwd=folder)


def test_a_look_at_a_text_of_ones_own(folder: Path) -> None:
    (folder / "look.txt").write_bytes("Ein Bäcker\u200b grüßt.\r\n\r\nDer Fluß rauscht.\r\n".encode() + b"\xff\r\n")
    shown = charrnn("corpus", "show", "look.txt", cwd=folder).stdout
    for word in ("utf-8", "one byte does not decode", "4 CRLF", "Latin", "ZERO WIDTH SPACE", "Ein Bäcker"):
        assert word in shown
    document = json.loads(charrnn("corpus", "show", "look.txt", "--json", cwd=folder).stdout)
    assert document["blank-line"].startswith("2 documents") and document["line"].startswith("2 documents")
    assert "nowhere.txt" in refused("corpus", "show", "nowhere.txt", cwd=folder)


def test_what_a_text_is_beside_a_plain_one_is_told(folder: Path) -> None:
    (folder / "table.csv").write_text(
        "id,text\n" + "".join(f"{i},The cat sat.\n" for i in range(200)), encoding="utf-8"
    )
    sets = "--set", "corpus.path=table.csv", "--set", "training.steps=2"
    assert "CSV with the fields id, text" in charrnn("train", "config.yaml", *sets, cwd=folder).stderr
    done = charrnn("train", "config.yaml", *sets, "--set", "corpus.field=text", "--out", "field", cwd=folder)
    assert ("CSV" not in done.stderr and "180 documents" in done.stderr) or "200 documents" in done.stderr
    assert "id" not in charrnn("sample", "field", "--prompt", "T", "--temperature", "0", cwd=folder).stdout
    one = "corpus.mode=documents", "corpus.split=[1,0,0]", "training.steps=2"
    done = charrnn("train", "config.yaml", *(part for key in one for part in ("--set", key)), cwd=folder)
    assert "text.txt is one document, without any blank-line" in done.stderr
    (folder / "few.md").write_text("# One\n\nThe cat.\n\n# Two\n\nThe dog.\n" * 20, encoding="utf-8")
    small = "training.steps=2", "training.minutes=null", "model.hidden_size=8", "model.embedding_size=8"
    quick = [part for key in small for part in ("--set", key)]
    for separator, near in (("blank", "corpus.separator=blank-line"), ("@@@", ""), ("file", "")):
        told = refused("train", "few.md", *quick, "--set", f"corpus.separator={separator}", cwd=folder)
        assert "few.md is one document" in told and "corpus.mode=stream" in told and near in told
        assert separator in told and ("did you mean" in told) == bool(near)
    done = charrnn("train", "few.md", *quick, "--set", "corpus.separator=/^# /", cwd=folder)
    assert "in 40 documents" in done.stderr  # to name a separator is to ask for documents
    sets = "--set", "corpus.separator=line", "--set", "corpus.mode=stream"
    assert "has no effect" in charrnn("train", "few.md", *quick, *sets, cwd=folder).stderr
    (folder / "french.txt").write_text("La fenêtre fermée a rêvé de l'été passé.\n" * 9, encoding="utf-8")
    done = charrnn("train", "french.txt", *quick, "--set", "corpus.encoding=latin-1", cwd=folder)
    assert "is read as latin-1, and looks like utf-8" in done.stderr and "are little to learn from" in done.stderr
    assert "looks like" not in charrnn("train", "french.txt", *quick, cwd=folder).stderr
    (folder / "songs.txt").write_text("\n\n\n".join(["A line,\na rhyme.\n\nA line,\na time."] * 30), encoding="utf-8")
    sets = "corpus.path=songs.txt", "corpus.mode=documents", "training.steps=2", "sampling.prompt=A"
    options = [part for key in sets for part in ("--set", key)]
    assert "blank-lines: 2" in charrnn("train", "config.yaml", *options, cwd=folder).stderr
    options += ["--set", "corpus.separator='blank-lines: 2'"]
    done = charrnn("train", "config.yaml", *options, cwd=folder)
    assert "blank-lines" not in done.stderr and "in 30 documents" in done.stderr
    (folder / "novel.docx").write_bytes(b"PK\3\4" + b"\0" * 99)
    for command in (["train", "novel.docx"], ["train", "config.yaml", "--set", "corpus.path=novel.docx"]):
        assert "save it there as plain text" in refused(*command, cwd=folder)
    sets = "--set", "corpus.field=text", "--set", "training.steps=2"
    done = charrnn("train", "table.csv", *sets, "--out", "table", cwd=folder)
    assert "in 200 documents" in done.stderr
    (folder / "list.json").write_text(json.dumps(["The cat sat.", "The dog sat."] * 50), encoding="utf-8")
    done = charrnn("train", "list.json", "--set", "training.steps=2", cwd=folder)
    assert "JSON with the fields text" in done.stderr
    for command in (["corpus", "show"], ["configs", "recipe"]):
        assert "--set corpus.field=text" in charrnn(*command, "table.csv", cwd=folder).stdout
        assert "several" not in charrnn(*command, "list.json", cwd=folder).stdout
    (folder / "both").mkdir()
    for name, encoding in (("a.txt", "utf-8"), ("b.txt", "gb18030"), ("c.txt", "utf-8"), ("d.doc", "utf-8")):
        (folder / "both" / name).write_text("老人在山下的小村子里住了很久。\n" * 9, encoding=encoding)
    for command in (["corpus", "show", "both"], ["configs", "recipe", "both"], ["train", "both", *quick]):
        done = charrnn(*command, cwd=folder)
        assert "utf-8 (2 files) and gb18030 (1 file)" in done.stdout + done.stderr
        assert "1 × .doc" in done.stdout + done.stderr
    done = charrnn("train", "list.json", *sets, "--out", "list", cwd=folder)
    assert "in 100 documents" in done.stderr


def test_train_takes_a_seed_and_gives_json(folder: Path) -> None:
    steps = ("--set", "training.steps=3", "--quiet")
    config = next(folder.glob("*.yaml")).name
    done = charrnn("train", config, "--seed", "7", "--json", "--out", "seeded", *steps, cwd=folder)
    document = json.loads(done.stdout)
    assert document["run"] == "seeded" and document["training"]["seed"] == 7 and document["steps"] == 3
    assert document["machine"]["threads"] >= 1 and document["results"] >= 1


def test_figures_as_csv(folder: Path) -> None:
    evaluated = json.loads(charrnn("eval", "run", "--json", cwd=folder).stdout)
    for command in (("eval", "run"), ("compare", "run")):
        rows = list(csv.DictReader(charrnn(*command, "--csv", cwd=folder).stdout.splitlines()))
        row = next(row for row in rows if Path(row["run"]).name == "run")
        assert float(row["bits_per_char"]) == pytest.approx(evaluated["bits_per_char"], rel=1e-6)
        assert {"seed", "parameters", "characters"} <= row.keys()
        assert any(key.startswith("standard_error") for key in row)


def test_configs_show_and_diff(folder: Path) -> None:
    (folder / "more.yaml").write_text("extends: shakespeare\nmodel: {hidden_size: 77}\n", encoding="utf-8")
    shown = charrnn("configs", "show", "more.yaml", cwd=folder).stdout
    assert "hidden_size: 77" in shown and "# more.yaml, line 2" in shown and "shakespeare.yaml, line " in shown
    (folder / "again.yaml").write_text(shown, encoding="utf-8")
    assert charrnn("configs", "diff", "more.yaml", "again.yaml", cwd=folder).stdout == ""
    both = json.loads(charrnn("configs", "diff", "more.yaml", "shakespeare", "--json", cwd=folder).stdout)
    assert both.keys() == {"model.hidden_size"} and both["model.hidden_size"][0] == 77


@given(st.lists(st.characters(exclude_categories=["Cs"]), unique=True, max_size=80))
def test_a_glimpse_of_an_alphabet_says_whether_it_is_all(alphabet: list[str]) -> None:
    seen = [c for c in alphabet if c.isprintable() and not c.isspace()]
    told, _, shown = _glimpse(alphabet).partition(": ")
    if told:
        assert told == f", {GLIMPSE} of them" and len(seen) > GLIMPSE
        assert len(shown.removesuffix(" ...")) == GLIMPSE and set(shown.removesuffix(" ...")) <= set(seen)
    else:
        assert shown == "".join(seen)
