from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import charrnn
from charrnn.errors import CharrnnError
from charrnn.evaluation.compression import HEADER
from charrnn.run import Run

TEXT = "The cat sat on the mat. A dog sat on the log, and the bird sang.\n" * 60
POEMS = "床前一盞燈，\n窗外雨無聲。\n\n山高水又長，\n月下獨還鄉。\n\n" * 60


def trained(folder: Path, text: str, **sections: dict[str, Any]) -> Run:
    folder.mkdir()
    (folder / "text.txt").write_text(text, encoding="utf-8")
    corpus = {"path": str(folder / "text.txt")} | sections.pop("corpus", {})
    base: dict[str, Any] = {
        "corpus": corpus,
        "model": {"hidden_size": 16, "embedding_size": 8},
        "training": {"steps": 60, "batch_size": 8, "window": 16, "learning_rate": 0.03, "sample_every": None},
    }
    return charrnn.train(charrnn.Config.model_validate(base | sections), out=folder / "run", quiet=True, device="cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("compression")
    return {
        "stream": trained(folder / "stream", TEXT),
        "documents": trained(folder / "documents", POEMS, corpus={"mode": "documents"}),
        "lines": trained(folder / "lines", POEMS, corpus={"mode": "documents", "separator": "line"}),
        "byte": trained(folder / "byte", TEXT, vocab={"kind": "byte"}),
        "mlp": trained(folder / "mlp", TEXT, model={"cell": "mlp", "hidden_size": 16, "embedding_size": 8}),
    }


slow_fixture = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slow_fixture
@given(text=st.text(max_size=60), kind=st.sampled_from(["stream", "documents", "lines", "byte", "mlp"]))
def test_any_text_comes_back(runs: dict[str, Run], text: str, kind: str) -> None:
    data = text.encode()
    assert runs[kind].decompress(runs[kind].compress(data)) == data


@slow_fixture
@given(data=st.binary(max_size=80))
def test_any_bytes_come_back_with_a_model_of_bytes(runs: dict[str, Run], data: bytes) -> None:
    assert runs["byte"].decompress(runs["byte"].compress(data)) == data


@pytest.mark.parametrize("text", ["", "\n", "\n\n\n\n", "秋天\x00👩‍👩‍👧 \r\n", "The cat"])
def test_corners(runs: dict[str, Run], text: str) -> None:
    for run in runs.values():
        assert run.decompress(run.compress(text.encode())) == text.encode()


@pytest.mark.parametrize("kind", ["stream", "documents", "mlp"])
def test_the_size_is_what_eval_says(runs: dict[str, Run], kind: str, tmp_path: Path) -> None:
    """The coded bits and the evaluated ones agree within 1 %: each proves the other."""
    run, text = runs[kind], (TEXT if kind != "documents" else POEMS.strip("\n"))
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    bits = run.evaluate(tmp_path / "text.txt").nats / 0.6931471805599453
    coded = 8 * (len(run.compress(text.encode())) - HEADER.size)
    assert coded == pytest.approx(bits, rel=0.01, abs=64)


def test_several_streams_side_by_side(runs: dict[str, Run]) -> None:
    data = (TEXT * 6)[:23_456].encode()
    assert runs["stream"].decompress(runs["stream"].compress(data)) == data


def test_another_model_or_a_damaged_file_gives_no_wrong_text(runs: dict[str, Run]) -> None:
    packed = runs["stream"].compress(TEXT[:500].encode())
    with pytest.raises(CharrnnError, match="another model"):
        runs["mlp"].decompress(packed)
    for position in range(0, len(packed), 3):
        damaged = bytearray(packed)
        damaged[position] ^= 0x55
        try:
            again = runs["stream"].decompress(bytes(damaged))
        except CharrnnError:
            continue
        assert position >= len(packed) - 4  # of the last word some bits may be padding
        assert again == TEXT[:500].encode()
    for length in (0, 5, HEADER.size - 1, HEADER.size, len(packed) - 4, len(packed) - 1):
        with pytest.raises(CharrnnError):
            runs["stream"].decompress(packed[:length])


@pytest.mark.parametrize("kind", ["stream", "documents"])
def test_a_header_that_claims_any_length_is_refused_before_memory_or_time_is_taken(
    runs: dict[str, Run], kind: str
) -> None:
    packed = bytearray(runs[kind].compress(TEXT[:500].encode()))
    for count, characters in itertools.product((0, 1, 10**9, 2**64 - 1), repeat=2):
        packed[40:56] = struct.pack("<QQ", count, characters)
        with pytest.raises(CharrnnError, match="claim to hold" if count + characters > 10**6 else "damaged"):
            runs[kind].decompress(bytes(packed))
        with pytest.raises(CharrnnError, match="damaged"):
            runs[kind].decompress(bytes(packed), large=True)


def test_a_text_that_is_large_for_its_file_comes_back_if_it_is_asked_for(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.evaluation.compression.LARGE", 1000)
    monkeypatch.setattr("charrnn.evaluation.compression.MUCH", 0)
    run, data = runs["stream"], b"The cat sat on the mat. " * 42
    packed = run.compress(data)
    with pytest.raises(CharrnnError, match=r"claim to hold 1 texts of 1,008 characters.*large=True"):
        run.decompress(packed)
    assert run.decompress(packed, large=True) == data


def test_what_a_model_of_characters_cannot_read(runs: dict[str, Run]) -> None:
    with pytest.raises(CharrnnError, match="byte 3 is not UTF-8"):
        runs["stream"].compress(b"abc\xff")
