"""Which unit of a network does what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from charrnn.report.chapters.parts import command, heading, note, table, verdict
from charrnn.report.coloured import STEPS, Shade
from charrnn.report.controls import LAST
from charrnn.report.features import Feature, Words
from charrnn.report.followers import LEAST, Follower
from charrnn.report.neurons import Neurons, neurons
from charrnn.report.neurons_shown import excerpts
from charrnn.report.page import both
from charrnn.report.units import Unit
from charrnn.run import Run

CHARACTERS, SHUFFLES = 8_000, 100
"""What is looked at, and how often labels are shifted. `charrnn inspect neurons` takes more of both."""
LONG = 240
"""The most characters of the text that is coloured by a unit."""
LEVELS = 9
"""The number of colours on each side of nothing, as in style.css."""


@dataclass(frozen=True)
class Live:
    """A model of the page."""

    place: int
    """Which one of the page's models."""
    units: Sequence[Sequence[Any]]
    """Its registers, as `packing.units` has them."""

    def register(self, unit: Unit) -> str | None:
        """The name of the register that holds a unit."""
        end = f".{unit.layer}.{unit.name}"
        return next((name for name, *_ in self.units if f".{name}".endswith(end)), None)


def units(run: Run, quotes: bool, live: Live | None, progress: Callable[[int], None]) -> tuple[str, int]:
    """The units that follow something beyond the controls, and how many characters of the text are shown.

    Without `quotes` none are. Raises CharrnnError for a model without units, and where too little is held out.
    """
    result = neurons(run, characters=CHARACTERS, shuffles=SHUFFLES, progress=progress, gates=False)
    parts = [heading("Which unit does what?", "哪个神经元管什么？", 3), _found(result, quotes)]
    quoted = 0
    for place, one in enumerate(result.followers):
        if one.is_found:
            text = excerpts(result, place, 1, LONG)[0] if quotes else []
            quoted += len(text)
            parts.append(_unit(one, text, live))
    return "".join([*parts, _others(result, quotes), _said(run, result)]), quoted


def _found(result: Neurons, quotes: bool) -> str:
    """What was found, in a sentence."""
    if not result.found:
        looked = [_name(one.feature, quotes) for one in result.followers]
        if not looked:
            return verdict(
                "Nothing that a unit could follow occurs often enough in this text.",
                "这段文字里没有出现得够多、可供神经元跟踪的东西。",
            )
        names = Words(", ".join(one.english for one in looked), "、".join(one.chinese for one in looked))
        return verdict(
            f"No unit was found that follows something beyond the controls. Looked for: {escape(names.english)}.",
            f"没有神经元胜过对照。找过：{escape(names.chinese)}。",
        )
    used_first = sorted(result.found, key=lambda one: (not one.is_confirmed, not one.is_used))
    told = [(one, _name(one.feature, quotes), _use(one)) for one in used_first]
    english = "; ".join(f"{one.unit} follows “{name.english}”: {use.english}" for one, name, use in told)
    chinese = "；".join(f"{_unit_in_chinese(one.unit)}跟踪“{name.chinese}”：{use.chinese}" for one, name, use in told)
    return verdict(f"{escape(english)}.", f"{escape(chinese)}。")


def _name(feature: Feature, quotes: bool) -> Words:
    """What a feature is called; without `quotes` nothing of the text is in it."""
    if quotes or not feature.quoted:
        return feature.said
    return Words(
        feature.said.english.replace(feature.quoted, "one speaker"),
        feature.said.chinese.replace(feature.quoted, "某人"),
    )


def _unit_in_chinese(unit: Unit) -> str:
    return f"第 {unit.layer + 1} 层 {unit.name}[{unit.index}]"


def _unit(one: Follower, text: Sequence[Shade], live: Live | None) -> str:
    """A unit that was found: how well it follows, what overwriting it costs, and text coloured by it."""
    said = one.feature.said if text else _name(one.feature, False)
    title = heading(f"{escape(said.english)}: {one.unit}", f"{escape(said.chinese)}：{_unit_in_chinese(one.unit)}", 4)
    english = f"Take a place where this holds and one where it does not: in {100 * one.auc:.0f} of 100 such pairs the "
    english += (
        f"unit is {'higher' if one.high else 'lower'} at the first (AUC {one.auc:.3f}). Chance is 50, and the best "
    )
    english += f"control reaches {100 * one.best_control:.0f}."
    chinese = f"任取一处符合、一处不符合：100 对中有 {100 * one.auc:.0f} 对，前者的数值更{'高' if one.high else '低'}"
    chinese += f"（AUC {one.auc:.3f}）。瞎猜是 50，最好的对照是 {100 * one.best_control:.0f}。"
    if one.opposite is not None:
        here, there = one.opposite.concerned, one.opposite.elsewhere
        concerning = one.feature.concerning
        english += (
            f" Overwritten with the opposite, it costs {here:+.3f} bits per character at {concerning.english}, and "
        )
        english += f"{there:+.3f} elsewhere: {_use(one).english}."
        chinese += (
            f"改写成相反的值：{concerning.chinese}处每字 {here:+.3f} 比特，别处 {there:+.3f}：{_use(one).chinese}。"
        )
    return f"<div>{title}<p>{both(english, chinese)}</p>{_coloured(text)}{_button(one.unit, live)}</div>"


