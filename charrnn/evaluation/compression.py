"""Lossless compression with a model's probabilities and a range coder, which proves the figures of `eval`.

A character of probability p costs -log2 p bits, so a text is compressed to the length that its likelihood says.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from charrnn.errors import CharrnnError, NoNumbers
from charrnn.evaluation.likelihood import MAX_STREAMS
from charrnn.models import LanguageModel
from charrnn.text.points import CODE_POINTS
from charrnn.text.vocab import Vocabulary

MAGIC = b"charrnn\x01"
STREAM = 10_000
"""The fewest characters of a stream: its start without a past then hardly costs anything. A part of the format."""
HEADER = struct.Struct("<8s16s16sQQ")
"""Magic bytes with the version, fingerprint of the model, checksum of the data, number of texts, of characters."""

LARGE, MUCH = 1_000_000, 1000
"""More than LARGE characters, and more than MUCH for each byte of a file, are decompressed only if it is asked for."""

Probabilities = npt.NDArray[np.float32]
Code = Callable[[int, list[int], Probabilities], list[int]]
"""A function that codes the symbols of one time step and returns them. It takes the time, the A lanes that have not
ended, and their probabilities `[A, V]`."""


def compress(
    model: LanguageModel,
    vocabulary: Vocabulary,
    separator: str | None,
    data: bytes,
    progress: Callable[[int], None] = lambda _: None,
) -> bytes:
    """`data` in as few bytes as the model allows. A character outside the vocabulary costs 21 bits more than <unk>.

    `separator` is the text between documents; None for a model of one long text. Raises CharrnnError for data that is
    not UTF-8 if the model is one of characters, and for bidirectional models.
    """
    constriction = _constriction()
    _causal(model)
    whole = _decode(vocabulary, data)
    texts = _texts(separator, whole)
    raw = vocabulary.kind == "byte"
    symbols = [list(map(ord, text)) if raw else vocabulary.encode(text, "replace") for text in texts]
    models = constriction.stream.model
    escape, family = models.Uniform(CODE_POINTS), models.Categorical(perfect=False)
    encoder = constriction.stream.queue.RangeEncoder()
    ends = separator is not None

    def lanes(first: int) -> Code:
        def code(time: int, active: list[int], probabilities: Probabilities) -> list[int]:
            own = [symbols[first + lane] for lane in active]
            chosen = [text[time] if time < len(text) else vocabulary.boundary for text in own]
            encoder.encode(np.array(chosen, np.int32), family, probabilities)
            for lane, symbol in zip(active, chosen, strict=True):
                if symbol == vocabulary.unknown:
                    encoder.encode(ord(texts[first + lane][time]), escape)
            progress(len(active))
            return chosen

        return code

    for first, lengths in _groups([len(text) for text in texts], ends):
        _walk(model, lanes(first), len(lengths), None if ends else [*lengths])
    header = HEADER.pack(MAGIC, fingerprint(model, vocabulary, separator), _checksum(data), len(texts), len(whole))
    return header + encoder.get_compressed().astype("<u4").tobytes()


def decompress(
    model: LanguageModel,
    vocabulary: Vocabulary,
    separator: str | None,
    packed: bytes,
    progress: Callable[[int], None] = lambda _: None,
    large: bool = False,
) -> bytes:
    """The data that `compress` was given. Raises CharrnnError for another model's file and for a damaged file.

    Without `large` also for a file that claims to hold MUCH characters for each of its bytes, which may take hours.
    """
    constriction = _constriction()
    _causal(model)
    if len(packed) < HEADER.size or not packed.startswith(MAGIC) or (len(packed) - HEADER.size) % 4:
        raise CharrnnError("not a file that `charrnn compress` wrote, or cut short")
    _, own, checksum, count, characters = HEADER.unpack_from(packed)
    if own != fingerprint(model, vocabulary, separator):
        raise CharrnnError(
            "compressed with another model, or another checkpoint of it; decompress it with the run and the "
            "‹checkpoint› that compressed it"
        )
    if not large and is_large(packed):
        raise CharrnnError(
            f"{len(packed):,} bytes claim to hold {count:,} texts of {characters:,} characters, which can be true if "
            "the model knows them by heart; if you trust the file, give ‹large=True›"
        )
    payload = np.frombuffer(packed, "<u4", offset=HEADER.size).astype(np.uint32)
    models = constriction.stream.model
    escape, family = models.Uniform(CODE_POINTS), models.Categorical(perfect=False)
    decoder = constriction.stream.queue.RangeDecoder(payload)
    ends = separator is not None
    texts: list[str] = []
    bits, read = 32.0 * len(payload) + 64, 0

    def lanes(out: list[list[str]]) -> Code:
        def code(time: int, active: list[int], probabilities: Probabilities) -> list[int]:
            nonlocal bits, read
            chosen: list[int] = decoder.decode(family, probabilities).tolist()
            # A text has no more information than its file has bits. A file that claims more is damaged, and decoding
            # it might never end. The coder gives every other symbol 2^-24 of the probability, so that none is free.
            own = probabilities[range(len(chosen)), chosen].astype(np.float64)
            bits += float(np.log2(np.minimum(own + 2.0**-22, 1 - len(vocabulary) * 2.0**-24)).sum())
            if bits < 0:
                raise ValueError("more characters than the file has bits for")
            for lane, symbol in zip(active, chosen, strict=True):
                if symbol == vocabulary.unknown:
                    out[lane].append(chr(decoder.decode(escape)))
                elif symbol != vocabulary.boundary:
                    out[lane].append(vocabulary.characters[symbol])
            progress(len(active))
            if (read := read + len(active)) > characters + count:
                raise ValueError("more characters than the header says")
            return chosen

        return code

    damaged = CharrnnError("the compressed file is damaged, or was written by a machine that rounds differently")
    try:
        # Documents have lengths that are not known before they are decoded: only their number counts here.
        lengths: Sequence[int] = range(count) if ends else _stream_lengths(characters)
        if len(lengths) != count:
            raise ValueError("another number of streams than the header says")
        for _, group in _groups(lengths, ends):
            out: list[list[str]] = [[] for _ in group]
            _walk(model, lanes(out), len(group), None if ends else [*group])
            texts.extend("".join(piece) for piece in out)
        text = (separator or "").join(texts)
        if len(text) != characters:
            raise ValueError("another number of characters than the header says")
        data = _encode(vocabulary, text)
    except (AssertionError, ValueError, OverflowError):
        raise damaged from None
    if _checksum(data) != checksum:
        raise damaged
    return data


def is_large(packed: bytes) -> bool:
    """Whether a compressed file claims so large a text that `decompress` wants to be told to make it."""
    *_, count, characters = HEADER.unpack_from(packed)
    return count + characters > max(LARGE, MUCH * len(packed))


def fingerprint(model: LanguageModel, vocabulary: Vocabulary, separator: str | None) -> bytes:
    """16 bytes of the SHA-256 of a model's weights, its vocabulary and the separator of documents."""
    digest = hashlib.sha256(json.dumps([vocabulary.kind, vocabulary.characters, separator or ""]).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.digest()[:16]


@torch.no_grad()
def _walk(model: LanguageModel, code: Code, lanes: int, lengths: list[int] | None) -> None:
    """Steps the model through some texts side by side, and calls `code` for the symbols of each time step.

    Texts end at `lengths`, or without lengths at the boundary. Compression and decompression make exactly the same
    calls, so that both see exactly the same probabilities.
    """
    boundary, device = model.boundary, model.device
    state = model.initial_state(lanes)
    last = torch.full((lanes,), boundary, device=device)
    active = [lane for lane in range(lanes) if lengths is None or lengths[lane] > 0]
    time = 0
    while active:
        logits, state = model.step(last, state)
        probabilities = logits.double().softmax(1).float().cpu().numpy()
        if not np.isfinite(probabilities).all():
            raise NoNumbers
        symbols = code(time, active, probabilities[active])
        last[active] = torch.tensor(symbols, device=device)
        time += 1
        if lengths is None:
            active = [lane for lane, symbol in zip(active, symbols, strict=True) if symbol != boundary]
        else:
            active = [lane for lane in active if lengths[lane] > time]


def _causal(model: LanguageModel) -> None:
    if not model.causal:
        raise CharrnnError(
            "a bidirectional model needs what comes after a character, which a decoder does not have yet; compress "
            "with a model that reads from left to right"
        )


def _texts(separator: str | None, text: str) -> list[str]:
    """The texts that are coded side by side. The whole text is these, joined with the separator."""
    if separator is not None:
        return text.split(separator) if separator else [text]
    return [text[a:b] for a, b in itertools.pairwise(itertools.accumulate(_stream_lengths(len(text)), initial=0))]


def _stream_lengths(characters: int) -> list[int]:
    """The lengths of the streams into which a long text is cut. They are coded side by side, each from nothing: what
    stands before it is not known yet when it is decoded."""
    streams = max(1, min(MAX_STREAMS, characters // STREAM))
    length = -(-characters // streams)
    return [max(0, min(length, characters - i * length)) for i in range(streams)]


def _groups(lengths: Sequence[int], documents: bool) -> Iterator[tuple[int, Sequence[int]]]:
    """Groups that are coded together, each with its first number: all streams, or MAX_STREAMS documents."""
    size = MAX_STREAMS if documents else max(1, len(lengths))
    for first in range(0, len(lengths), size):
        yield first, lengths[first : first + size]


def _decode(vocabulary: Vocabulary, data: bytes) -> str:
    if vocabulary.kind == "byte":
        return data.decode("latin-1")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CharrnnError(
            f"byte {error.start:,} is not UTF-8, and the model is one of characters; a model with vocab.kind: byte "
            "compresses any file"
        ) from None


def _encode(vocabulary: Vocabulary, text: str) -> bytes:
    return text.encode("latin-1" if vocabulary.kind == "byte" else "utf-8")


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]


def _constriction() -> Any:
    try:
        import constriction
    except ImportError:
        raise CharrnnError("compress: needs a range coder: pip install 'charrnn[compress]'") from None
    return constriction
