"""The recurrences in C give what PyTorch gives, forward and backward, for any shape."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from charrnn import native
from charrnn.config import ModelConfig
from charrnn.models import build_model, kernels
from charrnn.models.base import RecurrentLayer
from charrnn.models.gru import GRULayer
from charrnn.models.lstm import LSTMLayer
from charrnn.models.minimal import MinGRULayer, MinLSTMLayer
from charrnn.models.rnn import RNNLayer

LAYERS: dict[str, Callable[[int, int], RecurrentLayer]] = {
    "lstm": LSTMLayer,
    "gru": GRULayer,
    "tanh": lambda D, H: RNNLayer(D, H, "tanh"),
    "relu": lambda D, H: RNNLayer(D, H, "relu"),
    "mingru": MinGRULayer,
    "minlstm": MinLSTMLayer,
}
needs_c = pytest.mark.skipif(
    native.load("cells", openmp=True) is None, reason="no C compiler here: PyTorch computes it, which others test"
)


def everything(layer: RecurrentLayer, norm: nn.Module, inputs: Tensor, state: list[Tensor], seed: int) -> list[Tensor]:
    """Outputs, states and all gradients of a random function of them."""
    generator = torch.Generator().manual_seed(seed)
    x, y, after = layer.behind(norm, inputs, tuple(state))
    given = [x, y, *after]
    loss = torch.stack([(one * torch.randn(one.shape, generator=generator)).sum() for one in given]).sum()
    leaves = [inputs, *state, *layer.parameters(), *norm.parameters()]
    return [*given, *torch.autograd.grad(loss, leaves)]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
@pytest.mark.parametrize("name", sorted(file.stem for file in native.SOURCES.glob("*.c")))
def test_with_a_compiler_all_of_the_c_is_to_be_had(name: str) -> None:
    assert native.load(name) is not None


@needs_c
@pytest.mark.parametrize("cell", LAYERS)
@settings(max_examples=25, deadline=None)
@given(
    T=st.integers(1, 9),
    B=st.integers(1, 17),
    D=st.sampled_from([3, 16, 48]),
    H=st.sampled_from([1, 13, 16, 32, 80, 128]),
    threads=st.integers(1, 3),
    norm=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_c_and_pytorch_agree(cell: str, T: int, B: int, D: int, H: int, threads: int, norm: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    layer = LAYERS[cell](D, H)
    for p in layer.parameters():
        p.data += 0.1 * torch.randn(p.shape, generator=generator)
    x = torch.randn(T, B, D, generator=generator, requires_grad=True)
    state = [torch.randn(B, size, generator=generator, requires_grad=True) for size in layer.state_sizes]
    normalise = nn.RMSNorm(D) if norm else nn.Identity()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        ours = everything(layer, normalise, x, state, seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "usable", lambda *_: False)
            theirs = everything(layer, normalise, x, state, seed)
    finally:
        torch.set_num_threads(before)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * (1 + float(other.detach().abs().max())))


@needs_c
@pytest.mark.parametrize("cell", LAYERS)
def test_what_is_no_number_stays_none(cell: str) -> None:
    """An explosion must be seen, not bounded away."""
    layer = LAYERS[cell](16, 16)
    x = torch.full((3, 2, 16), torch.nan)
    _, y, _ = layer.behind(nn.Identity(), x, tuple(torch.zeros(2, size) for size in layer.state_sizes))
    assert y.isnan().all()


@needs_c
def test_a_graph_is_gone_through_once() -> None:
    layer = LSTMLayer(16, 16)
    y, _ = layer(torch.randn(2, 1, 16), (torch.zeros(1, 16), torch.zeros(1, 16)))
    loss = y.sum()
    torch.autograd.backward(loss, retain_graph=True)
    with pytest.raises(RuntimeError, match="second forward"):
        torch.autograd.backward(loss)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru"])
@pytest.mark.parametrize("norm", ["none", "rms", "layer"])
def test_an_alphabet_looked_up_is_the_text_embedded(cell: str, norm: str) -> None:
    """Short windows embed each place, long ones each character of the alphabet once."""
    sizes = {"hidden_size": 16, "embedding_size": 16, "num_layers": 2, "input_layers": 1}
    config = ModelConfig.model_validate({"cell": cell, "norm": norm, "residual": True, **sizes})
    model = build_model(config, 7, seed=0)
    ids = torch.randint(0, 7, (8, 3), generator=torch.Generator().manual_seed(0))
    looked_up, state = model(ids, model.initial_state(3))
    embedded, others = [], model.initial_state(3)
    for t in range(0, 8, 2):  # 6 places are fewer than 7 characters
        logits, others = model(ids[t : t + 2], others)
        embedded.append(logits)
    torch.testing.assert_close(looked_up, torch.cat(embedded), rtol=1e-4, atol=1e-5)
    for one, other in zip(state, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_without_a_compiler_everything_goes_on(tmp_path: Path) -> None:
    code = (
        "import torch; from charrnn import native; from charrnn.models.lstm import LSTMLayer;"
        "print(native.load('cells', openmp=True));"
        "print(LSTMLayer(2, 3)(torch.zeros(4, 1, 2), (torch.zeros(1, 3), torch.zeros(1, 3)))[0].shape)"
    )
    for broken in ({"CC": "/nonexistent/cc"}, {"CC": "false"}, {"CHARRNN_NATIVE": "0"}):
        environment = os.environ | {"CHARRNN_CACHE": str(tmp_path)} | broken
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert done.stdout.splitlines() == ["None", "torch.Size([4, 1, 3])"], done.stderr
