"""The n-gram: exact, normalised, the same however it is called, and stored without a trace of the text it came from."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from charrnn.errors import CharrnnError
from charrnn.models.ngram import NGramModel
from charrnn.text.dataset import Part

Gram = tuple[int, ...]


@dataclass(frozen=True)
class Corpus:
    """Texts, the size of their vocabulary, and whether their ends are known."""

    texts: list[list[int]]
    vocab_size: int
    documents: bool

    @property
    def boundary(self) -> int:
        return self.vocab_size - 1

    def part(self) -> Part:
        """Documents lie apart and in another order than they are listed in, between those of other parts."""
        if not self.documents:
            return Part(np.array(self.texts[0], np.uint8))
        ids, places = [0, 1, 0], []
        for text in reversed(self.texts):
            places.append((len(ids), len(ids) + len(text)))
            ids += [*text, 1, 0]
        return Part(np.array(ids, np.uint8), np.array(places[::-1], np.int64))


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Random, single, repeated and periodic texts in alphabets of 1 to 5 characters; the last is <unk>."""
    size = draw(st.integers(2, 5))
    documents = draw(st.booleans())
    piece = st.lists(st.integers(0, size - 1), min_size=1, max_size=40)
    text = st.builds(lambda text, times: text * times, piece, st.sampled_from([1, 1, 1, 3, 30]))
    texts = draw(st.lists(text, min_size=1, max_size=6 if documents else 1))
    return Corpus(texts, size + 1, documents)


orders = st.integers(1, 8)


def fitted(corpus: Corpus, order: int) -> NGramModel:
    model = NGramModel(corpus.vocab_size, order)
    model.fit(corpus.part())
    return model


