"""The scan in T and in O(log T) operations is the recurrence of the equations, and so are its gradients."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from charrnn.models.fast import scan as module
from charrnn.models.fast.scan import doubling, loop, scan


def plain(f: Tensor, v: Tensor, h: Tensor) -> Tensor:
    states = []
    for f_t, v_t in zip(f, v, strict=True):
        h = f_t * h + (1 - f_t) * v_t
        states.append(h)
    return torch.stack(states)


@given(st.integers(1, 300), st.integers(0, 2**31), st.floats(-8, 8))
def test_any_length_and_memory_gives_the_recurrence_and_its_gradients(length: int, seed: int, shift: float) -> None:
    draws = torch.Generator().manual_seed(seed)
    f = torch.sigmoid(torch.randn(length, 2, 3, generator=draws) + shift)
    v, h, weights = (torch.randn(*shape, generator=draws) for shape in ((length, 2, 3), (2, 3), (length, 2, 3)))

    def results(way: object) -> list[Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in (f, v, h)]
        states = way(*leaves)  # type: ignore[operator]
        return [states.detach(), *torch.autograd.grad((states * weights).sum(), leaves)]

    expected = [tensor.double() for tensor in results(plain)]
    own = module.recurrence
    try:
        for recurrence in (loop, doubling):
            module.recurrence = recurrence
            for found, wanted in zip(results(scan), expected, strict=True):
                scale = max(1.0, float(wanted.abs().max()))
                assert (found.double() - wanted).abs().max() < 1e-5 * scale
    finally:
        module.recurrence = own


def test_the_number_of_operations_grows_with_the_logarithm() -> None:
    class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
        calls = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            self.calls += 1
            return function(*args, **(kwargs or {}))

    counts = []
    for length in (16, 256):
        with Count() as count:  # type: ignore[no-untyped-call]
            doubling(torch.rand(length, 1, 1), torch.rand(length, 1, 1))
        counts.append(count.calls)
    assert counts[1] <= 2 * counts[0] + 8
