from __future__ import annotations

from itertools import chain, product, zip_longest
from typing import Any

import pytest
import torch

from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.generation.fill import Filler
from charrnn.models import LanguageModel, build_model
from charrnn.text.vocab import Vocabulary

CPU = torch.device("cpu")
VOCABULARY = Vocabulary("char", "abcd")


def model(bidirectional: bool) -> LanguageModel:
    """Trained on a text in which what stands after a blank decides: c follows ab, d follows ba."""
    config = ModelConfig(cell="gru", hidden_size=24, embedding_size=8, bidirectional=bidirectional)
    network = build_model(config, len(VOCABULARY), seed=0)
    texts = ["aac", "bbd", "abc", "bad"] * 4
    ids = torch.tensor([VOCABULARY.encode(t) for t in texts]).t()
    before = torch.full((len(texts),), VOCABULARY.boundary)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        features, _ = network.read(torch.cat([before[None], ids[:-1]]), ids, network.initial_state(len(texts)))
        logits = network.readout(features)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return network.eval()


def blanked(text: str) -> list[int | None]:
    return [None if c == "_" else VOCABULARY.encode(c)[0] for c in text]


def filled(filler: Filler, text: str, **how: Any) -> dict[str, float]:
    """The texts and their log-probabilities, in the order in which they are found."""
    parts, decode = text.split("_"), filler.vocabulary.decode
    found = filler.fill(blanked(text), **how)
    return {"".join(chain(*zip_longest(parts, map(decode, row), fillvalue=""))): log_prob for row, log_prob in found}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("text", "wanted"), [("_ac", "aac"), ("_bd", "bbd"), ("a_c", None), ("ba_", "bad")])
def test_what_comes_after_decides_too(bidirectional: bool, text: str, wanted: str | None) -> None:
    found = next(iter(filled(Filler(model(bidirectional), VOCABULARY, False), text, best=True)))
    assert found == wanted or (wanted is None and found in ("aac", "abc"))
    assert all(a in ("_", b) for a, b in zip(text, found, strict=True))


def test_the_beam_finds_the_likeliest_of_all() -> None:
    """All fillings of three blanks are fewer than the beam is wide: the search is then exhaustive."""
    network = build_model(ModelConfig(hidden_size=6, embedding_size=4), len(VOCABULARY), seed=4).eval()
    found = filled(Filler(network, VOCABULARY, False), "a__b_", samples=64)

    def log_prob(text: str) -> float:
        ids = torch.tensor([VOCABULARY.boundary, *VOCABULARY.encode(text)])[:, None]
        logits, _ = network(ids[:-1], network.initial_state(1))
        return logits.double().log_softmax(-1)[torch.arange(5), 0, ids[1:, 0]].sum().item()

    everything = {f"a{x}{y}b{z}" for x, y, z in product("abcd", repeat=3)}
    assert set(found) == everything
    assert list(found.values()) == pytest.approx([log_prob(text) for text in found], abs=1e-5)
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "latin-1", "utf-16-le"])
def test_a_blank_of_bytes_is_one_character(encoding: str, bidirectional: bool) -> None:
    vocabulary = Vocabulary("byte", encoding=encoding)
    config = ModelConfig(cell="gru", hidden_size=4, embedding_size=4, bidirectional=bidirectional)
    filler = Filler(build_model(config, len(vocabulary)).eval(), vocabulary, True)
    if bidirectional and encoding == "utf-16-le":
        with pytest.raises(CharrnnError, match="several bytes"):
            filler.fill([97, 0, None])
        return
    found = filler.fill([*"a".encode(encoding), None, None, *"é".encode(encoding)], samples=50)
    assert len(found) > 9
    for fillings, _ in found:
        assert [len(bytes(one).decode(encoding)) for one in fillings] == [1, 1]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_bad_input(bidirectional: bool) -> None:
    network = build_model(ModelConfig(cell="gru", hidden_size=4, bidirectional=bidirectional), len(VOCABULARY)).eval()
    filler = Filler(network, VOCABULARY, False)
    with pytest.raises(CharrnnError, match="no blank"):
        filler.fill([0, 1])
    with pytest.raises(CharrnnError, match="at most"):
        filler.fill([None] * 30_000)
    with pytest.raises(CharrnnError, match="samples=0"):
        filler.fill([None], samples=0)
