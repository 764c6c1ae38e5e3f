"""Computes a window of text through a stack of recurrences in the fastest way there is.

1. If there is a compiler, a whole stack of minGRU or minLSTM is one operation in C.
2. If there is a compiler, an rnn, lstm or gru is one operation in C.
3. Otherwise rnn, lstm and gru use PyTorch's kernels (on CUDA those of cuDNN); minGRU and minLSTM use matrix products
   and a scan.
4. Any other cell uses its own `forward`.

Each way gives the results of the layer's own `forward`, up to rounding, as a test checks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models.base import RecurrentLayer, State
from charrnn.models.fast import kernels, parallel
from charrnn.models.fast.scan import scan
from charrnn.models.gru import GRULayer
from charrnn.models.layers import Dropout
from charrnn.models.lstm import LSTMLayer
from charrnn.models.minimal import MinGRULayer, MinLSTMLayer
from charrnn.models.rnn import RNNLayer


class Stack(NamedTuple):
    """Recurrences one after the other. Each maps x to x + dropout(layer(norm(x))); without a residual connection, to
    dropout(layer(norm(x))).
    """

    layers: Sequence[RecurrentLayer]
    norms: Sequence[nn.Module]
    residual: Sequence[bool]
    dropouts: Sequence[Dropout]


def alphabet(embedding: nn.Embedding) -> Tensor:
    """The vector of every character, `[V, E]`, in which `run` looks up.

    All that depends only on the character, up to the first layer's U x, is then computed once for each character
    instead of once for each place.
    """
    return embedding(torch.arange(embedding.num_embeddings, device=embedding.weight.device))


def run(stack: Stack, x: Tensor, state: State, ids: Tensor | None = None) -> tuple[Tensor, State]:
    """x `[T, B, D]` and a state through all layers to `[T, B, H]` and the new state.

    With ids `[T, B]`, x holds the vectors of the alphabet, `[V, D]`.
    """
    if _as_one(stack, x):
        return _stack(stack, x if ids is None else kernels.look_up(x, ids), state)
    projected = None
    if ids is not None:
        projected = _project(stack.layers[0], stack.norms[0](x))
        if projected is None or stack.residual[0]:
            x = kernels.look_up(x, ids)
    rest: list[Tensor] = list(state)
    after: State = ()
    for layer, norm, residual, drop in zip(*stack, strict=True):
        own = tuple(rest.pop(0) for _ in layer.state_sizes)
        if projected is None:
            y, own = _layer(layer, norm(x), own)
        else:  # the first layer, whose kernel does the look-up
            y, own = IN_C[type(layer)](layer, projected, own, ids)
            projected = None
        x = x + drop(y) if residual else drop(y)
        after += own
    return x, after


def _as_one(stack: Stack, x: Tensor) -> bool:
    """Whether the C can compute the whole stack at once. It cannot where a hook needs the output of a layer."""
    return (
        all(type(layer) in (MinGRULayer, MinLSTMLayer) for layer in stack.layers)
        and all(isinstance(norm, (nn.RMSNorm, nn.Identity)) for norm in stack.norms)
        and not any(dropout._forward_hooks for dropout in stack.dropouts)
        and parallel.usable(x)
    )


def _stack(stack: Stack, x: Tensor, state: State) -> tuple[Tensor, State]:
    """x `[T, B, D]` and a state through all blocks of minGRU or minLSTM at once, to `[T, B, H]` and the new state."""
    blocks = []
    layers = [layer for layer in stack.layers if isinstance(layer, MinGRULayer)]
    for layer, norm, residual, dropout in zip(layers, *stack[1:], strict=True):
        output = x.new_empty(*x.shape[:2], layer.hidden_size)
        weights = (layer.W.weight, layer.W.bias, layer.out.weight, getattr(norm, "weight", None))
        blocks.append(parallel.Block(*weights, residual, dropout.mask(output)))
    return parallel.stack(x, blocks, state)


def _layer(layer: RecurrentLayer, x: Tensor, state: State) -> tuple[Tensor, State]:
    """x `[T, B, D]` and a state through one layer, in its fastest way, to `[T, B, H]` and the new state."""
    projected = _project(layer, x)
    if projected is not None:
        return IN_C[type(layer)](layer, projected, state, None)
    by_pytorch = BY_PYTORCH.get(type(layer))
    return layer.through(x, state) if by_pytorch is None else by_pytorch(layer, x, state)


def _project(layer: RecurrentLayer, x: Tensor) -> Tensor | None:
    """U x `[..., gates * H]`, the input of the C; None where there is no C for this layer or this x."""
    if type(layer) not in IN_C or not kernels.usable(x):
        return None
    return kernels.project(x, layer.get_parameter("U"))


def _rnn_c(layer: RNNLayer, projected: Tensor, state: State, ids: Tensor | None) -> tuple[Tensor, State]:
    W = layer.drop_weights(layer.W)
    y = kernels.rnn(projected, ids, layer.b, W, state[0], layer.activation == "relu")
    return y, (y[-1],)


def _by_pytorch(kernel: Any, layer: Any, x: Tensor, state: Any, inside: Tensor | None = None) -> tuple[Tensor, ...]:
    """The outputs of one of PyTorch's kernels. `inside` is the bias that is added to W h; none by default."""
    inside = torch.zeros_like(layer.b) if inside is None else inside
    weights = [layer.U, layer.drop_weights(layer.W), layer.b, inside]
    with warnings.catch_warnings():
        # The optimizer holds the weights in an order of its own. cuDNN copies them once a window, and warns of it.
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        # cuDNN keeps what a gradient needs only where it is told that it trains. There is no dropout in the kernel.
        outputs: tuple[Tensor, ...] = kernel(x, state, weights, True, 1, 0.0, torch.is_grad_enabled(), False, False)
    return outputs


