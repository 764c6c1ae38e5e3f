"""Devices by their names, and that what is moved or copied is the same afterwards."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn import device as module
from charrnn.device import copied, cores, find_device, in_bfloat16, is_cpu, to_device
from charrnn.errors import CharrnnError
from charrnn.store.checkpoint import save_file

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A machine with so many GPUs, or none that PyTorch can use."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def driver(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    file = Path("driver")
    file.touch()
    monkeypatch.setattr(module, "DRIVERS", ("no/such/file", *[str(file)] * there))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def torch_is(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)


@given(st.text(max_size=12) | st.from_regex(r"(auto|cpu|cuda|mps|meta|xpu)(:[0-9]{1,2})?", fullmatch=True))
@example("cuda\0")
@example("cuda:-1")
@example("cuda:99999999999999999999")
@example("\ud800")
def test_any_name_is_a_device_of_this_machine_or_a_mistake_of_the_user(name: str) -> None:
    try:
        device = find_device(name)
    except CharrnnError as error:
        assert name in str(error)
        return
    assert device.type in ("cpu", "cuda")
    assert name == "auto" or name.startswith(device.type)
    if device.type == "cuda":
        assert (device.index or 0) < torch.cuda.device_count()
    assert not is_cpu(name) or device == CPU


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_gpu_is_had_where_there_is_one(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, count)
    assert find_device("auto") == (CUDA if count else CPU)
    assert find_device() == find_device("auto")
    assert find_device("cpu") == CPU
    for index in range(5):
        if index < count:
            assert find_device(f"cuda:{index}") == torch.device("cuda", index)
        else:
            with pytest.raises(CharrnnError, match=r"device=cpu") as raised:
                find_device(f"cuda:{index}")
            assert "--device cpu" in raised.value.for_command
            assert (f"{count} CUDA device" if count else "no CUDA device") in str(raised.value)
    if count:
        assert find_device("cuda") == CUDA
    else:
        with pytest.raises(CharrnnError, match="no CUDA device"):
            find_device("cuda")


@pytest.mark.parametrize("visible", [None, "", "-1", "0", "0,1"])
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("version", ["2.6.0", "2.6.0+cpu", "2.6.0+cu124", None])
def test_without_asking_pytorch_it_is_the_cpu_only_where_nothing_else_can_be(
    visible: str | None, there: bool, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(monkeypatch, there)
    torch_is(monkeypatch, version)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    hidden = visible in ("", "-1")
    assert is_cpu("auto") == (hidden or not there or version == "2.6.0+cpu")
    assert is_cpu("cpu")
    assert not is_cpu("cuda") and not is_cpu("cuda:0") and not is_cpu("nonsense")


@pytest.mark.parametrize("able", [False, True])
def test_products_are_in_bfloat16_where_that_was_asked_for_and_is_no_loss(
    able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    told = {(p, d.type): in_bfloat16(p, d) for p in ("auto", "float32", "bfloat16") for d in (CPU, CUDA)}
    assert {key for key, value in told.items() if value} == {
        ("auto", "cuda"),
        ("bfloat16", "cuda"),
        *([("bfloat16", "cpu")] if able else []),
    }


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() >= 1
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 7})
        assert cores() == 3
        monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


shapes = st.lists(st.integers(0, 4), min_size=0, max_size=3)


@given(shapes, st.sampled_from([np.float32, np.float64, np.int64, np.uint8]))
def test_an_array_is_the_same_as_a_tensor(shape: list[int], dtype: type) -> None:
    array: npt.NDArray[Any] = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    tensor = to_device(array, CPU)
    assert tensor.device == CPU
    assert tensor.numpy().dtype == array.dtype and np.array_equal(tensor.numpy(), array)


@given(shape=st.lists(st.integers(1, 4), min_size=2, max_size=3), seed=st.integers(0, 99))
def test_copies_are_equal_and_share_nothing_with_the_model_or_each_other(shape: list[int], seed: int) -> None:
    """However the tensors lie in memory; safetensors, which knows no strides and no shared memory, takes them."""
    base = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    tensors = {
        "whole": base,
        "again": base,
        "transposed": base.transpose(0, 1),
        "slice": base[1:],
        "column": base[:, ::2],
        "expanded": base[:1].expand(shape),
        "scalar": base.sum(),
    }
    expected = {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}
    copies = copied(tensors)
    with torch.no_grad():
        base.fill_(7.0)
    for name, copy in copies.items():
        assert np.array_equal(copy.numpy(), expected[name])
        assert copy.is_contiguous() and not copy.requires_grad and copy.device == CPU
        assert copy.untyped_storage().nbytes() == copy.numel() * copy.element_size()
    save_file(copies, Path("copies.safetensors"))
    copies["whole"].fill_(9.0)
    assert np.array_equal(copies["again"].numpy(), expected["again"])
