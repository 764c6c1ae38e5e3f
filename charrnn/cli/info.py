"""`charrnn info`."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from charrnn.cli.options import Checkpoint, Json, Plugin, RunFolder
from charrnn.cli.output import show, show_json

if TYPE_CHECKING:
    from charrnn.run import Run
    from charrnn.store.checkpoint import Summary

Line = dict[str, Any]
GLIMPSE = 30
"""The most characters of an alphabet that are shown."""
MOST = 1000
"""The most evaluations that are shown, the last ones."""


def info(run: RunFolder, checkpoint: Checkpoint = "best", plugin: Plugin = None, as_json: Json = False) -> None:
    """Describe a run: architecture, corpus, vocabulary, how its training ended, its checkpoints and evaluations."""
    from charrnn.run import load
    from charrnn.terminal import table
    from charrnn.training.closing import closing_line

    opened = load(run, "cpu", checkpoint)
    if as_json:
        show_json(document(opened))
        return
    evaluations = _evaluations(opened)
    last = opened.checkpoints.summary("last")
    saved = _checkpoints(opened, evaluations)
    show(table(_rows(opened, last, evaluations)) + "\n\n" + closing_line(opened, last))
    if saved:
        head = ["checkpoint", "val nats", "val bits/char", "MB", ""]
        show("\n" + table([head, *([str(one["step"]), *_losses(one), *_size(one)] for one in saved)]))
    if evaluations:
        head = ["step", "minutes", "epochs", "val nats", "val bits/char"]
        shown = [[f"{e['step']:,}", f"{e['minutes']:.1f}", f"{e['epochs']:.2f}", *_losses(e)] for e in evaluations]
        show("\n" + table([head, *shown]))


def _evaluations(run: Run) -> list[Line]:
    from charrnn.store.history import read_history

    return list(deque(read_history(run.metrics, "val_loss"), MOST))


def document(run: Run) -> Line:
    """A run and its figures, for JSON."""
    from charrnn.training.closing import closing_line, verdict_of

    evaluations, last = _evaluations(run), run.checkpoints.summary("last")
    saved = _checkpoints(run, evaluations)
    verdict = verdict_of(run)
    return {
        "run": str(run.path),
        **run.facts.model_dump(exclude={"plugin", "cell"}),
        "model": run.config.model.model_dump(),
        "corpus": run.config.corpus.model_dump(),
        "training": run.config.training.model_dump(),
        "vocabulary_size": len(run.vocabulary),
        "headings": run.headings.model_dump() if run.headings else None,
        "steps": last.step,
        "minutes": last.seconds / 60,
        "best_loss": last.best,
        "trend": verdict.trend if verdict else None,
        "verdict": closing_line(run, last),
        "step": run.checkpoint.step if saved else None,
        "checkpoints": saved,
        "history": evaluations,
    }


def _rows(run: Run, last: Summary, evaluations: list[Line]) -> list[list[str]]:
    facts, config = run.facts, run.config
    sizes, best = facts.characters, last.best
    path = config.corpus.path or []
    corpus = config.corpus.name or ", ".join([path] if isinstance(path, str) else path)
    alphabet = f"{facts.vocabulary:,} {run.vocabulary.kind}s{_glimpse(run.vocabulary.characters)}"
    rare = [["", str(facts.rare)]] if facts.rare else []
    begun = [["begun", f"with the weights of run {facts.init_from}"]] if facts.init_from else []
    loss = "not evaluated yet" if sizes["val"] else "nothing is held out to evaluate on"
    if best is not None:
        loss = f"{best:.4f} nats = {best / math.log(2):.4f} bits per character"
    return [
        ["run", str(run.path)],
        ["model", config.model.describe()],
        ["parameters", f"{facts.parameters:,}"],
        ["corpus", f"{corpus} ({facts.mode})"],
        *_text(run),
        ["characters", f"{sizes['train']:,} to train, {sizes['val']:,} to validate, {sizes['test']:,} to test"],
        ["vocabulary", alphabet],
        *rare,
        *([["headings", str(run.headings)]] if run.headings else []),
        *begun,
        ["trained", f"{last.step:,} steps in {last.seconds / 60:.1f} minutes"],
        ["best", loss],
        *_parts(evaluations),
        ["taken", "no checkpoint yet" if run.checkpoints.none_yet else f"the checkpoint of step {run.checkpoint}"],
    ]


def _text(run: Run) -> list[list[str]]:
    """How a text of the user's own is encoded, where the held-out parts lie, and which bytes did not decode."""
    facts, corpus = run.facts, run.config.corpus
    told = [["held out", corpus.holdout or "tail"]] if facts.mode == "stream" else []
    if corpus.path is not None and run.vocabulary.kind == "char":
        told.append(["encoding", facts.recognised or corpus.encoding])
    if facts.damage is not None:
        told.append(["damage", f"{facts.damage} (corpus.errors: {corpus.errors})"])
    return told


def _parts(evaluations: list[Line]) -> list[list[str]]:
    """What the experts of a mixture give, each alone and all together, at the last evaluation."""
    if not evaluations or "aside_both" not in evaluations[-1]:
        return []
    bits = {name: nats / math.log(2) for name, nats in evaluations[-1].items() if name.startswith("aside_")}
    told = "network alone {aside_network:.3f} bits per character, n-gram alone {aside_ngram:.3f}, "
    if "aside_recent" in bits:
        told += "with what was read lately {aside_recent:.3f}, "
    told += (
        "together {aside_both:.3f}, on a piece of the training part that was set aside and not learnt from (best is on "
    )
    told += "the held-out part)"
    return [["parts", told.format(**bits)], *_kept(evaluations[-1])]


def _kept(line: Line) -> list[list[str]]:
    """What the counts of another run, which stand behind those of the text, give to the n-gram."""
    if "kept_weight" not in line:
        return []
    before = line["aside_ngram_unkept"] / math.log(2)
    told = "the counts of the run that it began from, behind its own, with the weight {:.3g}; without them the n-gram "
    told += "alone would give {:.3f}"
    return [["kept", told.format(line["kept_weight"], before)]]


def _checkpoints(run: Run, evaluations: list[Line]) -> list[Line]:
    """The checkpoints of a run. The losses are those of the evaluation at the same step, if there was one."""
    measured = {line["step"]: line for line in evaluations}
    return [
        {
            "step": one.step,
            "val_loss": measured.get(one.step, {}).get("val_loss"),
            "val_bits_per_char": measured.get(one.step, {}).get("val_bits_per_char"),
            "best": one.is_best,
            "last": one.is_last,
            "bytes": one.bytes,
        }
        for one in run.checkpoints.kept()
    ]


def _losses(line: Line) -> list[str]:
    losses = (line["val_loss"], line["val_bits_per_char"])
    return ["–" if loss is None else f"{loss:.4f}" for loss in losses]


def _size(saved: Line) -> list[str]:
    return [f"{saved['bytes'] / 1e6:.1f}", ", ".join(name for name in ("best", "last") if saved[name])]


def _glimpse(characters: list[str]) -> str:
    """The characters that one sees, or some from all places of the alphabet, and that these are not all."""
    shown = [c for c in characters if c.isprintable() and not c.isspace()]
    if len(shown) <= GLIMPSE:
        return f": {''.join(shown)}"
    some = [shown[i * len(shown) // GLIMPSE] for i in range(GLIMPSE)]
    return f", {GLIMPSE} of them: {''.join(some)} ..."
