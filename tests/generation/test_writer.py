"""The writer: every step can be taken back, the same calls give the same text, and a journal gives all of it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import CorpusConfig, ModelConfig
from charrnn.errors import CharrnnError
from charrnn.generation.filters import Filters, log_softmax
from charrnn.generation.sampler import Sampler
from charrnn.generation.stepper import Stepper
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.generation.track import KEPT, NEAR, Track
from charrnn.generation.writer import Writer
from charrnn.models import build_model
from charrnn.text.dataset import Part
from charrnn.text.suffixes import suffixes_of
from charrnn.text.vocab import Vocabulary
from charrnn.verse.automaton import Verse, Wish
from charrnn.verse.forms import find_form

ENGLISH = Vocabulary("char", sorted("abcdefgh \n,"))
CHINESE = Vocabulary("char", sorted("春夏秋冬風花雪月山水人家天上日來去，。\n"))
BYTES = Vocabulary("byte")


def model_of(vocabulary: Vocabulary, seed: int = 1) -> Stepper:
    model = build_model(ModelConfig(cell="gru", hidden_size=12, embedding_size=6), len(vocabulary), seed=seed).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return TorchStepper(model)


MODELS = {vocabulary: model_of(vocabulary) for vocabulary in (ENGLISH, CHINESE, BYTES)}


def new(vocabulary: Vocabulary = ENGLISH, **how: Any) -> Writer:
    def verse(form: str, **wishes: Any) -> Verse:
        seed, acrostic = wishes.get("seed", 0), wishes.get("acrostic", "")
        wish = Wish(acrostic=acrostic, seed=seed, repeat=wishes.get("repeat", True))
        return Verse(find_form(form), wish, vocabulary.characters, None, len(vocabulary))

    given: dict[str, Any] = {"filters": Filters(), "documents": True, "longest": 60, "verse": verse, **how}
    return Writer(MODELS[vocabulary], vocabulary, CorpusConfig(path="x"), **given)


def standing(writer: Writer) -> tuple[object, ...]:
    """All that a person sees of a writer."""
    return (
        [*writer.characters],
        writer.ids,
        writer.filters,
        writer.form,
        writer.fits,
        writer.is_whole,
        # C sums in another order where it writes than where it reads
        *[
            [(one.text, round(one.probability, 4)) for one in some]
            for some in (writer.propose(5), writer.propose_words(3))
        ],
    )


STEPS = st.one_of(
    st.tuples(st.just("type"), st.sampled_from(["a", "bad", "☃", "é", "\n", "A", "e\u0301", "春", "，"])),
    st.tuples(st.just("take"), st.integers(0, 3)),
    st.tuples(st.just("write"), st.sampled_from(["character", "line", "verse", "end"])),
    st.tuples(st.just("leave"), st.integers(1, 5)),
    st.tuples(st.just("redraw"), st.none()),
    st.tuples(st.just("cut"), st.integers(0, 30)),
    st.tuples(st.just("undo"), st.integers(1, 4)),
    st.tuples(st.just("redo"), st.integers(1, 4)),
    st.tuples(st.just("set"), st.sampled_from([{"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.9}])),
    st.tuples(st.just("form"), st.sampled_from([None, "3x2", "2x4"])),
)


def play(writer: Writer, steps: list[tuple[str, Any]]) -> list[str]:
    """Does steps, and gives the text after each."""
    texts = [writer.text]
    for do, what in steps:
        if do == "type":
            writer.type(what)
        elif do == "take" and len(proposals := writer.propose()) > what:
            writer.take(proposals[what])
        elif do == "write":
            writer.write(what)
        elif do == "leave":
            going = writer.writing("end")
            for _, _ in zip(range(what), going, strict=False):
                pass
        elif do == "redraw":
            try:
                writer.redraw()
            except CharrnnError:
                pass
        elif do == "cut" and what <= len(writer):
            writer.cut(what)
        elif do in ("undo", "redo"):
            for _ in range(what):
                getattr(writer, do)()
        elif do == "set":
            writer.set(**what)
        elif do == "form":
            writer.set_form(what)
        texts.append(writer.text)
    return texts


@pytest.mark.parametrize("vocabulary", [ENGLISH, CHINESE, BYTES], ids=["English", "Chinese", "bytes"])
@given(steps=st.lists(STEPS, max_size=12), seed=st.integers(0, 5))
@settings(max_examples=15)
def test_the_same_steps_give_the_same_and_so_does_the_journal(
    vocabulary: Vocabulary, steps: list[tuple[str, Any]], seed: int
) -> None:
    if vocabulary is not CHINESE:
        steps = [step for step in steps if step[0] != "form"]
    writer, other, again = new(vocabulary, seed=seed), new(vocabulary, seed=seed), new(vocabulary)
    assert play(writer, steps) == play(other, steps)
    journal = json.loads(json.dumps(writer.journal))
    again.replay(journal)
    assert standing(again) == standing(writer) and again.journal == writer.journal == other.journal
    more = [("write", "line"), ("redraw", None), ("undo", 9), ("redo", 2)]
    assert play(again, more) == play(writer, more)  # it also goes on as the other


@given(steps=st.lists(STEPS, max_size=12))
@settings(max_examples=25)
def test_all_is_undone_and_redone_exactly(steps: list[tuple[str, Any]]) -> None:
    writer = new(CHINESE)
    play(writer, steps)
    while writer.redo():
        pass
    seen = [(writer.text, standing(writer))]
    while writer.undo():
        seen.append((writer.text, standing(writer)))
    assert not writer.text
    for _, before in reversed(seen[:-1]):
        assert writer.redo() and standing(writer) == before
    assert not writer.redo()


@pytest.mark.parametrize("vocabulary", [ENGLISH, CHINESE])
@pytest.mark.parametrize("documents", [True, False])
def test_draws_are_those_of_sample(vocabulary: Vocabulary, documents: bool) -> None:
    filters, prompt = Filters(1.1, top_k=9), vocabulary.characters[3]
    writer = new(vocabulary, filters=filters, documents=documents, seed=7)
    writer.type(prompt)
    sampler = Sampler(MODELS[vocabulary], vocabulary, filters, documents)
    for one in sampler.sample(vocabulary.encode(prompt), 60, 7, samples=4):
        assert prompt + writer.write("end") == one.text
        writer.cut(1)


@pytest.mark.parametrize("vocabulary", [ENGLISH, CHINESE, BYTES], ids=["English", "Chinese", "bytes"])
def test_proposals_are_the_probabilities_of_the_next_draw(vocabulary: Vocabulary) -> None:
    writer = new(vocabulary, filters=Filters(0.8))
    writer.type("春a")
    proposals = writer.propose(400)
    assert [one.probability for one in proposals] == sorted((one.probability for one in proposals), reverse=True)
    assert len({one.text for one in proposals}) == len(proposals)
    assert writer.propose(5, at=0) != writer.propose(5)
    assert writer.propose(400) == proposals  # looking changes nothing
    if vocabulary is BYTES:  # which writes more characters, and no byte that begins none
        return
    assert sum(one.probability for one in proposals) == pytest.approx(1, abs=1e-5)
    log_probs = log_softmax(begun(MODELS[vocabulary], [vocabulary.boundary, *writer.ids]).logits())[0]
    log_probs[vocabulary.unknown] = -np.inf
    p = Filters(0.8)(log_softmax(log_probs[None]), np.zeros((1, 0), np.int64))[0]
    for one in proposals[:5]:
        (own,) = vocabulary.encode(one.text) or [vocabulary.boundary]
        assert one.probability == pytest.approx(p[own], rel=1e-4)


def begun(model: Stepper, ids: list[int]) -> Stepper:
    model.begin(ids, 1)
    return model


def test_words_end_where_a_word_ends_and_go_on_from_one_that_is_begun() -> None:
    for vocabulary, begin in ((ENGLISH, "ab"), (ENGLISH, "ab "), (CHINESE, "春")):
        writer = new(vocabulary, filters=Filters(0.7))
        writer.type(begin)
        words = writer.propose_words(6)
        assert words and len({one.text for one in words}) == len(words)
        assert [one.probability for one in words] == sorted((one.probability for one in words), reverse=True)
        for one in words:
            assert one.text.strip(" \n,，。").isalpha() and one.text[-1].isalpha()
            assert begin != "ab" or one.text[0].isalpha() or len(one.text) > 1
            writer.take(one)
            assert writer.text == begin + one.text and writer.characters[-1].by == "model"
            writer.undo()


def test_half_lines_differ_in_their_first_character_or_after_the_one_that_is_asked_for() -> None:
    writer = new(CHINESE)
    assert len({one.text.lstrip("，。\n")[0] for one in writer.propose_words(6)}) == len(writer.propose_words(6)) > 3
    writer.set_form("4x2", acrostic="春夏")
    lines = [one.text for one in writer.propose_words(6)]
    assert all(line[0] == "春" and len(line) == 4 for line in lines)
    assert len({line[1] for line in lines}) == len(lines) > 3


def runs(text: str, corpus: str, length: int) -> list[int]:
    """The places at which a run of the corpus of so many characters ends in a text."""
    return [i + length for i in range(len(text) - length + 1) if text[i : i + length] in corpus]


@given(corpus=st.text("abcde", min_size=20, max_size=60), length=st.integers(2, 4), steps=st.lists(STEPS, max_size=8))
@settings(max_examples=15)
def test_what_the_model_writes_is_original_and_what_the_person_types_is_the_persons(
    corpus: str, length: int, steps: list[tuple[str, Any]]
) -> None:
    pytest.importorskip("pydivsufsort", reason="pydivsufsort is not installed: pip install 'charrnn[novelty]'")
    part = Part(np.array(ENGLISH.encode(corpus), np.uint8))
    writer = new(learnt=lambda: suffixes_of(part, ENGLISH, corpus), filters=Filters(1.5))
    writer.set_original(length)
    writer.type(corpus[:7])
    play(writer, [step for step in steps if step[0] != "form"])
    read = ENGLISH.decode(writer.ids)
    of_model = [one.by == "model" for one in writer.characters for _ in one.ids]
    assert not any(of_model[end - 1] for end in runs(read, corpus, length))
    for one in [*writer.propose(40), *writer.propose_words()]:
        assert all(end <= len(read) for end in runs(read + one.text, corpus, length))
    again = new(learnt=lambda: suffixes_of(part, ENGLISH, corpus), filters=Filters(1.5))
    again.replay(writer.journal)
    assert again.original == length and standing(again) == standing(writer)
    free = new()
    free.replay(writer.journal)  # without the corpus the text comes back
    assert free.text == writer.text and free.original is None


def test_what_the_model_writes_keeps_the_form() -> None:
    writer = new(CHINESE)
    writer.set_form("3x4", acrostic="春夏秋冬")
    writer.take("春")
    with pytest.raises(CharrnnError, match="form allows something else"):
        writer.take("，")
    assert len(writer.write("line")) == 3 and writer.text.endswith("，")
    writer.write("verse")
    lines = writer.text.replace("，", "。").replace("\n", "").split("。")
    assert [line[:1] for line in lines] == ["春", "夏", "秋", "冬", ""] and writer.is_whole and writer.ended
    assert [one.text for one in writer.propose()] == [""]  # nothing but the end
    assert writer.write("line") == ""
    writer.redraw()
    assert writer.is_whole
    writer.type("月")  # the person may do anything
    assert not writer.fits and not writer.is_whole and len(writer.propose()) == 8
    writer.set_form("2x2")  # which begins where the text is now
    writer.write("end")
    assert writer.is_whole and writer.fits
    writer.cut(3)
    assert writer.propose()


def test_whoever_leaves_off_keeps_what_is_there() -> None:
    writer = new(filters=Filters(), documents=False)
    going = writer.writing("end")
    first = [next(going) for _ in range(5)]
    writer.type("a")
    assert [*going] == [] and writer.text == "".join(first) + "a"
    assert [record["do"] for record in writer.journal] == ["begin", "write", "type"]
    writer.undo()
    writer.undo()
    assert writer.text == ""


def test_characters_that_the_model_does_not_know_stay() -> None:
    writer = new()
    assert "☃" in writer.type("a☃É,\r\nＢ")
    assert writer.text == "a☃É,\nＢ" and all(one.by == "person" for one in writer.characters)
    assert writer.ids == ENGLISH.encode("ae,\nb")
    assert [len(one.ids) for one in writer.characters] == [1, 0, 1, 1, 1, 1]
    writer.type("e\u0301")  # one character as a reader sees it
    assert len(writer) == 7
    writer.cut(1)
    assert writer.ids == ENGLISH.encode("a")


def test_refusals() -> None:
    writer = new()
    for wrong in (
        lambda: writer.write("page"),  # type: ignore[arg-type]
        lambda: writer.write("end", 0),
        lambda: writer.redraw(),
        lambda: writer.cut(1),
        lambda: writer.propose(3, at=2),
        lambda: writer.take("☃"),
        lambda: writer.set(temperature=-1),
        lambda: writer.set(heat=1),
        lambda: writer.set_form("no such form"),
        lambda: writer.set_original(6),
        lambda: new(learnt=lambda: None).set_original(1),
        lambda: new(seed=-1),
    ):
        with pytest.raises(CharrnnError):
            wrong()
    assert not writer.text and len(writer.journal) == 1


@pytest.mark.parametrize(
    "journal",
    [
        [{"do": "type", "text": "a"}],
        ["x"],
        [None],
        [{"do": "begin", "version": 99}],
        [{"do": "begin"}],
        *(
            [new().journal[0], record]
            for record in (
                {"do": "begin"},
                {"do": "fly"},
                {},
                {"do": "type"},
                {"do": "type", "text": 3},
                {"do": "take", "text": "☃"},
                {"do": "write", "until": "line"},
                {"do": "redraw", "until": "line", "length": 3, "text": "a", "ended": False},
                {"do": "cut", "at": 9},
                {"do": "cut", "at": "x"},
                {"do": "set", "temperature": "hot"},
                {"do": "set", "own": 3},
                {"do": "form"},
                {"do": "open", "file": 3},
            )
        ),
    ],
)
def test_what_is_no_journal(journal: Any) -> None:
    with pytest.raises(CharrnnError, match="journal, record"):
        new().replay(journal)


@pytest.mark.parametrize("text", ["", "a", "a\n", "a\n\nb", "a\n\n"])
def test_a_saved_file_ends_with_a_line_end_and_is_unchanged_when_it_is_opened_again(tmp_path: Path, text: str) -> None:
    writer, again, file = new(), new(), tmp_path / "a.txt"
    writer.name(file)
    assert writer.is_saved  # there is nothing to save yet
    writer.type(text)
    writer.save()
    saved = file.read_bytes()
    assert saved == (text + "\n" if text else "").encode()
    again.open(file)
    assert again.is_saved and again.text == text
    again.save()
    assert file.read_bytes() == saved
    assert not (writer.would_replace(file) or again.would_replace(file))


def test_save_and_open(tmp_path: Path) -> None:
    writer, file, other = new(), tmp_path / "a.txt", tmp_path / "b.txt"
    other.write_text("kept")
    writer.type("a☃")
    with pytest.raises(CharrnnError, match="exists already"):
        writer.save(other)
    writer.save(file)
    writer.type("b")
    writer.save(file)  # its own
    assert file.read_text(encoding="utf-8") == "a☃b\n" and other.read_text() == "kept"
    file.write_text("changed by another", encoding="utf-8")
    with pytest.raises(CharrnnError, match="exists already"):
        writer.save(file)
    writer.save(file, replace=True)
    assert writer.open(other) and writer.text == "kept"
    writer.save(other)
    assert writer.undo() and writer.text == "a☃b"
    for wrong in (tmp_path, tmp_path / "none"):
        with pytest.raises(CharrnnError):
            writer.open(wrong)
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(CharrnnError, match="not UTF-8"):
        writer.open(tmp_path / "latin")


@given(lengths=st.lists(st.integers(0, NEAR * 3), min_size=1, max_size=8))
@settings(max_examples=20)
def test_a_track_knows_at_each_place_what_reading_from_the_beginning_gives(lengths: list[int]) -> None:
    random = np.random.default_rng(0)
    track = Track(MODELS[ENGLISH], ENGLISH.boundary)
    for length in lengths:
        track.cut(length // 2)
        track.add(random.integers(0, 5, length).tolist())
        for at in {0, length // 3, len(track) // 2, len(track)}:
            expected = log_softmax(begun(MODELS[ENGLISH], [ENGLISH.boundary, *track.ids[:at]]).logits())[0]
            np.testing.assert_allclose(track.log_probs(at), expected, atol=1e-4)
    assert len(track._states) <= KEPT


def test_a_notebook_shows_whose_each_character_is() -> None:
    writer = new()
    writer.type("a<b>")
    writer.take("d")
    html = writer._repr_html_()
    assert "<b>a&lt;b&gt;</b>d" in html and "4 by you, 1 by the model" in html
