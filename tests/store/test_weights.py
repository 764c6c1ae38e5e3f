"""A checkpoint whose checksums are right may still be a stranger's: what it holds is compared before it is used."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import charrnn
from charrnn.errors import CharrnnError
from charrnn.generation.fill import Filler
from charrnn.run import Run
from charrnn.training.session import resume

CONFIG: dict[str, Any] = {
    "model": {"hidden_size": 8, "embedding_size": 8, "tie_embedding": True},
    "training": {"steps": 4, "batch_size": 4, "window": 8, "sample_every": None},
}


def train(folder: Path, **model: Any) -> Run:
    (folder / "text.txt").write_text("to be, or not to be, that is the question. " * 60, encoding="utf-8")
    config = CONFIG | {"corpus": {"path": str(folder / "text.txt")}} | ({"model": model} if model else {})
    return charrnn.train(charrnn.Config.model_validate(config), out=folder / "run", quiet=True, device="cpu")


def newest(run: Run) -> Path:
    return max((run.path / "checkpoints").glob("step-*"))


def sign(folder: Path) -> None:
    """Makes the manifest fit the files, as a stranger would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        raw = (folder / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refused(run: Run, match: str, going_on: bool = False) -> None:
    for folder in (run.path / "checkpoints").glob("step-*"):
        sign(folder)
    with pytest.raises(CharrnnError, match=match):
        if going_on:
            resume(run.path, overrides=["training.steps=9"], quiet=True, device="cpu")
        else:
            charrnn.load(run.path, "cpu").sample("to", length=2)


def test_tied_weights_are_one_tensor_again(tmp_path: Path) -> None:
    model = charrnn.load(train(tmp_path).path, "cpu").model
    assert model.get_parameter("output.weight") is model.get_parameter("embedding.weight")
    assert all(not tensor.is_meta for tensor in model.state_dict().values())


def rewrite(run: Run, name: str, change: Any) -> None:
    for folder in (run.path / "checkpoints").glob("step-*"):
        tensors = load_file(folder / name)
        change(tensors)
        save_file(tensors, folder / name)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t["output.bias"].fill_(float("nan")), "output.bias: holds numbers that are not finite"),
        (lambda t: t.update(extra=torch.zeros(1)), "model in config.yaml: extra"),
        (lambda t: t.pop("output.bias"), "model in config.yaml: output.bias is missing"),
        (lambda t: t.update({"output.bias": torch.zeros(3)}), "model in config.yaml: output.bias has the shape"),
        (
            lambda t: t.update({"output.bias": t["output.bias"].double()}),
            "model in config.yaml: output.bias is float64",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, change: Any, match: str) -> None:
    run = train(tmp_path)
    rewrite(run, "model.safetensors", change)
    refused(run, match)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("native", ["0", "1"])
def test_finite_weights_that_give_no_numbers_give_no_result(
    tmp_path: Path, native: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_NATIVE", native)
    run = train(tmp_path)
    rewrite(run, "model.safetensors", lambda t: [t[name].fill_(3e38) for name in t])
    for folder in (run.path / "checkpoints").glob("step-*"):
        sign(folder)
    run = charrnn.load(run.path, "cpu")
    text = tmp_path / "text.txt"
    for what in (
        lambda: run.sample("to", length=2),
        lambda: list(run.stream("to", length=2)),
        lambda: run.evaluate(),
        lambda: run.evaluate(dynamic=1e-4),
        lambda: run.score(text),
        lambda: run.compress(text.read_bytes()),
        lambda: Filler(run.model, run.vocabulary, run.is_documents).fill([0, None]),
    ):
        with pytest.raises(CharrnnError, match="gives no numbers"):
            what()


def test_a_config_that_asks_for_more_than_the_file_holds_takes_no_memory(tmp_path: Path) -> None:
    run = train(tmp_path)
    file = run.path / "config.yaml"
    file.write_text(file.read_text().replace("_size: 8\n", "_size: 65536\n"))
    refused(run, "are not those of the model in config.yaml")


@pytest.mark.parametrize("size", [0, 10**8, 2**63, 2**64 - 1])
def test_a_header_that_claims_any_size_is_refused(tmp_path: Path, size: int) -> None:
    run = train(tmp_path)
    for folder in (run.path / "checkpoints").glob("step-*"):
        file = folder / "model.safetensors"
        file.write_bytes(struct.pack("<Q", size) + file.read_bytes()[8:])
    refused(run, "model.safetensors: cannot be loaded")


def test_weights_that_were_never_written_are_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path)
    for folder in (run.path / "checkpoints").glob("step-*"):
        with (folder / "model.safetensors").open("r+b") as stream:
            stream.truncate(10**7)
    refused(run, "no whole checkpoint is left")
    assert "hardly any of its 10,000,000 bytes" in capsys.readouterr().err