def any_ids(corpus: Corpus, time: int, batch: int, seed: int = 0) -> Tensor:
    """Seen and unseen contexts alike, with <unk> and boundaries anywhere."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, corpus.vocab_size, (time, batch)))


def english(documents: bool = False, length: int = 4000) -> Corpus:
    """A text in which n-grams of all orders occur once, twice, three times and more."""
    rng = np.random.default_rng(3)
    words = [rng.integers(0, 9, rng.integers(2, 6)).tolist() for _ in range(60)]
    chosen = rng.zipf(1.4, length) % len(words)
    texts = [[c for w in line for c in [*words[w], 9]] for line in np.array_split(chosen, 80)]
    return Corpus(texts if documents else [sum(texts, [])], 12, documents)


class Slow:
    """Chen & Goodman 1999 with dictionaries, one probability at a time."""

    def __init__(self, corpus: Corpus, order: int) -> None:
        self.corpus, self.order = corpus, order
        seen: Counter[Gram] = Counter()
        for text in corpus.texts:
            symbols = [corpus.boundary, *text] + [corpus.boundary] * corpus.documents
            for end in range(2, len(symbols) + 1):
                for begin in range(max(0, end - order), end):
                    seen[tuple(symbols[begin:end])] += 1
        before: defaultdict[Gram, set[int]] = defaultdict(set)
        for gram in seen:
            before[gram[1:]].add(gram[0])
        self.followers: defaultdict[Gram, dict[int, int]] = defaultdict(dict)
        for gram, times in seen.items():
            begins_a_text = len(gram) > 1 and gram[0] == corpus.boundary
            count = times if len(gram) == order or begins_a_text else len(before[gram])
            self.followers[gram[:-1]][gram[-1]] = count
        self.discounts = [self.estimate(m) for m in range(1, order + 1)]

    def estimate(self, m: int) -> list[float]:
        counts = [c for h, row in self.followers.items() if len(h) == m - 1 for c in row.values()]
        n = [0] + [counts.count(k) for k in (1, 2, 3, 4)]
        if min(n[1:]) > 0:
            y = n[1] / (n[1] + 2 * n[2])
            found = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
            if min(found) > 0:
                return found
        return [0.5, 1.0, 1.5]

    def probability(self, history: Gram, w: int) -> float:
        context = history[max(0, len(history) - self.order + 1) :]
        lower = self.probability(context[1:], w) if context else 1 / self.corpus.vocab_size
        row = self.followers.get(context)
        if not row:
            return lower
        discounts = self.discounts[len(context)]
        total = sum(row.values())
        kept = max(row[w] - discounts[min(row[w], 3) - 1], 0) / total if w in row else 0.0
        freed = sum(discounts[min(c, 3) - 1] for c in row.values()) / total
        return kept + freed * lower


def assert_parity(corpus: Corpus, order: int, text: Tensor) -> None:
    model, slow = fitted(corpus, order), Slow(corpus, order)
    rows, _ = model(text[:, None], model.initial_state(1))
    for t in range(len(text)):
        # However many boundaries pad the state, before a text there is one.
        history = (*[corpus.boundary] * (order - 1), *text[: t + 1].tolist())
        expected = [slow.probability(history, w) for w in range(corpus.vocab_size)]
        np.testing.assert_allclose(rows[t, 0].exp().numpy(), expected, rtol=1e-9, atol=1e-15)


@settings(max_examples=30)
@given(corpora(), orders)
def test_every_context_gives_a_distribution_in_which_nothing_is_impossible(corpus: Corpus, order: int) -> None:
    model = fitted(corpus, order)
    for text in (any_ids(corpus, 30, 3), torch.tensor(corpus.texts[0])[:, None]):
        rows, _ = model(text, model.initial_state(text.shape[1]))
        assert rows.dtype == torch.float64
        assert torch.isfinite(rows).all()
        np.testing.assert_allclose(rows.exp().sum(-1).numpy(), 1, rtol=0, atol=1e-12)


@settings(max_examples=30)
@given(corpora(), orders)
def test_parity_with_the_dictionaries(corpus: Corpus, order: int) -> None:
    assert_parity(corpus, order, any_ids(corpus, 12, 1)[:, 0])
    assert_parity(corpus, order, torch.tensor([corpus.boundary, *corpus.texts[0][:12]]))


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("order", [1, 2, 4, 6])
def test_parity_where_discounts_are_estimated(documents: bool, order: int) -> None:
    corpus = english(documents, length=800)
    if order > 2:
        assert Slow(corpus, order).discounts[-1] != [0.5, 1.0, 1.5]
    assert_parity(corpus, order, torch.tensor([corpus.boundary, *corpus.texts[0][:20]]))


@settings(max_examples=30)
@given(corpora(), orders)
def test_log_prob_is_the_dense_rows_at_the_targets(corpus: Corpus, order: int) -> None:
    model = fitted(corpus, order)
    ids, targets = any_ids(corpus, 20, 3), any_ids(corpus, 20, 3, seed=1)
    rows, after = model(ids, model.initial_state(3))
    picked, state = model.log_prob(ids, targets, model.initial_state(3))
    assert picked.dtype == torch.float64
    np.testing.assert_allclose(picked.numpy(), rows.gather(2, targets[..., None])[..., 0].numpy(), rtol=1e-12)
    assert torch.equal(after[0], state[0])


@settings(max_examples=30)
@given(corpora(), orders, st.integers(1, 19))
def test_windows_steps_and_the_whole_agree_and_rows_are_independent(corpus: Corpus, order: int, cut: int) -> None:
    model, text = fitted(corpus, order), any_ids(corpus, 20, 3)
    whole, after = model(text, model.initial_state(3))
    first, state = model(text[:cut], model.initial_state(3))
    second, state = model(text[cut:], state)
    assert torch.equal(torch.cat([first, second]), whole)
    assert torch.equal(state[0], after[0])
    assert state[0].shape == (3, order - 1)
    stepped = model.initial_state(1)
    for t in range(20):
        row, stepped = model.step(text[t, 1:2], stepped)
        assert torch.equal(row[0], whole[t, 1])
    assert torch.equal(stepped[0], after[0][1:2])


def test_the_layout_of_the_batch_changes_nothing() -> None:
    corpus = english()
    model, text = fitted(corpus, 4), any_ids(corpus, 9, 5)
    turned = text.t().contiguous().t()
    assert torch.equal(model(turned, model.initial_state(5))[0], model(text, model.initial_state(5))[0])
    a, _ = model.log_prob(turned, turned, model.initial_state(5))
    assert torch.equal(a, model.log_prob(text, text, model.initial_state(5))[0])


@pytest.mark.parametrize("order", [1, 2, 5, 8])
def test_saved_and_loaded_it_is_the_same_model(tmp_path: Path, order: int) -> None:
    corpus = english()
    model = fitted(corpus, order)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    other = NGramModel(corpus.vocab_size, order)
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    text = any_ids(corpus, 50, 2)
    assert torch.equal(other(text, other.initial_state(2))[0], model(text, model.initial_state(2))[0])
    assert (other.size, other.nbytes) == (model.size, model.nbytes)


@pytest.mark.parametrize(("vocab_size", "order"), [(12, 3), (12, 5), (13, 4)])
def test_tables_of_another_order_or_vocabulary_are_refused(vocab_size: int, order: int) -> None:
    with pytest.raises(RuntimeError):
        NGramModel(vocab_size, order).load_state_dict(fitted(english(), 4).state_dict())


def test_counts_what_is_stored() -> None:
    corpus = Corpus([[0, 1, 0, 1, 1]], 4, documents=False)  # after the boundary: b0 01 10 11, then b01 010 101 011
    model = fitted(corpus, 3)
    assert model.size == 4 + 4 + 4
    assert model.nbytes == sum(b.nbytes for b in model.state_dict().values())
    assert not list(model.parameters())


def test_only_listed_documents_count_and_their_order_does_not() -> None:
    corpus = english(documents=True)
    part = corpus.part()
    assert part.documents is not None
    one, other = NGramModel(12, 4), NGramModel(12, 4)
    one.fit(part)
    order = np.random.default_rng(0).permutation(len(part.documents))
    other.fit(Part(part.ids, part.documents[order]))
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers(), strict=True))


def test_fitting_again_forgets() -> None:
    model = fitted(english(), 4)
    model.fit(Corpus([[0, 1, 2]], 12, documents=False).part())
    fresh = fitted(Corpus([[0, 1, 2]], 12, documents=False), 4)
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), fresh.buffers(), strict=True))


def test_before_it_has_read_anything_all_characters_are_alike() -> None:
    model = NGramModel(7, 4)
    ids = torch.arange(7)[:, None]
    rows, _ = model(ids, model.initial_state(1))
    assert torch.allclose(rows, torch.tensor(-math.log(7), dtype=torch.float64))
    assert torch.equal(model.log_prob(ids, ids, model.initial_state(1))[0], rows[..., 0])


def test_learns_a_periodic_text_perfectly() -> None:
    period = [0, 1, 2, 0, 1, 3, 4]
    model = fitted(Corpus([period * 500], 7, documents=False), 4)
    text = torch.tensor([6] + period * 40)[:, None]
    log_probs, _ = model.log_prob(text[:-1], text[1:], model.initial_state(1))
    assert math.exp(-log_probs[7:].mean().item()) == pytest.approx(1, abs=0.01)


def test_learns_where_documents_begin_and_end() -> None:
    corpus = Corpus([[0, 1, 2], [0, 2, 2]] * 200, 5, documents=True)
    model = fitted(corpus, 5)
    text = torch.tensor([4, 0, 1, 2])[:, None]
    rows, _ = model(text, model.initial_state(1))
    p = rows[:, 0].exp()
    assert p[0, 0] > 0.98  # a document begins with 0
    assert p[1, [1, 2]].sum() > 0.98
    assert p[3, 4] > 0.98  # and ends after its third character


def test_an_n_gram_beats_a_shorter_one_and_reports_each_order() -> None:
    corpus, done = english(), list[int]()
    train, rest = corpus.texts[0][:-2000], torch.tensor(corpus.texts[0][-2001:])[:, None]
    nats = []
    for order in (1, 2, 4):
        model = NGramModel(corpus.vocab_size, order)
        model.fit(Part(np.array(train)), done.append)
        nats.append(-model.log_prob(rest[:-1], rest[1:], model.initial_state(1))[0].mean().item())
    assert nats[0] > nats[1] > nats[2]
    assert sum(done) == 1 + 2 + 4


@pytest.mark.parametrize("order", [-1, 0, 9])
def test_an_order_out_of_bounds_is_a_mistake_of_the_user(order: int) -> None:
    with pytest.raises(CharrnnError, match="expected 1 to 8"):
        NGramModel(10, order)


def test_nothing_is_counted_across_the_edge_of_a_piece() -> None:
    """The pieces are counted as documents are, but that their ends are not predicted."""
    text = np.array([0, 1, 2, 2, 2, 0, 1, 1, 0, 2, 1], np.uint8)
    model = NGramModel(5, 3)
    model.fit(Part(text, pieces=np.array([[0, 3], [5, 8], [8, 11]])))
    trigrams, bigrams = Counter[Gram](), Counter[Gram]()
    for a, b in ((0, 3), (5, 8), (8, 11)):
        padded = [4, *text[a:b].tolist()]
        bigrams.update(pairwise(padded))
        trigrams.update(zip(padded, padded[1:], padded[2:], strict=False))
    keys = model.get_buffer("keys_2")[:-1].tolist()
    assert {(key // 5, key % 5) for key in keys} == set(bigrams)
    assert len(model.get_buffer("keys_3")) - 1 == len(trigrams)
    whole, other = NGramModel(5, 3), NGramModel(5, 3)
    whole.fit(Part(text))
    other.fit(Part(np.append(text, text), pieces=np.array([[0, len(text)]])))
    for name, buffer in whole.named_buffers():
        assert torch.equal(buffer, other.get_buffer(name))


@pytest.mark.parametrize("part", [Part(np.zeros(0, np.uint8)), Part(np.zeros(5, np.uint8), np.zeros((0, 2), np.int64))])
def test_an_empty_text_is_a_mistake_of_the_user(part: Part) -> None:
    with pytest.raises(CharrnnError, match="empty"):
        NGramModel(10, 3).fit(part)
