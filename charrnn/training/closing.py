"""The line with which a training closes: what its evaluations say, and what its user can do."""

from __future__ import annotations

import math
import shlex

from charrnn.run import Run
from charrnn.store.checkpoint import Summary
from charrnn.store.history import read_history
from charrnn.training.verdict import Evaluation, Verdict, evaluations_of, judge
from charrnn.training.wording import BY_HEART, course, level, no_better_since


def verdict_of(run: Run) -> Verdict | None:
    """The verdict on the training of a run; None before its first evaluation."""
    return judge(evaluations_of(read_history(run.metrics)))


def closing_line(run: Run, standing: Summary) -> str:
    """The verdict on the training of a run in words. `standing` says where the training stands."""
    verdict = verdict_of(run)
    if run.config.model.cell == "ngram":
        return "an n-gram counts once: it has learnt all that it can from this text"
    if verdict is not None and verdict.trend in ("risen", "risen from the start"):
        return _risen(run, verdict)
    if not standing.finished:
        return f"not finished, at step {standing.step:,}; go on with: {_resume(run)}"
    if not run.facts.characters["val"]:
        return f"finished; nothing is held out to evaluate on, and samples come from the last step, {standing.step:,}"
    if verdict is None or verdict.trend == "once":
        return "finished; one evaluation does not show whether more time would help (training.evaluate_every)"
    best, last, bits = verdict.best, verdict.last, _bits(verdict.last.nats)
    ended = _ended(run, verdict)
    patience = f"--set training.patience={2 * (run.config.training.patience or 1)} " if ended else ""
    more = f"{_resume(run)} {patience}{_longer(run, standing)}"
    if verdict.trend == "falling":
        return "; ".join(
            [f"{ended}{course(verdict)} at {bits} bits/char", *_level(last), f"more time should help: {more}"]
        )
    said = [f"{ended}{course(verdict)} at {bits} bits/char: the last third gained less than {_bits(verdict.tolerance)}"]
    said += _level(last)
    if best != last:
        said.append(f"samples come from the best, step {best.step:,}")
    if verdict.underfit and last.train is not None:
        train = _bits(last.train)
        said.append(f"it knows its own text no better (train {train}): more time or a larger model should help: {more}")
    return "; ".join(said)


def next_command(run: Run) -> str:
    """The command with which a user goes on after a training."""
    path = shlex.quote(str(run.path))
    if run.config.model.bidirectional:
        return f'fill blanks with it: charrnn fill {path} "a text with a blank ＿"'
    return f"write with it: charrnn sample {path}"


def _risen(run: Run, verdict: Verdict) -> str:
    best, last = verdict.best, verdict.last
    first = ", the first evaluation" if verdict.trend == "risen from the start" else ""
    said = [
        f"{_ended(run, verdict)}{no_better_since(best)} of {last.step:,}{first} "
        f"({_bits(best.nats)}, at the end {_bits(last.nats)} bits/char)",
        "samples come from it, --checkpoint last takes the last",
        *_level(last),
    ]
    if verdict.by_heart and last.train is not None:
        said.append(f"the text is small, and the network {BY_HEART} (train {_bits(last.train)})")
    if first and not run.is_documents:
        said.append("if what is held out is another kind of text, see corpus.holdout")
    if first:
        said.append("if the text is too small to hold out a part, --set 'corpus.split=[1, 0, 0]' learns all of it")
    return "; ".join(said)


def _level(last: Evaluation) -> list[str]:
    """How the network stands to the n-gram beside it, with both losses; nothing where there is none."""
    if last.network is None or last.ngram is None:
        return []
    return [f"{level(last)} ({_bits(last.network)}, the n-gram {_bits(last.ngram)})"]


def _ended(run: Run, verdict: Verdict) -> str:
    patience = run.config.training.patience
    if patience is None or verdict.since_best < patience:
        return ""
    return f"ended by training.patience: {patience}; "


def _resume(run: Run) -> str:
    return f"charrnn train --resume {shlex.quote(str(run.path))}"


def _longer(run: Run, standing: Summary) -> str:
    """The option that makes the training twice as long, in the unit in which it has ended."""
    training = run.config.training
    time_was_left = training.minutes is None or standing.seconds < 60 * training.minutes
    if time_was_left and training.steps is not None:
        return f"--set training.steps={2 * training.steps}"
    if time_was_left and training.epochs is not None:
        return f"--set training.epochs={2 * training.epochs:g}"
    return f"--minutes {2 * (training.minutes or 0):g}"


def _bits(nats: float) -> str:
    return f"{nats / math.log(2):.3f}"
