"""The words for a training's evaluations: the only place that chooses them, for the log and for the closing line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from charrnn.training.verdict import Evaluation, Past, Verdict, judge

FALLING, SETTLED, BY_HEART = "still falling", "settled", "knows its text by heart"


def course(verdict: Verdict) -> str:
    """What the curve of the validation loss says; nothing after one evaluation."""
    if verdict.trend == "once":
        return ""
    if verdict.trend == "falling":
        return FALLING
    if verdict.trend == "settled":
        return SETTLED
    return f"{no_better_since(verdict.best)}: {BY_HEART}" if verdict.by_heart else no_better_since(verdict.best)


def no_better_since(best: Evaluation) -> str:
    """What is said where the loss has risen."""
    return f"no better since step {best.step:,}"


def level(evaluation: Evaluation) -> str:
    """How the network alone stands to the n-gram beside it; nothing where there is none.

    Only there is the level of an n-gram known. Counting one for other trainings would take memory, and the cores, of a
    training that is to be compared with others by its minutes.
    """
    standing = evaluation.level
    if standing is None:
        return ""
    how = {"worse": "worse than counting", "equal": "as good as counting", "better": "better than counting"}[standing]
    return f"the network alone is {how}"


class Words:
    """Says in words what each evaluation of a training means, where it is something new."""

    def __init__(self, history: Iterable[dict[str, Any]] = ()) -> None:
        """`history` are the lines of metrics.jsonl until now, of a training that goes on."""
        self._past = Past(history)
        self._said = self._words()

    def add(self, line: dict[str, Any]) -> str:
        """Takes the metrics of a step or an evaluation, as metrics.jsonl has them, and gives the new words for it."""
        self._past.add(line)
        if "val_loss" not in line:
            return ""
        before, self._said = self._said, self._words()
        return "; ".join(word for word, old in zip(self._said, before, strict=True) if word and word != old)

    def _words(self) -> tuple[str, str]:
        verdict = judge(self._past.evaluations)
        return ("", "") if verdict is None else (course(verdict), level(verdict.last))
