"""What a type checker sees of the library: mypy --strict, as its users run it, without pydantic's plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import charrnn

ROOT = Path(__file__).resolve().parents[1]

RIGHT = """
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import charrnn

Floats = npt.NDArray[np.float32]


class Cell(charrnn.RecurrentLayer):
    def step(self, x: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        return x, state


class Watch:
    def hear(self, event: charrnn.Event) -> None:
        print(event.kind, event.progress.steps, event.metrics.get("val_loss"), event.is_best)

    def close(self) -> None:
        pass


class Half:
    def __call__(self, log_probs: Floats, /) -> npt.NDArray[np.floating[Any]]:
        return log_probs / 2


class Odd:
    def begin(self) -> int:
        return 0

    def allowed(self, state: int) -> npt.NDArray[np.bool_]:
        mask: npt.NDArray[np.bool_] = np.arange(len(run.vocabulary)) % 2 == 1
        return mask

    def after(self, state: int, character: int) -> int | None:
        return state

    def is_over(self, state: int) -> bool:
        return True


def told(event: charrnn.Event) -> None:
    print(event.kind)


def no_e(log_probs: Floats) -> Floats:
    log_probs[:, run.vocabulary.encode("e")] = -np.inf
    return log_probs


kept: list[charrnn.Event] = []
watch: charrnn.Listener = Watch()
filters: list[charrnn.Filter] = [no_e, Half(), lambda log_probs: log_probs * 2]
charrnn.register_cell("cell", Cell)
config = charrnn.Config(corpus={"path": "novel.txt"}, model={"cell": "gru"}, training={"steps": 3})
same: charrnn.Config = charrnn.Config(corpus=config.corpus, model=config.model, sampling=config.sampling)
run: charrnn.Run = charrnn.train(config, steps=3, seed=1, listeners=[watch, told, kept.append], quiet=True)
for given in ("novel.txt", Path("novel.txt"), "demo", ["a.txt", "b.txt"], {"corpus": {"path": "a.txt"}}):
    charrnn.train(given, minutes=0.5, out="runs/x", overwrite=True, device="cpu")
charrnn.train({"corpus": {"path": "a.txt"}, "model": config.model}, init_from=run.path, freeze=["embedding"])
try:
    run = charrnn.resume(run.path, steps=9, listeners=[told], overrides=["training.patience=3"])
except charrnn.Diverged as error:
    message: str = error.message
except charrnn.CharrnnError as error:
    message = str(error)
except charrnn.Interrupted as interrupted:
    run = interrupted.run
run = charrnn.load("runs/x", device="cpu", checkpoint="last")
loaded: charrnn.Config = charrnn.load_config("demo", ["model.cell=gru"])
written: list[charrnn.Sample] = run.sample("to", length=9, temperature=0.5, top_k=3, filters=filters, samples=2, seed=7)
text: str = written[0].text + str(written[0])
facts: tuple[float, int, int, bytes | None] = (
    written[0].log_prob, written[0].seed, written[0].index, written[0].data
)
odd: charrnn.Constraint = Odd()
kept_odd: list[charrnn.Sample] = run.sample("to", length=9, constraint=odd)
poem: str = str(run.sample(constraint=run.verse("qijue", tones=True, rhyme="東", acrostic="春夏秋冬"), length=99)[0])
pieces: list[str] = list(run.stream("to", length=9, top_p=0.9, repetition_penalty=1.1, filters=filters, unknown="skip"))
likelihood: charrnn.Likelihood = run.evaluate(split="test", block=256)
bits: float = likelihood.bits_per_char + likelihood.nats_per_char + likelihood.perplexity
filled: list[charrnn.Filled] = run.fill("a_b", samples=2, best=True)
scored: list[charrnn.Scored] = run.score("a.txt", by="document")
packed: bytes = run.decompress(run.compress(b"a"))
row: charrnn.Row = charrnn.compare([run])[0]
architecture: str = row.architecture
runs: list[charrnn.Run] = charrnn.sweep("zoo", overrides=["training.minutes=1"], out="runs/zoo")
version: str = charrnn.__version__
"""
"""Every public name, as it is meant."""

HEAD = """
from pathlib import Path

import charrnn

run: charrnn.Run
config: charrnn.Config
sample: charrnn.Sample
likelihood: charrnn.Likelihood
filled: charrnn.Filled
scored: charrnn.Scored
event: charrnn.Event
diverged: charrnn.Diverged
interrupted: charrnn.Interrupted


class Layer(charrnn.RecurrentLayer): ...


class Deaf:
    def close(self) -> None: ...


def of_a_text(text: str) -> None: ...


"""
WRONG = """
charrnn.trian("demo")
charrnn.train(3)
charrnn.train("demo", stepps=3)
charrnn.train("demo", steps="3")
charrnn.train("demo", minutes="3")
charrnn.train("demo", seed=0.5)
charrnn.train("demo", "again.yaml")
charrnn.train("demo", listeners=[of_a_text])
charrnn.train("demo", listeners=[Deaf()])
charrnn.train("demo", listeners=of_a_text)
charrnn.train({3: "demo"})
charrnn.train("demo").smaple()
charrnn.resume()
charrnn.resume("runs/x", seed=3)
charrnn.resume("runs/x", steps=0.5)
charrnn.resume("runs/x", listeners=[of_a_text])
charrnn.sweep(config)
charrnn.sweep("zoo", out=3)
charrnn.compare("runs/x")
charrnn.compare([run])[0].bits
wrong_row: charrnn.Row = run
charrnn.load()
charrnn.load(3)
charrnn.load("runs/x", checkpoint=0.5)
charrnn.load_config("demo", {"model.cell": "gru"})
charrnn.load_config("demo").modell
charrnn.register_cell("cell", Path)
charrnn.register_cell(Layer)
charrnn.Config()
charrnn.Config(model={"cell": "gru"})
charrnn.Config(corpus="novel.txt")
charrnn.Config(corpus={"path": "a"}, modell={})
charrnn.Config(corpus={"path": "a"}, model=["gru"])
config.model.hidden
text: bytes = config.model.cell
run.sample(3)
run.sample("to", 9)
run.sample("to", temprature=0.5)
run.sample("to", length="9")
run.sample("to", filters=[of_a_text])
run.sample("to", unknown="drop")
run.sample("to").text
run.stream("to", samples=2)
run.stream("to", temprature=0.5)
run.stream("to", filters=of_a_text)
run.stream("to").text
run.evaluate(split="validation")
run.evaluate(block=0.5)
run.fill(b"a_b")
run.score("a.txt", by="word")
run.compress("a")
run.path = Path("other")
sample.texts
sample.text = "other"
sample.log_prob.text
likelihood.bits
likelihood.nats = 1.0
filled.texts
scored.bit
event.metrics["val_loss"].text
event.kind == 3 or event.steps
late: charrnn.Listener = Deaf()
one: charrnn.Filter = of_a_text
two: charrnn.Constraint = of_a_text
run.sample("to", constraint=of_a_text)
run.verse(7)
run.verse("qijue", acrostic_at="middle")
Layer("wide", 3)
charrnn.CharrnnError("told").told
diverged.messages
interrupted.runs
charrnn.__version__ + 1
charrnn.nonsense
"""
"""A mistake a line. Each is one that a type checker can know."""


class Checked(NamedTuple):
    """The lines of each script that mypy reports, with its messages."""

    right: dict[int, str]
    wrong: dict[int, str]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Checked:
    folder = tmp_path_factory.mktemp("typing")
    (folder / "right.py").write_text(RIGHT, encoding="utf-8")
    (folder / "wrong.py").write_text(HEAD + WRONG.lstrip("\n"), encoding="utf-8")
    assert request.config.cache is not None
    options = ["--strict", "--config-file=", f"--cache-dir={request.config.cache.mkdir('mypy')}", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, "right.py", "wrong.py"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", env={"MYPYPATH": str(ROOT)}
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, dict[int, str]] = {"right": {}, "wrong": {}}
    for line in done.stdout.splitlines():
        if match := re.match(r"(right|wrong)\.py:(\d+): error: (.*)", line):
            found[match[1]][int(match[2])] = match[3]
    return Checked(**found)


def test_every_name_can_be_used_as_it_is_meant(checked: Checked) -> None:
    assert checked.right == {}
    assert [name for name in charrnn.__all__ if f"charrnn.{name}" not in RIGHT] == []


def test_every_misuse_is_reported(checked: Checked) -> None:
    lines = (HEAD + WRONG.lstrip("\n")).splitlines()
    first = len(HEAD.splitlines()) + 1
    assert [line for i, line in enumerate(lines, 1) if i >= first and i not in checked.wrong] == []
    assert [i for i in checked.wrong if i < first] == []


def test_every_name_is_misused(checked: Checked) -> None:
    used = HEAD + WRONG
    assert [name for name in charrnn.__all__ if f"charrnn.{name}" not in used] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "charrnn" / "py.typed").is_file()