def _rnn_pytorch(layer: RNNLayer, x: Tensor, state: State) -> tuple[Tensor, State]:
    kernel = torch.rnn_tanh if layer.activation == "tanh" else torch.rnn_relu
    y, h = _by_pytorch(kernel, layer, x, state[0][None].contiguous())
    return y, (h[0],)


def _lstm_c(layer: LSTMLayer, projected: Tensor, state: State, ids: Tensor | None) -> tuple[Tensor, State]:
    y, c = kernels.lstm(projected, ids, layer.b, layer.drop_weights(layer.W), *state)
    return y, (y[-1], c)


def _lstm_pytorch(layer: LSTMLayer, x: Tensor, state: State) -> tuple[Tensor, State]:
    h, c = (tensor[None].contiguous() for tensor in state)
    y, h, c = _by_pytorch(torch.lstm, layer, x, (h, c))
    return y, (h[0], c[0])


def _gru_c(layer: GRULayer, projected: Tensor, state: State, ids: Tensor | None) -> tuple[Tensor, State]:
    y = kernels.gru(projected, ids, layer.b, layer.drop_weights(layer.W), layer.c, *state)
    return y, (y[-1],)


def _gru_pytorch(layer: GRULayer, x: Tensor, state: State) -> tuple[Tensor, State]:
    inside = torch.cat([torch.zeros_like(layer.b[: -len(layer.c)]), layer.c])
    y, h = _by_pytorch(torch.gru, layer, x, state[0][None].contiguous(), inside)
    return y, (h[0],)


def _minimal_pytorch(layer: MinGRULayer, x: Tensor, state: State) -> tuple[Tensor, State]:
    h, last = state
    v, r, f = layer.gates(torch.cat([torch.cat([last[None], x[:-1]]), x], dim=-1))
    states = scan(f, v, h)
    return layer.out(states * F.silu(r)), (states[-1], x[-1])


IN_C: dict[type[RecurrentLayer], Callable[[Any, Tensor, State, Tensor | None], tuple[Tensor, State]]] = {
    RNNLayer: _rnn_c,
    LSTMLayer: _lstm_c,
    GRULayer: _gru_c,
}
"""Functions that take U x `[T, B, gates * H]` and overwrite it, or with ids `[T, B]` U x of all characters,
`[V, gates * H]`."""
BY_PYTORCH: dict[type[RecurrentLayer], Callable[[Any, Tensor, State], tuple[Tensor, State]]] = {
    RNNLayer: _rnn_pytorch,
    LSTMLayer: _lstm_pytorch,
    GRULayer: _gru_pytorch,
    MinGRULayer: _minimal_pytorch,
    MinLSTMLayer: _minimal_pytorch,
}
"""Functions that take x `[T, B, D]`. Both tables hold exact classes, because a subclass has other equations."""