def _use(one: Follower) -> Words:
    """What overwriting a unit says."""
    if one.is_confirmed:
        return Words("the network uses it", "网络确实在用它")
    if one.is_used:
        return Words("as much depends on it elsewhere", "别处同样依赖它")
    return Words("nothing depends on it (a bystander)", "没有什么依赖它（旁观者）")


def _coloured(text: Sequence[Shade]) -> str:
    """A text coloured by a unit."""
    if not text:
        return ""
    pieces = []
    for one in text:
        own = escape("↵\n" if one.text == "\n" else one.text)
        own = f"<u>{own}</u>" if one.marked else own
        level = round(LEVELS * abs(one.step) / STEPS)
        pieces.append(f'<i class="{"n" if one.step < 0 else "p"}{level}">{own}</i>' if level else own)
    legend = both(
        "from the lowest value in this text (blue) to the highest (red); <u>underlined</u>: where this holds",
        "由本段中的最低值（蓝）到最高值（红）；<u>下划线</u>：符合之处",
    )
    return f'<div class="quote">{"".join(pieces)}</div><p class="legend">{legend}</p>'


def _button(unit: Unit, live: Live | None) -> str:
    """What selects a unit in the model of the page, where one is there."""
    register = None if live is None else live.register(unit)
    if live is None or register is None:
        return ""
    data = f'data-model="{live.place}" data-register="{escape(register)}" data-unit="{unit.index}"'
    return f'<p><button class="see" {data}>{both("See it in the live model", "在模型里看它")}</button></p>'


def _others(result: Neurons, quotes: bool) -> str:
    """The best unit of each feature with its controls."""
    rows = []
    for one in result.followers:
        if one.is_too_seldom:
            continue
        name = _name(one.feature, quotes)
        values = [f"{value:.3f}" for value in (one.auc, one.untrained, one.shifted, one.last_eight)]
        beyond = both("yes", "是") if one.is_found else both("no", "否")
        rows.append(
            [
                both(escape(name.english), escape(name.chinese)),
                both(str(one.unit), _unit_in_chinese(one.unit)),
                *values,
                beyond,
            ]
        )
    seldom = _seldom([_name(one.feature, quotes) for one in result.followers if one.is_too_seldom])
    if not rows:
        return seldom
    head = [
        *(both("looked for", "找什么"), both("best unit", "最好的神经元"), "AUC"),
        *(both("untrained", "未训练"), both("shifted", "错位"), both(f"last {LAST}", f"前 {LAST} 字")),
        both("beyond all", "胜过全部"),
    ]
    return table(head, rows, (2, 3, 4, 5)) + seldom


def _seldom(names: Sequence[Words]) -> str:
    """What the table leaves out, and why."""
    if not names:
        return ""
    english, chinese = ", ".join(one.english for one in names), "、".join(one.chinese for one in names)
    return note(
        f"Not in the table: {escape(english)}. The text has too few such places to tell: shifted labels do as well "
        "by chance, or a unit that one half chooses fails on the other.",
        f"不列入表中：{escape(chinese)}。这段文字里这样的地方太少，说明不了什么：随意错位的标签也同样好，"
        "或在一半上选出的神经元，到另一半便不成立。",
    )


def _said(run: Run, result: Neurons) -> str:
    """How it was found, and how sure that is."""
    return note(
        f"{result.units:,} units were looked at on {result.characters:,} held-out characters: half choose the unit, "
        "half measure it. The controls: the best unit of the same network untrained; the best for "
        f"{result.shuffles} shifts of the labels; a predictor that sees the last {LAST} characters. A unit counts from "
        f"an AUC of {LEAST:g} that is {result.margin:.3f} above all three; fewer characters ask for more. What would "
        f"refute it: another text on which a control does as well. The whole, on more text: {command(run, 'neurons')}",
        f"在 {result.characters:,} 个留出字符上看了 {result.units:,} 个神经元：一半用来挑选，一半用来检验。"
        "对照：未训练的同一网络里最好的一个；"
        f"标签错位 {result.shuffles} 次里最好的一个；只看前 {LAST} 字的预测器。AUC 至少 {LEAST:g}，"
        f"且比三者都高 {result.margin:.3f} 才算，字数越少要求越高。反证：换一段文字，对照同样好。"
        f"用更多文字的完整测量：{command(run, 'neurons')}",
    )
