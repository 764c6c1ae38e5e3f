"""The counts of an older text behind those of a new one: still probabilities, and those of the equation."""

from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.models.background import WEIGHTS, in_alphabet, put_behind, with_each_weight
from charrnn.models.ngram import NGramModel
from charrnn.text.dataset import Part

V = 7
texts = st.lists(st.integers(0, V - 3), min_size=2, max_size=60)
orders = st.integers(1, 4)
weights = st.floats(0, 1)


def counted(ids: list[int], order: int, vocab_size: int = V) -> NGramModel:
    model = NGramModel(vocab_size, order)
    model.fit(Part(np.array(ids, np.int64)))
    return model


def contexts(model: NGramModel, ids: list[int]) -> torch.Tensor:
    return model.features(torch.tensor([model.boundary, *ids])[:, None], model.initial_state(1))[0][:, 0]


def by_the_equation(new: NGramModel, old: NGramModel, weight: float, ids: list[int]) -> torch.Tensor:
    """p `[T, V]` after each character of a text, with every table looked up on its own."""
    here, there = contexts(new, ids), contexts(old, ids)
    every = torch.arange(new.vocab_size).expand(len(here), -1)
    wide = [one[:, None].expand(-1, new.vocab_size, -1) for one in (here, there)]
    p = new.p_1[every]
    shares, olds = new.shares(wide[0], every), [*old.shares(wide[1], every)]
    for m, (own, gamma) in enumerate(shares):
        old_own, old_gamma = olds[m] if m < len(olds) else (torch.zeros(()), torch.ones(()))
        p = own + gamma * (weight * old_own + (1 - weight * (1 - old_gamma)) * p)
    return p


@given(new=texts, old=texts, order=orders, old_order=orders, weight=weights, read=texts)
def test_both_together_are_the_equation_and_sum_to_1(
    new: list[int], old: list[int], order: int, old_order: int, weight: float, read: list[int]
) -> None:
    model, background = counted(new, order), counted(old, old_order)
    expected = by_the_equation(model, background, weight, read)
    put_behind(model, background, weight)
    p = model.probabilities(contexts(model, read), torch.float64)
    torch.testing.assert_close(p, expected)
    torch.testing.assert_close(p.sum(-1), torch.ones(len(p), dtype=torch.float64))
    torch.testing.assert_close(model.ln_p(contexts(model, read)).exp().double(), p, rtol=1e-4, atol=1e-6)


@given(old=texts, order=orders, read=texts, seed=st.integers(0, 999))
def test_an_alphabet_in_another_order_says_the_same(old: list[int], order: int, read: list[int], seed: int) -> None:
    ids = np.array(random.Random(seed).sample(range(V - 2), V - 2) + [V - 2, V - 1])
    background = counted(old, order)
    moved = in_alphabet(background, ids, V, order)
    before, after = counted([0, 0], order), counted([int(ids[0])] * 2, order)
    put_behind(before, background, 1.0)
    put_behind(after, moved, 1.0)
    p = before.probabilities(contexts(before, read), torch.float64)
    q = after.probabilities(contexts(after, [int(ids[i]) for i in read]), torch.float64)
    torch.testing.assert_close(q[:, ids], p)


@given(old=texts, order=orders, wanted=orders, left_out=st.sets(st.integers(0, V - 3)), read=texts)
def test_what_was_said_of_characters_left_out_goes_to_shorter_contexts(
    old: list[int], order: int, wanted: int, left_out: set[int], read: list[int]
) -> None:
    kept = [i for i in range(V) if i not in left_out]
    ids = np.array([kept.index(i) if i in kept else -1 for i in range(V)])
    background = counted(old, order)
    moved = in_alphabet(background, ids, len(kept), wanted)
    assert moved.order == wanted
    text = [i for i in read if i in kept]
    here, there = contexts(background, text), contexts(moved, [int(ids[i]) for i in text])
    every, renamed = (torch.tensor(one).expand(len(here), -1) for one in (kept, ids[kept].tolist()))
    wide = [one[:, None].expand(-1, len(kept), -1) for one in (here, there)]
    for (own, _), (same, _) in zip(background.shares(wide[0], every), moved.shares(wide[1], renamed), strict=False):
        assert torch.equal(own, same)
    p = moved.probabilities(there, torch.float64)
    torch.testing.assert_close(p.sum(-1), torch.ones(len(p), dtype=torch.float64))


@given(new=texts, old=texts, order=orders, read=texts)
def test_with_each_weight_it_predicts_as_with_that_weight(
    new: list[int], old: list[int], order: int, read: list[int]
) -> None:
    model, background = counted(new, order), counted(old, order)
    ids = torch.tensor([model.boundary, *read])[:, None]
    state = model.initial_state(1)
    every, after = with_each_weight(model, background, ids[:-1], ids[1:], state)
    for i in (0, 3, 16):
        model = counted(new, order)
        put_behind(model, background, WEIGHTS[i])
        log_p, then = model.log_prob(ids[:-1], ids[1:], state)
        torch.testing.assert_close(every[..., i], log_p)
        assert all(torch.equal(*pair) for pair in zip(after, then, strict=True))


def test_what_the_new_text_does_not_know_the_older_one_does() -> None:
    model = counted([0, 1, 0, 1, 2], 3)
    before = model.probabilities(contexts(model, [3]), torch.float64)[-1]
    put_behind(model, counted([3, 4] * 9, 3), 0.5)
    after = model.probabilities(contexts(model, [3]), torch.float64)[-1]
    assert after.argmax() == 4 != before.argmax()
