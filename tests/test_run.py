"""A run as a library has it: what it writes, streams, scores and compresses is one and the same."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import charrnn
from charrnn.errors import CharrnnError
from charrnn.files import read_record
from charrnn.generation.filters import Filters, Floats
from charrnn.generation.sampler import Sampler
from charrnn.generation.torch_stepper import TorchStepper
from charrnn.models import set_kernels
from charrnn.run import Run
from charrnn.store.facts import FORMAT, Facts
from charrnn.text.given import By

TEXT = "the cat sat on the mat.\nthe dog sat on the log.\n" * 40
POEMS = "山高水又長，\n月下獨還鄉。\n\n床前一盞燈，\n窗外雨無聲。\n\n" * 40
KINDS = ["stream", "documents", "byte"]
PROMPTS = {"stream": "the cat", "documents": "山高", "byte": "é the 秋"}

shared = settings(max_examples=15)


def halved(log_probs: Floats) -> Floats:
    return log_probs / np.float32(2)


def trained(folder: Path, text: str, **sections: dict[str, Any]) -> Run:
    folder.mkdir()
    (folder / "text.txt").write_text(text, encoding="utf-8")
    base: dict[str, Any] = {
        "corpus": {"path": str(folder / "text.txt")} | sections.pop("corpus", {}),
        "model": {"hidden_size": 12, "embedding_size": 6},
        "training": {"steps": 15, "batch_size": 4, "window": 12, "learning_rate": 0.05, "sample_every": None}
        | {"kernels": "plain"},
        "sampling": {"prompt": "", "length": 17},
    }
    run = charrnn.train(charrnn.Config.model_validate(base | sections), out=folder / "run", quiet=True, device="cpu")
    set_kernels(run.model, "plain")  # nothing to compile
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("run")
    return {
        "stream": trained(folder / "stream", TEXT),
        "documents": trained(folder / "documents", POEMS, corpus={"mode": "documents"}, model={"cell": "ngram"}),
        "byte": trained(folder / "byte", TEXT + "é秋", vocab={"kind": "byte"}),
    }


@pytest.mark.parametrize(("one", "other"), [("stream", "byte"), ("byte", "stream"), ("documents", "stream")])
def test_a_text_of_yours_that_a_strangers_run_names_is_not_read_in_its_alphabet(
    runs: dict[str, Run], one: str, other: str
) -> None:
    run = runs[one]
    swapped = replace(run, facts=run.facts.model_copy(update={"fingerprint": runs[other].facts.fingerprint}))
    with pytest.raises(CharrnnError, match="another alphabet or mode"):
        swapped.evaluate()


def test_nor_as_one_text_if_it_is_many(runs: dict[str, Run]) -> None:
    run = runs["documents"]
    with pytest.raises(CharrnnError, match="another alphabet or mode"):
        replace(run, facts=run.facts.model_copy(update={"mode": "stream"})).evaluate()


def told(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("wrong", [{"length": 0}, {"seed": -1}])
def test_nothing_is_streamed_of_what_is_refused(runs: dict[str, Run], wrong: dict[str, Any]) -> None:
    with pytest.raises(CharrnnError, match=next(iter(wrong))):
        next(runs["stream"].stream("the cat", **wrong))


@shared
@given(
    kind=st.sampled_from(KINDS),
    prompt=st.integers(0, 7),
    length=st.integers(1, 90),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.none() | st.integers(1, 9),
    top_p=st.none() | st.floats(0.1, 1.0),
    repetition_penalty=st.none() | st.floats(1.0, 2.0),
    filters=st.sampled_from([[], [halved], [halved, halved]]),
    seed=st.integers(0, 2**40),
)
def test_what_is_streamed_is_the_sample(runs: dict[str, Run], kind: str, prompt: int, **keys: Any) -> None:
    begin = PROMPTS[kind][:prompt]
    pieces = list(runs[kind].stream(begin, **keys))
    (sample,) = runs[kind].sample(begin, **keys)
    assert "".join(pieces) == sample.text
    assert pieces[0] == begin
    assert len(pieces) <= 1 + keys["length"]


@shared
@given(
    kind=st.sampled_from(["stream", "documents"]),
    stop=st.text(st.sampled_from("the cat\n山月，。"), max_size=3),
    length=st.integers(1, 200),
    seed=st.integers(0, 2**40),
)
def test_stopped_it_is_the_sample_too(runs: dict[str, Run], kind: str, stop: str, length: int, seed: int) -> None:
    """And that is the sample without a stop, up to where the stop comes first."""
    run = runs[kind]
    keys: dict[str, Any] = {"length": length, "seed": seed}
    (sample,) = run.sample(**keys, stop=stop)
    assert "".join(run.stream(**keys, stop=stop)) == sample.text
    (whole,) = run.sample(**keys)
    before, found, _ = whole.text.partition(stop) if stop else (whole.text, "", "")
    assert sample.text == before + found


@pytest.mark.parametrize("kind", KINDS)
def test_two_streams_that_are_read_in_turns_do_not_disturb_each_other(runs: dict[str, Run], kind: str) -> None:
    seeds = (3, 4)
    alone = ["".join(runs[kind].stream(length=40, seed=seed)) for seed in seeds]
    streams = [runs[kind].stream(length=40, seed=seed) for seed in seeds]
    pieces = list(zip_longest(*streams, fillvalue=""))
    assert ["".join(column) for column in zip(*pieces, strict=True)] == alone
    assert alone[0] != alone[1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_given_is_as_the_config_has_it(runs: dict[str, Run], kind: str) -> None:
    run = runs[kind]
    own: dict[str, Any] = {"temperature": 0.4, "top_k": 3, "top_p": 0.9, "repetition_penalty": 1.3}
    sampling = run.config.sampling.model_copy(update={"prompt": PROMPTS[kind], "length": 23, **own})
    other = Run(run.path, run.config.model_copy(update={"sampling": sampling}), run.vocabulary, run.facts, "cpu")
    given_all = "".join(run.stream(PROMPTS[kind], length=23, seed=5, **own))
    assert "".join(other.stream(seed=5)) == given_all
    assert other.sample(seed=5)[0].text == given_all


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"length": 0}, "length=0"),
        ({"seed": -1}, "seed=-1"),
        ({"temperature": -1.0}, "temperature=-1"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_p": 1.5}, r"top_p=1\.5"),
        ({"prompt": "the 秋"}, r"秋\(U\+79CB\)"),
    ],
)
def test_what_is_refused_is_refused_in_both_ways(runs: dict[str, Run], keys: dict[str, Any], match: str) -> None:
    for write in (lambda: list(runs["stream"].stream(**keys)), lambda: runs["stream"].sample(**keys)):
        with pytest.raises(CharrnnError, match=match):
            write()


def test_an_unknown_character_of_a_prompt_is_replaced_where_that_was_asked_for(runs: dict[str, Run]) -> None:
    pieces = list(runs["stream"].stream("the 秋", length=9, unknown="replace"))
    assert pieces[0] == "the \ufffd"
    assert "".join(pieces) == runs["stream"].sample("the 秋", length=9, unknown="replace")[0].text


@pytest.mark.parametrize("kind", KINDS)
@shared
@given(text=st.text(st.sampled_from("the cat\n山秋🙂"), min_size=1, max_size=60).filter(str.strip))
def test_scored_in_any_pieces_it_is_what_was_evaluated(runs: dict[str, Run], kind: str, text: str) -> None:
    run, file = runs[kind], Path("text.txt")
    file.write_text(text, encoding="utf-8")
    whole, pieces = run.evaluate(file), {}
    by: By
    for by in ("line", "document", "character"):
        counted: list[int] = []
        rows = run.score(str(file), by, counted.append)
        pieces[by] = [row.text for row in rows]
        bits = np.concatenate([row.bits for row in rows])
        assert len(bits) == sum(counted) == whole.characters
        assert (bits > 0).all()
        assert bits.sum() * math.log(2) == pytest.approx(whole.nats, rel=1e-4)
    if kind == "stream":
        assert pieces == {"line": text.splitlines(keepends=True), "document": [text], "character": list(text)}
        assert [row.text for row in run.score(file)] == pieces["line"]
    for row in run.score(file):
        assert "".join(character for character, _ in row.characters) == row.text


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_text_is_named(runs: dict[str, Run], kind: str) -> None:
    Path("empty.txt").touch()
    for read in (lambda: runs[kind].score("empty.txt"), lambda: runs[kind].evaluate("empty.txt")):
        with pytest.raises(CharrnnError, match=r"empty\.txt"):
            read()


@shared
@given(kind=st.sampled_from(KINDS), text=st.text(st.sampled_from("the cat\n山秋"), max_size=60))
def test_what_was_compressed_a_run_that_is_opened_later_decompresses(
    runs: dict[str, Run], kind: str, text: str
) -> None:
    """Both are told of each character once, of a document's end too."""
    run, packing, unpacking = runs[kind], [0], [0]
    packed = run.compress(text.encode(), packing.append)
    assert charrnn.load(run.path, "cpu").decompress(packed, unpacking.append) == text.encode()
    characters = len(text.encode()) if kind == "byte" else len(text)
    if kind == "documents":
        characters = sum(len(document) + 1 for document in text.split("\n\n"))
    assert sum(packing) == sum(unpacking) == characters
    assert run.compress(text.encode()) == packed


