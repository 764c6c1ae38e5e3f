"""Every way through a window gives what the equations of the cells give, forward and backward, for any shape."""

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
from charrnn.cells import cells_with, recurrent_cells
from charrnn.config import ModelConfig
from charrnn.models import build_model, set_dropout_generator, set_kernels
from charrnn.models.base import RecurrentLayer, State
from charrnn.models.fast import kernels, windows
from charrnn.models.gru import GRULayer
from charrnn.models.layers import Dropout
from charrnn.models.lstm import LSTMLayer
from charrnn.models.recurrent import RecurrentModel, Trunk
from charrnn.models.rnn import RNNLayer

LAYERS: dict[str, Callable[[int, int], RecurrentLayer]] = {
    "lstm": LSTMLayer,
    "gru": GRULayer,
    "tanh": lambda D, H: RNNLayer(D, H, "tanh"),
    "relu": lambda D, H: RNNLayer(D, H, "relu"),
}
needs_c = pytest.mark.skipif(
    native.load("cells", openmp=True) is None, reason="no C compiler here: PyTorch computes it, which others test"
)


class Window(nn.Module):
    """One layer, behind the door to speed or by its own `forward`."""

    kernels = "auto"

    def __init__(self, layer: RecurrentLayer) -> None:
        super().__init__()
        self.layer, self.norm, self.dropout = layer, nn.Identity(), Dropout(0.0)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if self.kernels == "plain":
            return self.layer.through(x, state)
        return windows.run(windows.Stack([self.layer], [self.norm], [False], [self.dropout]), x, state)


def everything(module: nn.Module, inputs: Tensor, state: list[Tensor], seed: int) -> list[Tensor]:
    """Outputs, states and all gradients of a random function of them."""
    generator = torch.Generator().manual_seed(seed)
    y, after = module(inputs, tuple(state))
    given = [y, *after]
    loss = torch.stack([(one * torch.randn(one.shape, generator=generator)).sum() for one in given]).sum()
    return [*given, *torch.autograd.grad(loss, [inputs, *state, *module.parameters()])]


