"""What a GPU computes is what the CPU computes. Skipped where PyTorch has no CUDA device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import charrnn
from charrnn.cells import CELLS
from charrnn.config import ModelConfig
from charrnn.models import LanguageModel, Mixture, NGramModel, build_model
from charrnn.models.fast.scan import doubling, loop, recurrence, scan
from charrnn.run import Run
from charrnn.text.dataset import Part

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

GPU = "cuda"
VOCAB = 11
VARIANTS: dict[str, dict[str, object]] = {
    **{cell: {"cell": cell} for cell in CELLS},
    "rnn-relu": {"cell": "rnn", "activation": "relu"},
    "deep": {"cell": "lstm", "input_layers": 1, "num_layers": 2, "output_layers": 1, "norm": "layer"},
    "tied": {"cell": "gru", "num_layers": 2, "tie_embedding": True, "embedding_size": 7},
    "residual": {"cell": "mingru", "num_layers": 3, "residual": True, "norm": "rms", "embedding_size": 7},
    "mixture": {"cell": "lstm", "ngram": {"order": 4}},
}
TEXT = "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。\nto be, or not to be: that is the question.\n" * 60


def close(a: Tensor, b: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(a.detach().cpu(), b.detach().cpu(), rtol=tolerance, atol=tolerance)


@pytest.fixture(autouse=True)
def whole_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN's recurrences round what they multiply to 10 bits unless they are told not to."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def ids(time: int, batch: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, VOCAB, (time, batch)))


def built(variant: str, device: str, dtype: torch.dtype = torch.float64) -> LanguageModel:
    config = ModelConfig.model_validate({"hidden_size": 7, "embedding_size": 5} | VARIANTS[variant])
    model = build_model(config, VOCAB, seed=1).to(dtype).eval()
    ngram = model.ngram if isinstance(model, Mixture) else model
    if isinstance(ngram, NGramModel):
        ngram.fit(Part(ids(500, 1, seed=9)[:, 0].numpy()))
    return model.to(device)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_and_gradients_are_those_of_the_cpu(variant: str, dtype: torch.dtype) -> None:
    tolerance = 1e-9 if dtype == torch.float64 else 2e-4
    sides = [built(variant, device, dtype) for device in ("cpu", GPU)]
    x, y = ids(33, 3), ids(33, 3, seed=5)
    outs = [model(x.to(model_device(model)), model.initial_state(3)) for model in sides]
    close(outs[0][0], outs[1][0], tolerance)
    for a, b in zip(outs[0][1], outs[1][1], strict=True):
        close(a, b, tolerance)
    if not any(weight.requires_grad for weight in sides[0].parameters()):
        return
    for logits, _ in outs:
        torch.autograd.backward(F.cross_entropy(logits.flatten(0, 1), y.to(logits.device).flatten()))
    for a, b in zip(sides[0].parameters(), sides[1].parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None and b.grad is not None:
            close(a.grad, b.grad, tolerance)


def model_device(model: LanguageModel) -> torch.device:
    return next(iter([*model.parameters(), *model.buffers()])).device


@pytest.mark.parametrize("T", [1, 2, 31, 64, 257])
def test_the_scan_on_the_device_is_the_loop(T: int) -> None:
    random = torch.Generator().manual_seed(T)
    f, v = (torch.rand(T, 4, 9, generator=random) for _ in "fv")
    h = torch.rand(4, 9, generator=random)
    close(scan(f, v, h), scan(f.to(GPU), v.to(GPU), h.to(GPU)), 1e-5)
    for way in (doubling, recurrence):
        close(loop(f, v), way(f.to(GPU), v.to(GPU)), 1e-5)


TRAININGS: dict[str, dict[str, object]] = {
    "lstm": {"cell": "lstm", "num_layers": 2},
    "gru-mixture": {"cell": "gru", "ngram": {"order": 4}},
    "mingru": {"cell": "mingru", "num_layers": 3, "residual": True, "norm": "rms", "dropout": 0.1, "ngram": {}},
    "slstm": {"cell": "slstm"},
    "bidirectional": {"cell": "lstm", "bidirectional": True},
    "mlp": {"cell": "mlp"},
}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", TRAININGS)
def test_training_on_the_device_gives_what_the_cpu_gives(
    name: str, precision: str, optimizer: str, tmp_path: Path
) -> None:
    """The bits of both trainings are close, and the run of one device is used on the other."""
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    keys = {
        "corpus": {"path": str(tmp_path / "text.txt")},
        "model": {"hidden_size": 24, "embedding_size": 24} | TRAININGS[name],
        "training": {
            "steps": 60,
            "batch_size": 8,
            "window": 32,
            "learning_rate": 0.01,
            "precision": precision,
            "optimizer": optimizer,
        },
    }
    config = charrnn.Config.model_validate(keys)
    here = charrnn.train(config, out=tmp_path / "here", device="cpu", quiet=True)
    there = charrnn.train(config, out=tmp_path / "there", device=GPU, quiet=True)
    bits = there.evaluate().bits_per_char
    assert bits == pytest.approx(here.evaluate().bits_per_char, rel=0.1, abs=0.05)
    assert Run.open(there.path, "cpu").evaluate().bits_per_char == pytest.approx(bits, rel=1e-3)
    if name != "bidirectional":
        assert len(there.sample("月", length=40, samples=3, seed=1)[0].text) == 41
        assert there.sample("月", length=40, seed=1) == there.sample("月", length=40, seed=1)
    longer = charrnn.resume(there.path, overrides=["training.steps=80"], device=GPU, quiet=True)
    assert longer.history()[-1]["step"] == 80


def test_what_is_compressed_on_the_device_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("constriction")
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    keys = {
        "corpus": {"path": str(tmp_path / "text.txt")},
        "model": {"hidden_size": 16, "embedding_size": 8},
        "training": {"steps": 20, "batch_size": 8, "window": 32},
    }
    run = charrnn.train(charrnn.Config.model_validate(keys), out=tmp_path / "run", device=GPU, quiet=True)
    data = "疑是地上霜 to be\n".encode() * 20
    assert run.decompress(run.compress(data)) == data
