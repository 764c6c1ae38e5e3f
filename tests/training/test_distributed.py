"""Several workers make the training that one makes; real processes, started by the real command."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.errors import CharrnnError
from charrnn.models import build_model
from charrnn.run import Run
from charrnn.text.batches import IGNORE, Batches, DocumentBatches, StreamBatches
from charrnn.text.dataset import Part
from charrnn.training import session
from charrnn.training.distributed import joined
from charrnn.training.launch import count_workers
from charrnn.training.loss import backward, loss_by_rows
from charrnn.training.numbers import Delayed
from charrnn.training.penalty import ActivationPenalty

CPU = torch.device("cpu")


def corpus(mode: str) -> Path:
    draw = random.Random(0)
    texts = ["".join(draw.choices("abcdefg hij", k=draw.randrange(5, 90))).strip() for _ in range(61)]
    file = Path(f"{mode}.txt")
    file.write_text(("\n\n" if mode == "documents" else "\n").join(texts) + "\n")
    return file


def arguments(mode: str, out: str, **training: Any) -> list[str]:
    keys = {"batch_size": 6, "window": 15, "log_every": 1, "schedule": "constant", "sample_every": "null"} | training
    model = {"hidden_size": 12, "embedding_size": 6, "num_layers": 2}
    config = {"corpus": {"path": str(corpus(mode)), "mode": mode}, "model": model, "training": keys}
    file = Path(f"{out}.yaml")
    file.write_text(json.dumps(config).replace('"null"', "null"))
    return ["train", str(file), "--out", out]


def start(*command: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", *command, "--device", "cpu"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


def last_step(run: str) -> int:
    return int(Run.open(run, "cpu").checkpoints.summary("last").step)


@pytest.mark.parametrize("mode", ["stream", "documents"])
def test_workers_make_the_training_of_one_and_it_goes_on_with_any_number_of_them(mode: str) -> None:
    """25 steps are more than an epoch: the last, smaller group of documents leaves a worker without any."""
    keys: dict[str, Any] = {"warmup": None, "activation_penalty": 0.1, "slowness_penalty": 0.1}
    keys |= {"forget": 0.3, "window_deviation": 3.0} if mode == "stream" else {}
    arguments(mode, "one", steps=25, **keys)
    session.train("one.yaml", out="one", device="cpu", quiet=True)
    command = arguments(mode, "two", steps=10, **keys)
    assert finish(start(*command, "--quiet", "--workers", "2")) == (0, "")
    assert last_step("two") == 10
    run = session.resume("two", overrides=["training.steps=17"], device="cpu", quiet=True)
    code, errors = finish(start("train", "--resume", "two", "--set", "training.steps=25", "--quiet", "--workers", "3"))
    assert code == 0, errors
    whole = [json.loads(line) for line in Path("one/metrics.jsonl").read_text().splitlines()]
    expected = {line["step"]: line["loss"] for line in whole if "loss" in line}
    got = {line["step"]: line["loss"] for line in run.history() if "loss" in line}
    assert list(got) == list(range(1, 26))
    for step, loss in got.items():
        assert loss == pytest.approx(expected[step], abs=1e-4), step
    for a, b in zip(Run.open("one").model.parameters(), Run.open("two").model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_workers_run_nothing_that_lies_in_the_current_folder() -> None:
    Path("tqdm.py").write_text("open('planted', 'w')\n")
    command = arguments("stream", "run", steps=2)
    program = "import sys; sys.path.remove(''); from charrnn.cli import main; main()"  # as the script `charrnn` does
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-c", program, *command, "--device", "cpu", "--quiet", "--workers", "2"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert last_step("run") == 2 and not Path("planted").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
def test_a_run_may_have_a_name_that_is_not_utf_8() -> None:
    out = os.fsdecode(b"run\xff")
    assert finish(start(*arguments("stream", "run", steps=1)[:-1], out, "--quiet", "--workers", "2"))[0] == 0
    assert last_step(out) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE=abc: a number from 1"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0: a number from 1"),
        ({"WORLD_SIZE": "2"}, "RANK=: a number from 0 to 1"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK=2: a number from 0 to 1"),
        ({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "-1"}, "LOCAL_RANK=-1: a number"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "MASTER_ADDR"),
    ],
)
def test_variables_that_torchrun_would_not_set_are_told(
    given: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CharrnnError, match=told), joined(CPU, 10):
        pass


THREADS_AFTER_TRAINING = """
from pathlib import Path
from charrnn.training import session
from charrnn.training.distributed import joined