def test_weights_are_loaded_where_there_is_memory_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train(tmp_path)
    monkeypatch.setattr("charrnn.memory.available", lambda: 0)
    refused(run, r"model\.safetensors: it would take .* GB of memory")
    with pytest.raises(CharrnnError, match=r"model\.safetensors: it would take .* GB of memory"):
        run.evaluate()


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E8M0", "F4", "I128", 7, None])
def test_types_that_no_checkpoint_has_are_refused(tmp_path: Path, dtype: Any) -> None:
    run = train(tmp_path)
    for folder in (run.path / "checkpoints").glob("step-*"):
        file = folder / "model.safetensors"
        raw = file.read_bytes()
        (size,) = struct.unpack_from("<Q", raw)
        header = json.loads(raw[8 : 8 + size])
        header["output.bias"]["dtype"] = dtype
        changed = json.dumps(header).encode()
        file.write_bytes(struct.pack("<Q", len(changed)) + changed + raw[8 + size :])
    refused(run, "output.bias is .*, which nothing in a checkpoint is")
    with pytest.raises(CharrnnError, match="which nothing in a checkpoint is"):
        charrnn.load(run.path, "cpu").evaluate()


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["keys_2"].fill_(5),
        lambda t: t.update(own_2=torch.zeros(1, dtype=torch.float64)),
        lambda t: t.update(gamma_3=torch.ones(10**5, dtype=torch.float64)),
        lambda t: t["own_3"].fill_(-1),
        lambda t: t["p_1"].fill_(0),
    ],
)
def test_tables_of_an_n_gram_that_do_not_belong_together_are_refused(tmp_path: Path, change: Any) -> None:
    run = train(tmp_path, cell="ngram", order=3)
    rewrite(run, "model.safetensors", change)
    refused(run, "are not those of the model")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("step", "4", "step"),
        ("seconds", -1.0, "seconds"),
        ("best", float("nan"), "NaN is no finite number"),
        ("position", {"epoch": 0, "group": 0, "offset": 10**12}, "no such place in its text"),
        ("position", {"epoch": 0, "group": 0, "offset": -1}, "position.offset"),
        ("rate_factor", 1e9, "rate_factor"),
    ],
)
def test_a_state_that_cannot_be_is_refused(tmp_path: Path, key: str, value: Any, match: str) -> None:
    run = train(tmp_path)
    for folder in (run.path / "checkpoints").glob("step-*"):
        file = folder / "state.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    refused(run, match, going_on=True)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.update({"carried.0": torch.zeros(4, 9)}), "carried"),
        (lambda t: t.pop("carried.1", None), "carried"),
        (lambda t: t.update({"optimizer.0.exp_avg": torch.zeros(3)}), "optimizer's exp_avg"),
        (lambda t: t.update({"optimizer.x.exp_avg": torch.zeros(3)}), "not a checkpoint of this training"),
    ],
)
def test_a_memory_of_another_form_is_refused(tmp_path: Path, change: Any, match: str) -> None:
    run = train(tmp_path)
    rewrite(run, "training.safetensors", change)
    refused(run, match, going_on=True)


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "vocab.json"])
def test_a_link_to_what_never_ends_is_not_read(tmp_path: Path, name: str) -> None:
    run = train(tmp_path)
    (run.path / name).unlink()
    (run.path / name).symlink_to("/dev/zero")
    refused(run, "not a (file|run)")


@pytest.mark.parametrize(
    ("key", "value"), [("mode", "stream\x1b[2J"), ("parameters", "many"), ("characters", {}), ("vocabulary", [{}])]
)
def test_facts_of_another_type_are_named(tmp_path: Path, key: str, value: Any) -> None:
    run = train(tmp_path)
    file = run.path / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    refused(run, f"run.json: {key}")


def test_lines_of_metrics_that_no_training_writes_are_left_out(tmp_path: Path) -> None:
    run = train(tmp_path)
    before = run.history()
    with (run.path / "metrics.jsonl").open("a") as file:
        for line in (
            '{"step": 5}',
            '{"step": "x"}',
            "[" * 9000,
            '{"step": 5, "minutes": NaN, "epochs": 1}',
            "\x00" * 20_000,
        ):
            file.write(line + "\n")
    assert run.history() == before