@pytest.mark.parametrize("kind", KINDS)
def test_its_facts_are_those_of_its_text_and_its_model(runs: dict[str, Run], kind: str) -> None:
    run = runs[kind]
    dataset, facts = run.dataset(), run.facts
    assert facts.format == FORMAT
    assert facts.charrnn == charrnn.__version__
    assert facts.fingerprint == dataset.fingerprint
    assert facts.vocabulary == len(run.vocabulary.characters) == len(run.vocabulary) - 2
    assert facts.parameters == run.model.size > 0
    if kind != "documents":  # an n-gram counts its contexts
        assert facts.parameters == sum(weights.numel() for weights in run.model.parameters())
    for name, characters in facts.characters.items():
        part = dataset.part(name, run.config.corpus)
        assert characters == sum(end - start for start, end in part.spans.tolist())
    assert (facts.mode, run.is_documents) == (("documents", True) if kind == "documents" else ("stream", False))
    assert facts.documents == (80 if kind == "documents" else None)
    assert run.separator == ("\n\n" if kind == "documents" else None)
    assert (facts.plugin, facts.cell) == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_opened_again_it_is_the_same_run(runs: dict[str, Run], kind: str) -> None:
    run = runs[kind]
    again = charrnn.load(run.path, "cpu")
    assert (again.config, again.facts, again.path) == (run.config, run.facts, run.path)
    assert again.vocabulary.characters == run.vocabulary.characters
    assert again.history() == run.history() != []
    assert told(run) == run.facts.model_dump()
    assert len({other.facts.id for other in runs.values()}) == len(runs)


