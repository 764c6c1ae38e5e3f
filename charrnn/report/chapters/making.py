"""What a run is made of, and how to make it again."""

from __future__ import annotations

import re
from html import escape

from charrnn.loading import dump
from charrnn.report.chapters.parts import heading, note, table
from charrnn.report.page import both
from charrnn.run import Run


def facts(run: Run) -> str:
    """Architecture, corpus, licence, and how to make the run again."""
    own, config = run.facts, run.config
    last = run.checkpoints.summary("last")
    sizes = own.characters
    licence = _licence(run)
    machine = own.machine.model_dump() if own.machine else {}
    rows = [
        [both("model", "模型"), escape(config.model.describe())],
        [both("parameters", "参数"), f"{own.parameters:,}"],
        [both("corpus", "语料"), escape(corpus_of(run))],
        *([[both("licence", "许可"), escape(licence)]] if licence else []),
        [
            both("characters", "字符"),
            both(
                f"{sizes['train']:,} to train, {sizes['val']:,} held out, {sizes['test']:,} to test",
                f"训练 {sizes['train']:,}，留出 {sizes['val']:,}，测试 {sizes['test']:,}",
            ),
        ],
        [both("alphabet", "字表"), f"{own.vocabulary:,}"],
        [
            both("trained", "训练"),
            both(
                f"{last.step:,} steps in {last.seconds / 60:.1f} minutes",
                f"{last.step:,} 步，{last.seconds / 60:.1f} 分钟",
            ),
        ],
        [both("weights of", "权重取自"), both(f"step {run.checkpoint.step:,}", f"第 {run.checkpoint.step:,} 步")],
        [both("made with", "软件"), escape(f"charrnn {own.charrnn}, PyTorch {own.torch}")],
        *([[both("machine", "机器"), escape(f"{machine['processor']}, {machine['device']}")]] if machine else []),
        [both("text's fingerprint", "文本指纹"), f"<code>{escape(own.fingerprint[:16])}</code>"],
    ]
    again = note(
        "To make it again: save this config as again.yaml, and run <code>charrnn train again.yaml</code>.",
        "重做一遍：把下面的配置存为 again.yaml，运行 <code>charrnn train again.yaml</code>。",
    )
    shown = f"<details><summary>config.yaml</summary><pre>{escape(_config(run))}</pre></details>"
    return heading("What it is, and how to make it again", "它是什么，如何重做", 3) + table([], rows) + again + shown


def _config(run: Run) -> str:
    """The run's config, with the names of its files and without their folders, which say where somebody lives."""
    corpus = run.config.corpus
    given = [corpus.path] if isinstance(corpus.path, str) else corpus.path
    names = None if given is None else [_last(one) for one in given]
    path = names[0] if names and isinstance(corpus.path, str) else names
    validation = corpus.validation
    other = [_last(one) for one in ([validation] if isinstance(validation, str) else validation or [])]
    plain = {"path": path, "validation": other[0] if isinstance(validation, str) else other or None}
    return dump(run.config.model_copy(update={"corpus": corpus.model_copy(update=plain)}))


def corpus_of(run: Run) -> str:
    """The corpus by its name, or by the names of its files."""
    corpus = run.config.corpus
    if corpus.name:
        return corpus.name
    paths = [corpus.path] if isinstance(corpus.path, str) else corpus.path or []
    return ", ".join(map(_last, paths))


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _licence(run: Run) -> str:
    """The licence of a named corpus, as the register has it."""
    from charrnn.text.corpora import register

    entry = register().get(run.config.corpus.name or "")
    return entry.licence if entry is not None else ""
