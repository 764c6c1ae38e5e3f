"""How a training went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from charrnn.report.chapters.making import corpus_of
from charrnn.report.chapters.parts import heading, in_bits, name_of, note, table, verdict
from charrnn.report.page import both
from charrnn.report.svg import Curve, chart
from charrnn.run import Run
from charrnn.store.history import read_history
from charrnn.training.closing import verdict_of

HISTORY = 20_000_000
"""The most bytes of metrics.jsonl that are read, the last ones."""
SPENT = 0.05
"""The share of its highest value below which a learning rate has run out."""


def stopped(run: Run) -> str:
    """When the training stopped improving, in a sentence."""
    judged = verdict_of(run)
    if run.config.model.cell == "ngram":
        return verdict("An n-gram counts once: it has learnt all that it can.", "n-gram 只数一遍，能学的都已学到。")
    if judged is None:
        return verdict("Nothing is held out to evaluate on, or no evaluation was made.", "没有留出文本，或尚未评估。")
    best, last = judged.best, judged.last
    bits, end = in_bits(best.nats), in_bits(last.nats)
    minutes = {line["step"]: line["minutes"] for line in read_history(run.metrics, "val_loss", HISTORY)}
    at = f"step {best.step:,} of {last.step:,}", f"第 {best.step:,} 步（共 {last.step:,} 步）"
    if best.step in minutes:
        at = f"{at[0]} ({minutes[best.step]:.1f} minutes)", f"{at[1]}，{minutes[best.step]:.1f} 分钟"
    close = in_bits(judged.tolerance)
    more = _more(run)
    said = {
        "once": (f"It was evaluated once: {bits} bits per character.", f"只评估过一次：每字 {bits} 比特。"),
        "falling": (
            f"It was still improving in its last third: best at {at[0]}, {bits} bits per character. {more[0]}",
            f"最后三分之一仍在进步：最好在{at[1]}，每字 {bits} 比特。{more[1]}",
        ),
        "settled": (
            f"It had all but stopped improving: the last third gained less than {close} bits. Best at {at[0]}, "
            f"{bits} bits per character.",
            f"已基本停止进步：最后三分之一的收益不到 {close} 比特。最好在{at[1]}，每字 {bits} 比特。",
        ),
        "risen": (
            f"It stopped improving at {at[0]}: {bits} bits per character there, {end} at the end.",
            f"在{at[1]}之后不再进步：当时每字 {bits} 比特，结束时 {end}。",
        ),
    }
    said["risen from the start"] = said["risen"]
    english, chinese = said[judged.trend]
    if judged.by_heart:
        english += " It knows its own text by heart, and other text the worse for it."
        chinese += "它已背下训练文本，对别的文本反而更差。"
    elif judged.underfit and judged.trend != "falling":
        english += " It knows its own text no better than the held-out part: a larger model, or more time, could help."
        chinese += "它对训练文本并不比对留出文本更熟：更大的模型或更长的训练会有帮助。"
    if last.level is not None:
        assert last.network is not None and last.ngram is not None
        network, ngram = in_bits(last.network), in_bits(last.ngram)
        english += f" The network alone is {last.level if last.level != 'equal' else 'as good'} "
        english += f"{'as' if last.level == 'equal' else 'than'} counting ({network}, the n-gram {ngram})."
        how = {"worse": "不如", "equal": "相当于", "better": "胜过"}[last.level]
        chinese += f"网络单独{how}计数（{network}，n-gram {ngram}）。"
    return verdict(english, chinese)


def _more(run: Run) -> tuple[str, str]:
    """Whether a training that was still improving should get more time, in both languages.

    A curve flattens where its learning rate has run out, and does not tell how it would have gone on with a higher one.
    """
    rates = [line["learning_rate"] for line in read_history(run.metrics, "learning_rate", HISTORY)]
    if rates and rates[-1] < SPENT * max(rates):
        return (
            "Its learning rate had run out by then, as planned: whether more time helps, only a longer training tells.",
            "学习率此时已按计划降到尽头：延长训练是否更好，要练过才知道。",
        )
    return "More time should help.", "延长训练应当更好。"


def curves(runs: Sequence[Run]) -> str:
    """The loss, the learning rate and the gradient's norm of some trainings."""
    loss: list[Curve] = []
    rates: list[Curve] = []
    norms: list[Curve] = []
    marks: list[float] = []
    for i, run in enumerate(runs):
        lines = list(read_history(run.metrics, last=HISTORY))
        name = f"{escape(name_of(run))}: " if len(runs) > 1 else ""
        steps = [line for line in lines if "loss" in line]
        evaluated = [line for line in lines if "val_bits_per_char" in line]
        held_out = _points(evaluated, "val_bits_per_char")
        if run.config.model.cell == "ngram":
            loss.append(Curve(name + both("n-gram", "n-gram"), held_out[-1:], i, "level"))
            continue
        if len(runs) == 1:
            learnt = _below(_points(steps, "bits_per_char"), [bits for _, bits in held_out])
            loss.append(Curve(both("on its own text", "训练文本"), learnt, i + 1, "faint"))
        loss.append(Curve(name + both("on held-out text", "留出文本"), held_out, i))
        if evaluated and "aside_ngram" in evaluated[-1]:
            level = [(0.0, evaluated[-1]["aside_ngram"] / math.log(2))]
            words = both("the n-gram alone (on a piece set aside)", "只用 n-gram（在另留的一段上）")
            loss.append(Curve(name + words, level, i + 2 if len(runs) == 1 else i, "level"))
        rates.append(Curve(name + both("learning rate", "学习率"), _points(steps, "learning_rate"), i))
        norms.append(Curve(name + both("gradient norm", "梯度范数"), _points(steps, "gradient_norm"), i))
        if len(runs) == 1 and held_out:
            marks = [min(held_out, key=lambda point: point[1])[0]]
            if run.config.training.clip_norm is not None:
                clip = both("clipped above", "高于此则截断")
                norms.append(Curve(clip, [(0.0, run.config.training.clip_norm)], 1, "level"))
    minutes = both("minutes", "分钟")
    made = chart(loss, minutes, both("bits per character", "每字比特"), 300, marks=marks)
    if not made:
        return ""
    norm = both("norm of the gradient, on a logarithmic axis", "梯度范数（对数轴）")
    more = chart(rates, minutes, both("learning rate", "学习率"), 240) + chart(norms, minutes, norm, 240, log=True)
    more = f'<div class="pair">{more}</div>'
    hint = note(
        "Lower is better. Bits say how well the next character is predicted: one bit less halves the number of "
        "characters among which the network hesitates." + (" The dotted line is the best step." if marks else ""),
        "越低越好。比特数表示预测下一个字的把握：少一比特，犹豫的范围就减半。"
        + ("虚线是最好的一步。" if marks else ""),
    )
    return heading("The training", "训练过程") + hint + made + more


def _below(points: Sequence[tuple[float, float]], held_out: Sequence[float]) -> Sequence[tuple[float, float]]:
    """Points without the steep beginning, beside which nothing else in the chart could be told apart."""
    if len(held_out) < 2:
        return points
    top = max(held_out) + max(0.5, max(held_out) - min(held_out))
    return [point for point in points if point[1] <= top]


def _points(lines: Sequence[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(line["minutes"], line[key]) for line in lines if key in line]


def standings(runs: Sequence[Run]) -> str:
    """A table of several runs."""
    rows = []
    for run in runs:
        bits = run.best_bits
        shown = "–" if bits is None else f"{bits:.3f}"
        corpus = escape(corpus_of(run))
        rows.append(
            [escape(name_of(run)), escape(run.config.model.describe()), f"{run.facts.parameters:,}", corpus, shown]
        )
    head = [both("run", "运行"), both("model", "模型"), both("parameters", "参数"), both("corpus", "语料")]
    texts = {run.facts.fingerprint for run in runs}
    warned = (
        note("Runs on different texts must not be ranked together.", "语料不同，分数不可相比。")
        if len(texts) > 1
        else ""
    )
    return table([*head, both("best bits per character", "最好的每字比特")], rows, (2, 4)) + warned
