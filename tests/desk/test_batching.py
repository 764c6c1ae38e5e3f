"""Texts written together: each is what it is alone, whoever comes and goes beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from copy import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.desk.batching import TOGETHER, Batching, Busy
from charrnn.desk.lanes import Lane
from charrnn.desk.orders import Order, Portion, Row
from charrnn.desk.prompts import Prompts
from charrnn.desk.stops import Stops
from charrnn.errors import CharrnnError
from charrnn.generation.constraints import Without
from charrnn.generation.filters import Filters
from charrnn.generation.sampler import Sampler, never_drawn, pieces_of
from charrnn.generation.stepper import Stepper
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.models import build_model
from charrnn.text.vocab import Vocabulary

VOCABULARY = Vocabulary("char", "abcd\n")
MODEL = TorchStepper(build_model(ModelConfig(hidden_size=8, embedding_size=4), len(VOCABULARY), seed=3).eval())
FILTERS = [
    Filters(0.7),
    Filters(1.2),
    Filters(0),
    Filters(0.9, top_k=2),
    Filters(1.0, top_p=0.8, repetition_penalty=1.3),
]


class Several(TorchStepper):
    """A stepper of which three threads write."""

    def apart(self) -> list[Stepper]:
        return [copy(self) for _ in range(3)]


SEVERAL = Several(MODEL._model)


class Told:
    """A text as it is delivered."""

    def __init__(self) -> None:
        self.portions: list[Portion] = []
        self.over = threading.Event()

    def take(self, portion: Portion) -> None:
        assert not self.over.is_set()  # nothing comes after the end
        self.portions.append(portion)
        if portion.end:
            self.over.set()

    @property
    def text(self) -> str:
        assert self.over.wait(30)
        return "".join(portion.text for portion in self.portions)


@pytest.fixture(params=[False, True], ids=["stream", "documents"])
def documents(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[MODEL, SEVERAL], ids=["one thread", "several"])
def batching(request: pytest.FixtureRequest, documents: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batching]:
    monkeypatch.setattr("charrnn.desk.batching.TOGETHER", 2)
    made = Batching(request.param, VOCABULARY, documents, at_once=8, queue=20)
    yield made
    made.close()


def test_a_text_is_that_of_sample_whatever_is_written_beside_it(batching: Batching, documents: bool) -> None:
    orders, told = [], []
    for i in range(20):
        one = Told()
        prompt = VOCABULARY.encode("abca"[: i % 4])
        stop = "ab" if i % 5 == 4 else None
        constraint = Without(["bd", "c"], VOCABULARY) if i % 4 == 0 and stop is None else None
        orders.append(Order(prompt, 10 + i, i, i % 3, FILTERS[i % 5], stop, constraint, one.take))
        told.append(one)
        batching.write(orders[-1:])
    for order, one in zip(orders, told, strict=True):
        sampler = Sampler(MODEL, VOCABULARY, order.filters, documents)
        if order.constraint is None:
            alone = sampler.sample(order.prompt, order.length, order.seed, 3, order.stop, "")[order.index]
        else:
            alone = sampler.sample_within(order.constraint, order.prompt, order.length, order.seed, 3, "")[order.index]
        assert one.text == alone.text
        bits = [own for portion in one.portions for own in portion.bits]
        last = one.portions[-1]
        assert len(bits) == len(one.text)
        assert -(sum(bits) + (last.end_bits or 0)) * 0.6931471805599453 == pytest.approx(alone.log_prob, abs=1e-3)
        assert last.constraint_bits == (None if alone.constraint_bits is None else pytest.approx(alone.constraint_bits))
        assert (last.end == "length") <= (len(one.text) == order.length)


def test_what_nobody_wants_any_more_is_not_written_on(batching: Batching, documents: bool) -> None:
    left, stays = Told(), Told()
    order = Order([], 10**6, 0, deliver=left.take, constraint=Without(["a"], VOCABULARY))
    batching.write([order])
    order.cancelled = True
    batching.write([Order([], 30, 1, deliver=stays.take)])
    assert stays.text
    deadline = time.monotonic() + 30
    while batching.texts and time.monotonic() < deadline:
        time.sleep(0.01)
    assert batching.texts == 0
    assert documents or not left.over.is_set()  # a document may have ended before


@pytest.mark.parametrize("model", [MODEL, SEVERAL])
def test_the_queue_has_an_end_and_closing_ends_every_text(model: Stepper) -> None:
    batching = Batching(model, VOCABULARY, False, at_once=2, queue=3)
    told = [Told() for _ in range(5)]
    for one in told:
        batching.write([Order([], 10**7, 0, deliver=one.take)])
    with pytest.raises(Busy):
        batching.write([Order([], 5, 0)])
    batching.close()
    assert [one.portions[-1].end for one in told] == ["closed"] * 5
    with pytest.raises(Busy):
        batching.write([Order([], 5, 0)])


def test_who_closes_while_a_prompt_is_read_is_told_and_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batching = Batching(SEVERAL, VOCABULARY, False, at_once=2, queue=3)
    begin = TorchStepper.begin

    def closes(self: TorchStepper, ids: list[int], count: int) -> None:
        batching.close()
        begin(self, ids, count)

    monkeypatch.setattr(TorchStepper, "begin", closes)
    with pytest.raises(Busy):
        batching.write([Order([1], 10**7, 0)])
    assert batching.texts == 0


def test_many_texts_are_shared_out_among_the_threads() -> None:
    threads: set[int] = set()

    def post(deliver: Callable[[], None]) -> None:
        threads.add(threading.get_ident())
        deliver()

    batching = Batching(SEVERAL, VOCABULARY, False, at_once=4 * TOGETHER, queue=0, post=post)
    told = [Told() for _ in range(3 * TOGETHER)]
    batching.write([Order([], 10**7, 0, index, deliver=one.take) for index, one in enumerate(told)])
    deadline = time.monotonic() + 30
    while not all(one.portions for one in told) and time.monotonic() < deadline:
        time.sleep(0.01)
    batching.close()
    assert len(threads) == 3
    assert [one.portions[-1].end for one in told] == ["closed"] * len(told)


def test_the_prompts_that_came_last_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.desk.prompts.MOST", 2)
    prompts = Prompts(MODEL, VOCABULARY.boundary)
    for prompt in ([1], [2], [1], [3]):
        prompts.read(prompt)
    assert [[one] in prompts for one in (1, 2, 3)] == [True, False, True]


def test_one_text_that_cannot_be_written_ends_alone(batching: Batching) -> None:
    bad, good = Told(), Told()
    batching.write([Order([], 30, 0, deliver=good.take)])
    batching.write([Order([], 30, 0, constraint=Without("abcd\n", VOCABULARY), deliver=bad.take)])
    assert good.text and bad.over.wait(30)
    assert bad.portions[-1].end in ("error", "stop")  # documents may end at once
    with pytest.raises(CharrnnError, match="does not fit"):
        batching.write([Order(VOCABULARY.encode("ab"), 30, 0, constraint=Without(["b"], VOCABULARY))])


def test_a_bug_in_one_way_of_writing_leaves_the_others(batching: Batching) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    bad, good = Told(), Told()
    batching.write([Order([], 30, 0, filters=Filters(own=(broken,)), deliver=bad.take)])  # type: ignore[arg-type]
    batching.write([Order([], 30, 0, deliver=good.take)])
    assert good.text and bad.over.wait(30)
    assert isinstance(bad.portions[-1].fault, ZeroDivisionError)
    again = Told()
    batching.write([Order([], 30, 0, filters=FILTERS[3], deliver=again.take)])
    assert again.text


def test_a_prompt_is_read_once_for_all_that_write_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[int]] = []
    begin = TorchStepper.begin

    def begins(self: TorchStepper, ids: list[int], count: int) -> None:
        read.append(ids[1:])
        begin(self, ids, count)

    monkeypatch.setattr(TorchStepper, "begin", begins)
    batching = Batching(MODEL, VOCABULARY, False, at_once=5, queue=20)
    prompts = [VOCABULARY.encode(text) for text in ("ab", "ba", "ab", "ab")]
    told = [Told() for _ in prompts]
    for prompt, one in zip(prompts, told, strict=True):
        batching.write([Order(prompt, 20, 0, deliver=one.take)])
    assert told[0].text == told[2].text == told[3].text  # the same seed
    batching.close()
    assert read == prompts[:2]


def test_in_a_hurry_a_block_is_one_character() -> None:
    lane, pieces = Lane(MODEL, VOCABULARY, never_drawn(VOCABULARY, False)), pieces_of(VOCABULARY)
    row = Row(Order([], 50, 0), VOCABULARY, pieces, False)
    model = copy(MODEL)
    model.begin([VOCABULARY.boundary], 1)
    row.held = model.state()
    lane.change([row])
    lengths = [len(lane.turn(hurry)[0][1].text) for hurry in (False, False, True, False, True)]
    assert lengths[2] == lengths[4] == 1
    assert sum(lengths) == 50 - row.left


@given(
    text=st.text("abc", max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
)
@settings(max_examples=200)
def test_a_text_ends_before_its_first_stop_in_whatever_pieces_it_comes(
    text: str, cuts: list[int], stops: list[str]
) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    stopping, shown = Stops(stops), ""
    bits: list[float] = []
    for begin, end in zip(edges, [*edges[1:], len(text)], strict=True):
        own = [float(i) for i in range(begin, end)]
        said, told = stopping.take(text[begin:end], own, end == len(text))
        shown, bits = shown + said, bits + told
        if stopping.found:
            break
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    # What was shown before a stop was whole stays: the first stop to be complete is the one that counts.
    assert stopping.found == bool(places)
    if not places:
        assert shown == text
    assert text.startswith(shown) and bits == [float(i) for i in range(len(shown))]
    assert not any(stop in shown for stop in stops)