@settings(max_examples=10)
@given(size=st.integers(0, 2**62))
def test_its_size_is_noted_and_nothing_else_is_changed(runs: dict[str, Run], size: int) -> None:
    path = Path("copy")
    path.mkdir(exist_ok=True)
    for name in ("run.json", "config.yaml", "vocab.json"):
        (path / name).write_bytes((runs["stream"].path / name).read_bytes())
    run = charrnn.load(path, "cpu")
    grown = run.with_size(size)
    assert grown.facts == charrnn.load(path, "cpu").facts == run.facts.model_copy(update={"parameters": size})
    assert (grown.config, grown.path, grown.vocabulary) == (run.config, run.path, run.vocabulary)
    assert grown.with_size(size) is grown


def test_a_changed_config_is_kept(runs: dict[str, Run]) -> None:
    path = Path("copy")
    path.mkdir()
    for name in ("run.json", "config.yaml", "vocab.json"):
        (path / name).write_bytes((runs["stream"].path / name).read_bytes())
    run = charrnn.load(path, "cpu")
    longer = run.config.model_copy(update={"training": run.config.training.model_copy(update={"steps": 77})})
    before = (path / "run.json").read_bytes()
    assert run.with_config(longer).config == charrnn.load(path, "cpu").config == longer
    assert run.config.training.steps == 15
    assert (path / "run.json").read_bytes() == before


