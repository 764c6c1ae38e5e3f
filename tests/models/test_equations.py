"""Each recurrence against a transcription of the published equations in NumPy, one number at a time, in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from charrnn.cells import recurrent_cells
from charrnn.config import ModelConfig
from charrnn.models import build_model
from charrnn.models.base import RecurrentLayer
from charrnn.models.gru import GRULayer
from charrnn.models.lstm import LSTMLayer
from charrnn.models.minimal import MinGRULayer, MinLSTMLayer
from charrnn.models.rnn import RNNLayer
from charrnn.models.slstm import SLSTMLayer

Vector = npt.NDArray[np.float64]
D, H, T, B = 3, 4, 6, 2


def sigma(x: Vector) -> Vector:
    return 1 / (1 + np.exp(-x))


def rnn(layer: RecurrentLayer, x: Vector, state: list[Vector]) -> tuple[Vector, list[Vector]]:
    p = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    a = p["U"] @ x + p["W"] @ state[0] + p["b"]
    h = np.tanh(a) if layer.activation == "tanh" else np.maximum(a, 0)
    return h, [h]


def lstm(layer: RecurrentLayer, x: Vector, state: list[Vector]) -> tuple[Vector, list[Vector]]:
    p = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    U, W, b = (np.split(p[name], 4) for name in ("U", "W", "b"))
    h, c = state
    i = sigma(U[0] @ x + W[0] @ h + b[0])
    f = sigma(U[1] @ x + W[1] @ h + b[1])
    g = np.tanh(U[2] @ x + W[2] @ h + b[2])
    o = sigma(U[3] @ x + W[3] @ h + b[3])
    c = f * c + i * g
    return o * np.tanh(c), [o * np.tanh(c), c]


def gru(layer: RecurrentLayer, x: Vector, state: list[Vector]) -> tuple[Vector, list[Vector]]:
    p = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    U, W, b = (np.split(p[name], 3) for name in ("U", "W", "b"))
    (h,) = state
    r = sigma(U[0] @ x + W[0] @ h + b[0])
    z = sigma(U[1] @ x + W[1] @ h + b[1])
    n = np.tanh(U[2] @ x + b[2] + r * (W[2] @ h + p["c"]))
    h = (1 - z) * n + z * h
    return h, [h]


def slstm(layer: RecurrentLayer, x: Vector, state: list[Vector]) -> tuple[Vector, list[Vector]]:
    """Without the stabiliser: c and n are e^m times those of the layer."""
    p = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    U, W, b = (np.split(p[name], 4) for name in ("U", "W", "b"))
    h, c, n, m = state
    z = np.tanh(U[0] @ x + W[0] @ h + b[0])
    i = np.exp(U[1] @ x + W[1] @ h + b[1])
    f = sigma(U[2] @ x + W[2] @ h + b[2])
    o = sigma(U[3] @ x + W[3] @ h + b[3])
    c = f * c * np.exp(m) + i * z
    n = f * n * np.exp(m) + i
    m = np.maximum(np.log(f) + m, np.log(i))
    return o * c / n, [o * c / n, c / np.exp(m), n / np.exp(m), m]


def minimal(layer: RecurrentLayer, x: Vector, state: list[Vector]) -> tuple[Vector, list[Vector]]:
    p = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    h, last = state
    gates = p["W.weight"] @ np.concatenate([last, x]) + p["W.bias"]
    v, r, f = (gates[k * H : (k + 1) * H] for k in range(3))
    forget, write = sigma(f), 1 - sigma(f)
    if isinstance(layer, MinLSTMLayer):
        i = sigma(gates[3 * H :])
        forget, write = sigma(f) / (sigma(f) + i), i / (sigma(f) + i)
    h = forget * h + write * v
    return p["out.weight"] @ (h * r * sigma(r)), [h, x]


CASES = {
    "tanh": (RNNLayer(D, H), rnn),
    "relu": (RNNLayer(D, H, "relu"), rnn),
    "lstm": (LSTMLayer(D, H), lstm),
    "gru": (GRULayer(D, H), gru),
    "slstm": (SLSTMLayer(D, H), slstm),
    "mingru": (MinGRULayer(D, H), minimal),
    "minlstm": (MinLSTMLayer(D, H), minimal),
}


@pytest.mark.parametrize(("layer", "equations"), CASES.values(), ids=CASES)
def test_forward_and_step_follow_the_equations(layer: RecurrentLayer, equations) -> None:  # type: ignore[no-untyped-def]
    layer = layer.double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    before, x = torch.randn(2, T, B, D, generator=generator, dtype=torch.float64)
    _, state = layer(before, layer.initial_state(B, before))
    state = tuple(tensor.detach() for tensor in state)
    outputs, after = layer(x, state)
    stepped = state
    expected = [[s[b].numpy() for s in state] for b in range(B)]
    for t in range(T):
        y, stepped = layer.step(x[t], stepped)
        for b in range(B):
            output, expected[b] = equations(layer, x[t, b].numpy(), expected[b])
            np.testing.assert_allclose(outputs[t, b].detach().numpy(), output, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(y[b].detach().numpy(), output, rtol=1e-10, atol=1e-10)
    for b in range(B):
        for one, other, numbers in zip(after, stepped, expected[b], strict=True):
            np.testing.assert_allclose(one[b].detach().numpy(), numbers, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(other[b].detach().numpy(), numbers, rtol=1e-10, atol=1e-10)


def test_initial_weights() -> None:
    eye = np.eye(H)
    for W in (
        RNNLayer(D, H).W.detach().chunk(1) + LSTMLayer(D, H).W.detach().chunk(4) + GRULayer(D, H).W.detach().chunk(3)
    ):
        np.testing.assert_allclose((W @ W.T).numpy(), eye, atol=1e-5)
    np.testing.assert_array_equal(RNNLayer(D, H, "relu").W.detach().numpy(), eye)
    b = LSTMLayer(D, H).b.detach().numpy()
    np.testing.assert_array_equal(b, np.repeat([0.0, 1.0, 0.0, 0.0], H))
    np.testing.assert_array_equal(RNNLayer(D, H, "tanh", "identity").W.detach().numpy(), eye)
    W = RNNLayer(D, H, "relu", "orthogonal").W.detach()
    np.testing.assert_allclose((W @ W.T).numpy(), eye, atol=1e-5)
    assert RNNLayer(D, 400, "relu", "gaussian").W.std().item() == pytest.approx(1 / 20, rel=0.05)


@pytest.mark.parametrize("longest", [3, 50, 1000])
def test_chrono_begins_with_memories_of_all_lengths(longest: int) -> None:
    i, f, g, o = LSTMLayer(D, 2000, "chrono", longest).b.detach().chunk(4)
    torch.testing.assert_close(i, -f)
    assert not g.any() and not o.any()
    lengths = 1 / (1 - torch.sigmoid(f.double()))  # the time after which 1/e of it is left, nearly
    assert lengths.min() + 1e-4 >= 2 and lengths.max() <= longest + 1e-3
    assert lengths.mean().item() == pytest.approx((2 + longest) / 2, rel=0.05)  # uniform


def test_every_recurrent_cell_has_its_equations_here() -> None:
    transcribed = {type(layer) for layer, _ in CASES.values()}
    for cell in recurrent_cells():
        model = build_model(ModelConfig.model_validate({"cell": cell, "hidden_size": H, "embedding_size": D}), 5)
        assert {type(layer) for layer in model.modules() if isinstance(layer, RecurrentLayer)} <= transcribed, cell