session.train("run.yaml", out="run", device="cpu", quiet=True)
print(*(file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="finds threads in /proc")
def test_no_thread_of_the_group_outlives_it() -> None:
    """One that did could release a tensor while the interpreter ends, and so abort a finished training."""
    arguments("stream", "run", steps=2)
    shared = os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "CHARRNN_RENDEZVOUS": str(Path("met").absolute())}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", THREADS_AFTER_TRAINING],
            env=shared | {"RANK": str(rank)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        threads = worker.stdout.read()
        assert worker.wait(timeout=120) == 0
        assert "python" in threads and "gloo" not in threads


def descendants(process: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(child) for child in children.split()]


def wait_for_steps(run: str, steps: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        file = Path(run) / "metrics.jsonl"
        if file.exists() and len(file.read_text().splitlines()) > steps:
            return
        time.sleep(0.05)
    raise AssertionError("the training did not begin")


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_worker_ends_the_training_and_it_can_go_on(rank: int) -> None:
    command = arguments("stream", "run", steps=1_000_000, checkpoint_every="5 steps", evaluate_every="300 steps")
    process = start(*command, "--workers", "2")
    wait_for_steps("run", 20)
    os.kill(descendants(process)[rank], signal.SIGKILL)
    code, errors = finish(process)
    assert code not in (0, -9)
    assert f"worker {rank} (process" in errors and "SIGKILL" in errors
    assert last_step("run") >= 5
    if rank:
        assert "charrnn train --resume run" in errors
        assert last_step("run") == max(line["step"] for line in Run.open("run").history())
    step = last_step("run")
    resumed = session.resume("run", overrides=[f"training.steps={step + 3}"], device="cpu", quiet=True)
    assert max(line["step"] for line in resumed.history()) == step + 3


def test_signals_reach_all_workers_and_the_time_is_agreed_on() -> None:
    process = start(*arguments("stream", "run", minutes=100.0), "--workers", "2")
    wait_for_steps("run", 5)
    process.send_signal(signal.SIGTERM)
    code, errors = finish(process)
    assert code == 143
    assert "go on with: charrnn train --resume run" in errors.replace(str(Path.cwd()) + "/", "")
    step, seconds = last_step("run"), Run.open("run").checkpoints.summary("last").seconds
    minutes = f"{seconds / 60 + 0.01:.4f}"
    again = start("train", "--resume", "run", "--minutes", minutes, "--workers", "2")
    assert finish(again)[0] == 0
    assert last_step("run") > step
    assert Run.open("run").checkpoints.summary("last").finished


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["training.batch_size=7"], "training.batch_size: 7: a multiple of the 2 workers"),
        (["model.cell=ngram", "model.num_layers=1"], "n-gram counts in one process"),
    ],
)
def test_what_cannot_be_shared_out_is_told_once(changes: list[str], expected: str) -> None:
    command = arguments("stream", "run", steps=1)
    sets = [part for change in changes for part in ("--set", change)]
    code, errors = finish(start(*command, *sets, "--workers", "2"))
    assert code == 2
    assert errors.count(expected) == 1 and "Traceback" not in errors


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5", "", "9999"])
def test_a_number_of_workers_is_a_number(workers: str) -> None:
    with pytest.raises(CharrnnError, match="workers="):
        count_workers(workers)


