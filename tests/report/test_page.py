"""The page is one file that asks nobody for anything, and in which nothing of a run becomes code."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.errors import CharrnnError
from charrnn.report.document import report
from charrnn.report.page import data, page
from charrnn.run import Run

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'\u2028{{policy}}$1\\"
TEXT = f"{EVIL}\nthe cat sat on the mat.\n" * 60


class Elements(HTMLParser):
    """The elements of a page, and the text of its scripts."""

    VOID = frozenset({"meta", "input", "br", "img", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


def trained(folder: Path, text: str, name: str = "run", **sections: Any) -> Run:
    folder.mkdir()
    (folder / "text.txt").write_text(text, encoding="utf-8")
    base: dict[str, Any] = {
        "corpus": {"path": str(folder / "text.txt")} | sections.pop("corpus", {}),
        "model": {"hidden_size": 12, "embedding_size": 6},
        "training": {
            "steps": 20,
            "batch_size": 4,
            "window": 12,
            "learning_rate": 0.05,
            "kernels": "plain",
            "sample_every": "25%",
            "evaluate_every": "25%",
            "log_every": 2,
        },
        "sampling": {"prompt": "the", "length": 17},
    }
    return charrnn.train(charrnn.Config.model_validate(base | sections), out=folder / name, quiet=True, device="cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("pages")
    alone: dict[str, Any] = {"sampling": {"prompt": "", "length": 17}}
    return {
        "evil": trained(folder / "evil", TEXT, '<script>alert("name")<'),
        "mixture": trained(
            folder / "mixture", TEXT, model={"hidden_size": 12, "embedding_size": 6, "ngram": {"order": 3}}
        ),
        "ngram": trained(folder / "ngram", TEXT, model={"cell": "ngram", "order": 3}),
        "both": trained(folder / "both", TEXT, model={"cell": "gru", "hidden_size": 8, "bidirectional": True}, **alone),
        "poems": trained(folder / "poems", "山高水長。\n\n月下還鄉。\n\n" * 60, corpus={"mode": "documents"}, **alone),
        "bytes": trained(folder / "bytes", TEXT + "é秋", vocab={"kind": "byte"}),
        "whole": trained(folder / "whole", TEXT, corpus={"split": [1, 0, 0]}),
    }


def check(text: str) -> Elements:
    """Holds a page against what every page must be."""
    elements = Elements(text)
    assert not elements.open, elements.open
    kinds = [attributes.get("type") for tag, attributes in elements.tags if tag == "script"]
    assert kinds == ["application/json", "text/plain", "text/plain", None, None]
    policy = next(a["content"] for tag, a in elements.tags if tag == "meta" and "content-security" in str(a).lower())
    assert policy is not None
    hashes = re.findall(r"'sha256-(.*?)'", policy)
    for script in filter(None, elements.scripts[3:]):
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in hashes
    assert "default-src 'none'" in policy and "'unsafe-eval'" not in policy
    assert not re.search(r"script-src[^;]*unsafe", policy)
    for tag, attributes in elements.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert not {"src", "href", "action", "srcset"} & set(attributes), (tag, attributes)
        assert tag not in ("img", "link", "iframe", "object", "base", "form")
    assert not re.search(r"@import|url\(", text.partition("</style>")[0])
    return elements


@pytest.mark.parametrize("quotes", [True, False])
def test_a_report_of_any_run_is_one_page_in_which_only_our_scripts_run(runs: dict[str, Run], quotes: bool) -> None:
    for name, run in runs.items():
        made = report([run], quotes)
        models = json.loads(check(made.html).scripts[0])
        assert len(models) == (name not in ("ngram", "both")), name
        own = [why for why in made.left_out if "to tell what a unit follows" not in why]  # of so short a text
        assert bool(own) == (name in ("ngram", "both", "whole")), (name, own)
        assert ("How far back does it look?" in made.html) == (name not in ("both", "whole")), name
        assert bool(made.quoted) == (quotes and name not in ("both", "whole")), name
        assert str(run.path.parent) not in made.html, name  # which would say where somebody keeps things


def test_several_runs_are_in_one_page(runs: dict[str, Run]) -> None:
    made = report(list(runs.values()))
    assert len(json.loads(check(made.html).scripts[0])) == len(runs) - 2
    assert {Path(name).name for name in made.quoted} <= {run.path.name for run in runs.values()}


def test_without_quotes_no_held_out_text_is_shown(tmp_path: Path) -> None:
    secret = "pqrstuvwxyz"
    run = trained(tmp_path / "own", "the cat sat.\n" * 300 + f"the {secret} sat.\n" * 33, corpus={"holdout": "tail"})

    def shows(text: str) -> bool:
        return secret in re.sub(r"<[^>]*>", "", text.partition("<main>")[2].partition("<script")[0])

    assert shows(report([run]).html)
    assert not shows(report([run], quotes=False).html)


def test_the_model_alone_is_a_page_too_and_one_that_cannot_run_is_refused(runs: dict[str, Run]) -> None:
    for name in ("evil", "mixture", "poems", "bytes", "whole"):
        models = json.loads(check(page(runs[name])).scripts[0])
        assert models[0]["mixture"] == (name == "mixture")
    for name in ("ngram", "both"):
        with pytest.raises(CharrnnError, match="does not run in a page"):
            page(runs[name])


def test_a_large_model_is_rounded_unless_it_is_asked_not_to_be(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def precision(text: str) -> str:
        return str(json.loads(check(text).scripts[0])[0]["plan"]["type"])

    assert precision(page(runs["evil"])) == "float32"
    assert precision(page(runs["evil"], "float16")) == "float16"
    monkeypatch.setattr("charrnn.report.page.LIMIT", 0)
    assert precision(page(runs["evil"])) == "float16"
    assert precision(page(runs["evil"], "float32")) == "float32"


def test_json_in_a_script_cannot_end_it() -> None:
    for text in (EVIL, "<!--<script>", "\u2029]]>"):
        assert "<" not in data([text]) and json.loads(data([text])) == [text]


def test_a_broken_run_is_told_and_breaks_no_report(runs: dict[str, Run], tmp_path: Path) -> None:
    run = runs["evil"]
    (run.path / "samples.txt").write_bytes(b"=== step 1\n\xff\xfe" + EVIL.encode() + b"\n=== step x\n=== step 2\n")
    metrics = run.path / "metrics.jsonl"
    lines = metrics.read_bytes()
    metrics.write_bytes(b'{"step": 1, "minutes": 1e400}\nnonsense\n' + lines[: len(lines) // 2])
    check(report([run]).html)
    metrics.unlink()
    check(report([run]).html)
    metrics.write_bytes(lines)
    lost = replace(run, facts=run.facts.model_copy(update={"fingerprint": "0" * 64}))
    assert any("not in the cache" in why for why in report([lost]).left_out)
