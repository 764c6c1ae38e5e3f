"""The exported folder: a run that writes the same, without what is only the trainer's, under a card that says it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import charrnn
from charrnn.errors import CharrnnError
from charrnn.export.about import About
from charrnn.export.folder import export_folder

POEMS = "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。\n\n"


def trained(model: dict[str, Any], text: str = "to be, or not to be? ", prompt: str = "") -> charrnn.Run:
    Path("private").mkdir(exist_ok=True)
    Path("private/novel.txt").write_text(text * 60, encoding="utf-8")
    small = {"hidden_size": 8, "embedding_size": 4} if model["cell"] != "ngram" else {}
    config = {
        "corpus": {"path": "private/novel.txt"},
        "model": small | model,
        "training": {"steps": 4, "batch_size": 4, "window": 8, "evaluate_every": "1 steps", "keep": 9},
        "sampling": {"length": 20, "prompt": prompt},
    }
    return charrnn.train(config, out="run", quiet=True)


def front(folder: Path) -> dict[str, Any]:
    """The YAML at the top of a card."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    match = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    assert match
    found: dict[str, Any] = yaml.safe_load(match[1])
    return found


@pytest.mark.parametrize("model", [{"cell": "gru"}, {"cell": "slstm"}, {"cell": "ngram"}, {"cell": "rnn", "ngram": {}}])
def test_it_writes_and_measures_as_the_run_does(model: dict[str, Any]) -> None:
    run = trained(model)
    export_folder(run, Path("made"), About.of(run))
    run = charrnn.load("run", "cpu")
    made = charrnn.load("made", "cpu")
    assert made.checkpoint.step == run.checkpoint.step
    assert [s.text for s in made.sample("to", samples=3)] == [s.text for s in run.sample("to", samples=3)]
    assert made.evaluate("private/novel.txt").nats == run.evaluate("private/novel.txt").nats
    assert made.history() == run.history()
    assert made.sample(length=20, seed=1)[0].text.strip() in Path("made/README.md").read_text(encoding="utf-8")


def test_one_checkpoint_without_its_optimizer() -> None:
    run = trained({"cell": "lstm"})
    step = str(run.checkpoints.kept()[1].step)
    chosen = charrnn.load("run", "cpu", step)
    made = export_folder(chosen, Path("made"), About.of(chosen))
    assert [str(one.step) for one in made.checkpoints.kept()] == [step]
    assert made.sample("to")[0].text == chosen.sample("to")[0].text
    assert sum(f.stat().st_size for f in Path("made").rglob("*.safetensors")) < 5 * made.facts.parameters + 2000
    with pytest.raises(CharrnnError, match=r"holds the weights alone.*init_from=made"):
        charrnn.resume("made", steps=9, overrides=["corpus.path=private/novel.txt"], quiet=True)
    again = charrnn.train(chosen.config, steps=1, init_from="made", out="again", quiet=True)
    assert again.facts.init_from == run.facts.id


def test_no_folder_of_the_user_is_named_anywhere() -> None:
    run = trained({"cell": "rnn"})
    assert str(Path.cwd()) in (run.path / "config.yaml").read_text(encoding="utf-8")
    export_folder(run, Path("made"), About.of(run))
    for file in Path("made").rglob("*"):
        if file.is_file():
            assert str(Path.cwd()).encode() not in file.read_bytes(), file
            assert b"private" not in file.read_bytes(), file
    assert "novel.txt" in Path("made/README.md").read_text(encoding="utf-8")


def test_the_card_is_one_that_hugging_face_reads() -> None:
    run = trained({"cell": "mingru", "ngram": {"order": 3}}, POEMS, "床")
    export_folder(run, Path("made"), About.of(run, licence="cc0-1.0"))
    told = front(Path("made"))
    assert told["license"] == "cc0-1.0"
    assert told["language"] == ["zh"]
    assert (told["library_name"], told["pipeline_tag"]) == ("charrnn", "text-generation")
    assert {"char-rnn", "mingru", "n-gram"} <= set(told["tags"])
    (result,) = told["model-index"][0]["results"]
    best = min(line["val_bits_per_char"] for line in run.history() if "val_loss" in line)
    assert result["metrics"][0]["value"] == best
    card = Path("made/README.md").read_text(encoding="utf-8")
    assert "which can be read from them" in card and "床" in card
    hub = pytest.importorskip("huggingface_hub", reason="its own reader of cards")
    assert hub.ModelCard(card).data.to_dict()["license"] == "cc0-1.0"


def test_what_is_not_known_is_not_said() -> None:
    run = trained({"cell": "gru", "bidirectional": True})
    export_folder(run, Path("made"), About.of(run))
    told = front(Path("made"))
    assert told["license"] == "unknown" and "language" not in told
    assert told["pipeline_tag"] == "fill-mask"
    assert "model-index" not in told  # a pseudo-likelihood is no figure beside others
    card = Path("made/README.md").read_text(encoding="utf-8")
    assert "charrnn fill made" in card and "## A sample" not in card


@pytest.mark.parametrize(
    "prompt", ["a\nb\tc\\n", "```\n# not a heading", "'; rm -rf x; '", '"quoted" \\', "--- \n---\n"], ids=repr
)
def test_no_prompt_breaks_a_card(prompt: str) -> None:
    import shlex

    from charrnn.cli.options import unescaped

    run = trained({"cell": "rnn"}, f"to be or not, {prompt}", prompt)
    export_folder(run, Path("it's - made"), About.of(run))
    card = (Path("it's - made") / "README.md").read_text(encoding="utf-8")
    assert front(Path("it's - made"))["library_name"] == "charrnn"
    blocks = re.findall(r"^(`{3,})(\w+)\n(.*?)\n\1$", card, re.DOTALL | re.MULTILINE)
    assert [block[1] for block in blocks] == ["sh", "python", "text"]
    words = shlex.split(blocks[0][2])
    assert words[:3] == ["charrnn", "sample", "it's - made"]
    assert unescaped(words[words.index("--prompt") + 1]) == prompt
    compile(blocks[1][2], "card", "exec")
    assert json.dumps(prompt, ensure_ascii=False) in blocks[1][2]


def test_nothing_is_replaced_and_nothing_half_written(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained({"cell": "rnn"})
    Path("mine").mkdir()
    with pytest.raises(CharrnnError, match="mine: exists already"):
        export_folder(run, Path("mine"), About.of(run))
    with pytest.raises(CharrnnError, match="none/made: cannot be written: No such file"):
        export_folder(run, Path("none/made"), About.of(run))
    before = set(Path().iterdir())

    def broken(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("charrnn.export.folder.card", broken)
    with pytest.raises(CharrnnError, match="made: cannot be written: No space left"):
        export_folder(run, Path("made"), About.of(run))
    assert set(Path().iterdir()) == before


def test_a_link_in_a_strangers_run_is_not_followed() -> None:
    run = trained({"cell": "rnn"})
    Path("secret").write_text("secret", encoding="utf-8")
    (run.path / "samples.txt").unlink(missing_ok=True)
    (run.path / "samples.txt").symlink_to(Path("secret").absolute())
    export_folder(run, Path("made"), About.of(run))
    assert not Path("made/samples.txt").exists()


@pytest.mark.parametrize("wrong", [{"licence": "MIT License"}, {"licence": ""}, {"language": "English"}])
def test_identifiers_are_checked(wrong: dict[str, str]) -> None:
    with pytest.raises(CharrnnError, match=f"^{next(iter(wrong))}=.* was expected"):
        About.of(trained({"cell": "rnn"}), **wrong)