def compare(module: Window | Trunk, inputs: Tensor, state: list[Tensor], seed: int, threads: int) -> None:
    """Holds C, and PyTorch's kernels, equal to the plain equations in float64, nearly as far as float32 goes."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        ours = everything(module, inputs, state, seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "usable", lambda *_: False)
            theirs = everything(module, inputs, state, seed)
        module.kernels = "plain"
        plain = everything(module, inputs, state, seed)
        inputs, *state = (one.detach().double().requires_grad_() for one in (inputs, *state))
        exact = everything(module.double(), inputs, state, seed)
    finally:
        torch.set_num_threads(before)
    for in_c, by_pytorch, simple, true in zip(ours, theirs, plain, exact, strict=True):
        # Some functions magnify a rounding error, whoever makes it: a norm of what is nearly 0.
        error = float((simple - true).detach().abs().max())
        allowed = 1e-4 * (1 + float(true.detach().abs().max())) + 10 * error
        torch.testing.assert_close(in_c.double(), true, rtol=0, atol=allowed)
        torch.testing.assert_close(by_pytorch.double(), true, rtol=0, atol=allowed)


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
    seed=st.integers(0, 1000),
)
def test_c_and_pytorch_agree(cell: str, T: int, B: int, D: int, H: int, threads: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    layer = LAYERS[cell](D, H)
    for p in layer.parameters():
        p.data += 0.1 * torch.randn(p.shape, generator=generator)
    x = torch.randn(T, B, D, generator=generator, requires_grad=True)
    state = [torch.randn(B, size, generator=generator, requires_grad=True) for size in layer.state_sizes]
    compare(Window(layer), x, state, seed, threads)


@needs_c
@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
@settings(max_examples=25, deadline=None)
@given(
    T=st.integers(1, 9),
    B=st.integers(1, 17),
    widths=st.sampled_from([(16, 16), (48, 16), (16, 48), (32, 80), (128, 128), (13, 16), (16, 13), (5, 5), (30, 21)]),
    layers=st.integers(1, 4),
    residual=st.booleans(),
    norm=st.sampled_from(["none", "rms", "layer"]),
    dropout=st.sampled_from([{}, {"dropout": 0.5}, {"dropout": 0.5, "locked_dropout": True}, {"output_dropout": 0.5}]),
    tied=st.booleans(),
    threads=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_a_stack_at_once_is_its_layers_one_by_one(
    cell: str,
    T: int,
    B: int,
    widths: tuple[int, int],
    layers: int,
    residual: bool,
    norm: str,
    dropout: dict[str, float],
    tied: bool,
    threads: int,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"embedding_size": widths[0], "hidden_size": widths[1], "num_layers": layers, "tie_embedding": tied}
    config = {"cell": cell, "residual": residual, "norm": norm, **sizes, **dropout}
    trunk = build_model(ModelConfig.model_validate(config), 5, seed=seed).get_submodule("trunk")
    assert isinstance(trunk, Trunk)
    masks = torch.Generator()
    for module in trunk.modules():
        if isinstance(module, Dropout):
            module.generator = masks
    for p in trunk.parameters():
        p.data += 0.1 * torch.randn(p.shape, generator=generator)
    x = torch.randn(T, B, widths[0], generator=generator, requires_grad=True)
    state = [torch.randn(one.shape, generator=generator, requires_grad=True) for one in trunk.initial_state(B, x)]

    def draw_the_same_masks(*_: object) -> None:
        masks.manual_seed(seed)

    trunk.register_forward_pre_hook(draw_the_same_masks)
    compare(trunk, x, state, seed, threads)


@needs_c
@pytest.mark.parametrize("cell", LAYERS)
def test_what_is_no_number_stays_none(cell: str) -> None:
    """An explosion must be seen, not bounded away."""
    layer = LAYERS[cell](16, 16)
    x = torch.full((3, 2, 16), torch.nan)
    y, _ = Window(layer)(x, layer.initial_state(2, x))
    assert y.isnan().all()


@needs_c
@pytest.mark.parametrize("bfloat16", [False, True])
def test_nor_does_it_in_a_stack(bfloat16: bool) -> None:
    config = ModelConfig(cell="mingru", num_layers=2, hidden_size=16, embedding_size=16, residual=True, norm="rms")
    trunk = build_model(config, 5).get_submodule("trunk")
    assert isinstance(trunk, Trunk)
    x = torch.full((3, 2, 16), torch.nan)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        y, _ = trunk(x, trunk.initial_state(2, x))
    assert y.isnan().all()


@pytest.mark.parametrize("native", ["0", "1"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru", "minlstm"])
def test_products_in_bfloat16_are_close(cell: str, native: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if native == "0":
        monkeypatch.setattr(kernels, "usable", lambda *_: False)
    sizes = {"num_layers": 2, "hidden_size": 32, "embedding_size": 32}
    model = build_model(ModelConfig.model_validate({"cell": cell, "residual": True, "norm": "rms", **sizes}), 5)
    ids = torch.randint(0, 5, (6, 3), generator=torch.Generator().manual_seed(0))
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            features, _ = model.features(ids, model.initial_state(3))
        features.float().square().mean().backward()  # type: ignore[no-untyped-call]
        found.append([features.float(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
        model.zero_grad()
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0.1, atol=0.02 * float(one.detach().abs().max()) + 1e-3)


@needs_c
def test_a_graph_is_gone_through_once() -> None:
    layer = LSTMLayer(16, 16)
    y, _ = Window(layer)(torch.randn(2, 1, 16), (torch.zeros(1, 16), torch.zeros(1, 16)))
    loss = y.sum()
    torch.autograd.backward(loss, retain_graph=True)
    with pytest.raises(RuntimeError, match="second forward"):
        torch.autograd.backward(loss)


@pytest.mark.parametrize("cell", recurrent_cells())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "options", [{}, {"dropout": 0.5}, {"residual": True, "norm": "layer"}, {"weight_dropout": 0.5}]
)
def test_every_cell_computes_the_same_by_its_plain_equations(
    cell: str, dtype: torch.dtype, options: dict[str, object]
) -> None:
    """`training.kernels: plain` and `auto`: outputs, states and all gradients, with the same masks drawn."""
    if "weight_dropout" in options and cell not in cells_with("weight_dropout"):
        pytest.skip("it has no recurrent weights")
    sizes = {"hidden_size": 16, "embedding_size": 12, "num_layers": 2}
    model = build_model(ModelConfig.model_validate({"cell": cell, **sizes, **options}), 7, seed=0).to(dtype)
    ids = torch.randint(0, 7, (9, 3), generator=torch.Generator().manual_seed(0))
    found = []
    for kernels_ in ("auto", "plain"):
        set_kernels(model, kernels_)
        set_dropout_generator(model, torch.Generator().manual_seed(1))
        model.zero_grad()
        logits, state = model(ids, model.initial_state(3))
        torch.autograd.backward(logits.square().mean() + torch.stack([s.square().mean() for s in state]).sum())
        found.append([logits, *state, *(p.grad for p in model.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru"])
@pytest.mark.parametrize("size", [16, 21])
def test_and_so_are_its_gradients(cell: str, size: int) -> None:
    sizes = {"hidden_size": size, "embedding_size": size, "num_layers": 2}
    model = build_model(ModelConfig.model_validate({"cell": cell, "residual": True, "norm": "rms", **sizes}), 7, seed=0)
    assert isinstance(model, RecurrentModel)
    ids = torch.randint(0, 7, (8, 3), generator=torch.Generator().manual_seed(0)).t().contiguous().t()
    weights = torch.randn(8, 3, size, generator=torch.Generator().manual_seed(1))
    found = []
    for features, _ in (
        model.features(ids, model.initial_state(3)),
        model.trunk(model.embedding(ids), model.initial_state(3)),
    ):
        model.zero_grad()
        torch.autograd.backward((features * weights).sum())
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert len(found[0]) == len(list(model.parameters())) - 2  # the output's
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-4, atol=1e-4, msg=name)


def test_without_a_compiler_everything_goes_on(tmp_path: Path) -> None:
    code = (
        "import torch; from charrnn import native; from charrnn.config import ModelConfig;"
        "from charrnn.models import build_model; model = build_model(ModelConfig(hidden_size=3), 5);"
        "print(native.load('cells', openmp=True));"
        "print(model(torch.zeros(4, 1, dtype=torch.long), model.initial_state(1))[0].shape)"
    )
    for broken in ({"CC": "/nonexistent/cc"}, {"CC": "false"}, {"CHARRNN_NATIVE": "0"}):
        environment = os.environ | {"CHARRNN_CACHE": str(tmp_path)} | broken
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert done.stdout.splitlines() == ["None", "torch.Size([4, 1, 5])"], done.stderr
