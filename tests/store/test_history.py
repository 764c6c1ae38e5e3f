"""Of `metrics.jsonl` every line that is whole is read, and no other, wherever the training was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.store.history import MAX_LINE, cut_history, read_history

Line = dict[str, Any]

amounts = st.floats(-1e14, 1e14) | st.integers(-(10**14), 10**14)
lines = st.builds(
    lambda step, minutes, epochs, more, validation: (
        {"step": step, "minutes": minutes, "epochs": epochs}
        | more
        | ({} if validation is None else {"val_loss": validation, "val_bits_per_char": validation})
    ),
    step=st.integers(0, 10**12),
    minutes=amounts,
    epochs=amounts,
    more=st.dictionaries(st.sampled_from(["loss", "learning_rate", "explosion", "秋"]), amounts),
    validation=st.none() | amounts,
)
no_lines = st.binary(max_size=40).filter(lambda raw: b"\n" not in raw) | st.sampled_from(
    ["null", "[]", "{}", "7", '"step"', "[" * 9000, '{"a":' * 900, "9" * 9000]
).map(str.encode)
"""Nothing that a training writes."""


def write(raw: bytes) -> Path:
    file = Path("metrics.jsonl")
    file.write_bytes(raw)
    return file


def encoded(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode()


@given(st.lists(lines, max_size=8))
def test_what_was_written_is_read_in_its_order(written: list[Line]) -> None:
    assert list(read_history(write(b"".join(encoded(line) + b"\n" for line in written)))) == written


@given(st.lists(lines, max_size=8), st.integers(0, 10**3))
def test_of_a_file_that_is_too_long_the_last_lines_are_read(written: list[Line], last: int) -> None:
    raw = [encoded(line) + b"\n" for line in written]
    fit = [i for i in range(len(raw) + 1) if len(b"".join(raw[i:])) <= last]
    assert list(read_history(write(b"".join(raw)), last=last)) == written[fit[0] :]
    cut_history(Path("metrics.jsonl"), 10**12)
    assert list(read_history(Path("metrics.jsonl"))) == written


@given(written=st.lists(lines, min_size=1, max_size=5), data=st.data())
def test_of_a_file_that_was_cut_short_all_whole_lines_are_left(written: list[Line], data: st.DataObject) -> None:
    raw = b"".join(encoded(line) + b"\n" for line in written)
    cut = data.draw(st.integers(0, len(raw)))
    whole, length = 0, 0
    for line in written:
        length += len(encoded(line)) + 1
        whole += cut >= length - 1  # of the last one the line's end may be missing
    assert list(read_history(write(raw[:cut]))) == written[:whole]


@given(st.lists(lines | no_lines, max_size=8))
def test_other_lines_hide_none(written: list[Line | bytes]) -> None:
    raw = b"\n".join(line if isinstance(line, bytes) else encoded(line) for line in written)
    assert list(read_history(write(raw))) == [line for line in written if not isinstance(line, bytes)]


WHOLE: Line = {"step": 1, "minutes": 0.5, "epochs": 0.1, "val_loss": 1.0, "val_bits_per_char": 1.4}


@pytest.mark.parametrize("key", list(WHOLE))
def test_a_line_that_lacks_what_belongs_to_it_is_left_out(key: str) -> None:
    rest = {other: value for other, value in WHOLE.items() if other != key}
    assert list(read_history(write(encoded(WHOLE) + b"\n" + encoded(rest) + b"\n" + encoded(WHOLE)))) == [WHOLE, WHOLE]


@pytest.mark.parametrize("key", [*WHOLE, "more"])
@pytest.mark.parametrize("value", [None, True, "1", [1], {}, float("nan"), float("inf"), 1e15, -(10**15), 10**400])
def test_a_line_with_what_is_no_amount_is_left_out(key: str, value: Any) -> None:
    assert list(read_history(write(encoded(WHOLE | {key: value}) + b"\n" + encoded(WHOLE)))) == [WHOLE]


def test_a_step_is_a_whole_number() -> None:
    assert list(read_history(write(encoded(WHOLE | {"step": 1.0})))) == []


@pytest.mark.parametrize("size", [MAX_LINE - 1, MAX_LINE, 3 * MAX_LINE + 7])
def test_a_line_as_long_as_none_is_hides_no_other(size: int) -> None:
    assert list(read_history(write(encoded(WHOLE) + b"\n" + b"x" * size + b"\n" + encoded(WHOLE)))) == [WHOLE, WHOLE]


def test_where_there_is_no_file_nothing_was_measured() -> None:
    Path("folder").mkdir()
    Path("link").symlink_to("/dev/zero")
    for name in ("nothing.jsonl", "folder", "link", "folder/below"):
        assert list(read_history(Path(name))) == []