def batches(mode: str, share: slice) -> Batches:
    ids = np.arange(331) % 9
    if mode == "stream":
        return StreamBatches(Part(ids), 5, 7, 9, 2.0, 1, share)
    ends = np.cumsum(np.arange(23) % 8 + 3)
    return DocumentBatches(Part(ids, np.stack([ends - np.arange(23) % 8 - 3, ends], axis=1)), 5, 7, 9, 3, share)


@given(mode=st.sampled_from(["stream", "documents"]), count=st.integers(1, 7), steps=st.integers(1, 40))
def test_the_shares_make_up_the_whole(mode: str, count: int, steps: int) -> None:
    whole = batches(mode, slice(None))
    shares = [batches(mode, slice(rank, None, count)) for rank in range(count)]
    for _ in range(steps):
        batch = whole.next()
        assert batch.characters == (batch.targets != IGNORE).sum() and batch.columns == batch.inputs.shape[1]
        for rank, own in enumerate(share.next() for share in shares):
            assert (own.characters, own.columns, own.fresh) == (batch.characters, batch.columns, batch.fresh)
            assert np.array_equal(own.inputs, batch.inputs[:, rank::count])
            assert np.array_equal(own.targets, batch.targets[:, rank::count])


@given(rows=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_loss_in_chunks_is_the_whole_loss(rows: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    layer = torch.nn.Linear(6, 11).double()
    features = torch.randn(5, 7, 6, generator=draw, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(11, (5, 7), generator=draw)
    targets[torch.rand(5, 7, generator=draw) < 0.2] = IGNORE
    expected = F.cross_entropy(layer(features).flatten(0, 1).float(), targets.flatten(), reduction="sum")
    torch.autograd.backward(0.5 * expected)
    weights = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
    layer.zero_grad()
    nats, gradient = loss_by_rows(layer, features, targets, 0.5, rows)
    assert torch.allclose(nats, expected.detach())
    assert torch.allclose(gradient, features.grad, atol=1e-6)  # type: ignore[arg-type]
    for own, weight in zip(layer.parameters(), weights, strict=True):
        assert own.grad is not None and torch.allclose(own.grad, weight, atol=1e-6)


@pytest.mark.parametrize("model", [{}, {"bidirectional": True}, {"cell": "mlp"}, {"hidden_size": 8, "embedding_size": 8,
                                   "tie_embedding": True}])  # fmt: skip
@pytest.mark.parametrize("mode", ["stream", "documents"])
def test_the_gradient_is_that_of_the_log_probabilities(model: dict[str, Any], mode: str) -> None:
    """Beside `log_prob`, which evaluation uses, and autograd through all of it."""
    from charrnn.evaluation.likelihood import surprisal

    network = build_model(ModelConfig.model_validate({"hidden_size": 8, "embedding_size": 5} | model), 10)
    batch = batches(mode, slice(None)).next()
    state = network.initial_state(batch.columns)
    nats, _ = surprisal(network, batch, state)
    torch.autograd.backward(nats.sum() / batch.characters)
    expected = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    total, _ = backward(network, batch, state, ActivationPenalty(network, TrainingConfig()))
    assert torch.allclose(total, nats.sum())
    assert expected.keys() == {name for name, p in network.named_parameters() if p.grad is not None}
    for name, p in network.named_parameters():
        assert torch.allclose(p.grad, expected[name], atol=1e-6), name  # type: ignore[arg-type]


@given(lag=st.integers(0, 5), count=st.integers(0, 12))
def test_numbers_arrive_in_order_after_the_lag(lag: int, count: int) -> None:
    numbers, seen = Delayed(CPU, lag), []
    for i in range(count):
        numbers.send(i, torch.tensor([float(i)]))
        seen += list(numbers.receive())
        assert len(seen) == max(0, i + 1 - lag)
    seen += list(numbers.receive(everything=True))
    assert seen == [(i, [float(i)]) for i in range(count)]