@pytest.mark.parametrize("version", [FORMAT + 1, 10**30, "1", None, 1.0, [1]])
def test_a_run_of_a_format_that_is_not_known_is_refused_before_anything_else(version: Any) -> None:
    Path("newer").mkdir()
    Path("newer/run.json").write_text(json.dumps({"format": version, "what": "else"}))
    with pytest.raises(CharrnnError, match="upgrade"):
        charrnn.load("newer", "cpu")


@pytest.mark.parametrize("key", ["id", "parameters", "fingerprint", "mode", "characters", "documents", "vocabulary"])
def test_a_fact_that_is_missing_is_named(runs: dict[str, Run], key: str) -> None:
    Path("run.json").write_text(json.dumps({k: v for k, v in told(runs["stream"]).items() if k != key}))
    with pytest.raises(CharrnnError, match=rf"run\.json: {key}"):
        read_record(Path("run.json"), Facts)


def test_facts_of_the_first_version_are_read(runs: dict[str, Run]) -> None:
    """Before `plugin` and `cell`."""
    old = {key: value for key, value in told(runs["stream"]).items() if key not in ("plugin", "cell")}
    Path("run.json").write_text(json.dumps(old))
    assert read_record(Path("run.json"), Facts) == runs["stream"].facts


@pytest.mark.parametrize("kind", KINDS)
def test_an_own_filter_decides_what_is_written_in_each_way_of_writing(runs: dict[str, Run], kind: str) -> None:
    run = runs[kind]
    (only,) = run.vocabulary.encode("\n")

    def one_character(log_probs: Floats) -> Floats:
        log_probs[:, np.arange(log_probs.shape[1]) != only] = -np.inf
        return log_probs

    written = run.sample("", length=20, filters=[one_character], samples=3)
    assert [one.text for one in written] == ["\n" * 20] * 3
    by_pytorch = Sampler(TorchStepper(run.model), run.vocabulary, Filters(own=[one_character]), run.is_documents)
    assert by_pytorch.sample([], 20, 0)[0].text == "\n" * 20
    plain = run.sample("", length=20, filters=[lambda log_probs: log_probs], seed=3, samples=2)
    assert [one.text for one in plain] == [one.text for one in run.sample("", length=20, seed=3, samples=2)]


def test_words_that_are_none_are_named(runs: dict[str, Run]) -> None:
    with pytest.raises(CharrnnError, match="split=validation: train, val or test"):
        runs["stream"].evaluate(split="validation")  # type: ignore[arg-type]
    with pytest.raises(CharrnnError, match="by=word: line, document or character"):
        runs["stream"].score("text.txt", by="word")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["stream", "documents"])
def test_a_writer_draws_what_sample_draws(runs: dict[str, Run], kind: str) -> None:
    run = runs[kind]
    writer = run.writer(PROMPTS[kind], seed=5, temperature=0.9)
    for one in run.sample(PROMPTS[kind], seed=5, temperature=0.9, samples=3):
        writer.write("end")
        assert writer.text == one.text
        writer.cut(len(PROMPTS[kind]))


def test_a_writer_of_verse_is_that_of_the_run_and_its_journal_brings_it_back(runs: dict[str, Run]) -> None:
    run = runs["documents"]
    writer = run.writer(seed=2)
    writer.set_form("5x2", acrostic="山月")
    writer.write("end")
    constraint = run.verse("5x2", acrostic="山月", seed=2)
    assert writer.text == run.sample("", seed=2, constraint=constraint)[0].text
    again = run.writer()
    again.replay(json.loads(json.dumps(writer.journal)))
    assert again.text == writer.text and again.is_whole and again.form == writer.form


@pytest.mark.parametrize("how", [{"seed": -1}, {"temperature": -1}, {"top_k": 0}])
def test_a_writer_refuses_what_sample_refuses(runs: dict[str, Run], how: dict[str, Any]) -> None:
    with pytest.raises(CharrnnError):
        runs["stream"].writer(**how)


def test_a_bidirectional_model_has_no_writer(tmp_path: Path) -> None:
    run = trained(tmp_path / "both", TEXT, model={"hidden_size": 8, "bidirectional": True})
    with pytest.raises(CharrnnError, match="bidirectional model cannot write"):
        run.writer()
