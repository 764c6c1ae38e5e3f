"""What a model finds hard in text that it has not learnt from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from charrnn.generation.filters import Doubles
from charrnn.report.chapters.parts import heading, note, shown, table, verdict
from charrnn.report.measures import Read
from charrnn.report.page import both
from charrnn.run import Run
from charrnn.text.forms import is_ideograph
from charrnn.text.vocab import Vocabulary

LEVELS = 9
"""The number of colours for surprise, as in style.css and try.js."""
RARE = 8
"""The fewest occurrences of a character whose mean says something."""
HARDEST = 12
"""The number of characters in the table."""


def surprise(run: Run, read: Read) -> str:
    """A passage of held-out text, coloured by surprise."""
    passage = read.passage()
    most = 1.2 * math.log2(len(run.vocabulary))
    pieces: list[str] = []
    before = ""
    for text, bits in _pieces(run.vocabulary, passage):
        own = f"h{max(0, min(LEVELS, round(LEVELS * bits / most)))}"
        seen = escape("↵\n" if text == "\n" else text)
        if own == before:
            pieces[-1] += seen
        else:
            pieces.append(f'</i><i class="{own}">{seen}' if before else f'<i class="{own}">{seen}')
        before = own
    mean = sum(bits for _, bits in passage) / len(passage)
    scale = "".join(f'<i class="h{level}">&emsp;</i>' for level in range(LEVELS + 1))
    return (
        heading("Held-out text, coloured by surprise", "留出文本，按意外程度着色", 3)
        + f'<p class="legend">{both("expected ", "意料之中 ")}{scale}{both(" surprising", " 出乎意料")}</p>'
        + f'<div class="quote">{"".join(pieces)}</i></div>'
        + note(
            f"Text that it has never trained on: {len(passage):,} characters, {mean:.2f} bits each."
            + (" ¶ is the end of a document." if run.is_documents else ""),
            f"它从未学过的文字：{len(passage):,} 字，平均每字 {mean:.2f} 比特。"
            + ("¶ 表示一篇结束。" if run.is_documents else ""),
        )
    )


def _pieces(vocabulary: Vocabulary, passage: Sequence[tuple[int, float]]) -> Iterator[tuple[str, float]]:
    decoder, gathered = vocabulary.decoder(), 0.0
    for one, bits in passage:
        gathered += bits
        text = "¶\n" if one == vocabulary.boundary else decoder.add(one)
        if text:
            yield text, gathered
            gathered = 0.0


def hardest(run: Run, read: Read) -> str:
    """The kinds of places, and the characters, that cost the most bits."""
    ids, bits = read.all_ids, read.all_bits
    counts = np.bincount(ids, minlength=len(run.vocabulary))
    sums = np.bincount(ids, bits, minlength=len(run.vocabulary))
    often, rare = counts >= RARE, (counts > 0) & (counts < RARE)
    order = sorted(np.flatnonzero(often).tolist(), key=lambda one: -sums[one] / counts[one])[:HARDEST]
    costs: list[tuple[str, float, int]] = [
        (f"<b>{shown(run.vocabulary, one)}</b>", sums[one], counts[one]) for one in order
    ]
    if rare.any():
        few = int(rare.sum())
        name = both(f"the {few:,} that came fewer than {RARE} times", f"出现不到 {RARE} 次的 {few:,} 个")
        costs.append((name, sums[rare].sum(), counts[rare].sum()))
    kinds = _kinds(run, read)
    characters = table(_head("character", "字符"), _rows(costs, bits), (1, 2, 3))
    often_enough = note(
        f"The hardest of those that came at least {RARE} times, and all rarer ones in one row.",
        f"出现至少 {RARE} 次者中最难的几个；更少见的合为一行。",
    )
    places = table(
        _head("place", "位置"), _rows([(both(*kind), own, count) for kind, own, count in kinds], bits), (1, 2, 3)
    )
    return (
        heading("What it finds hard", "什么最难", 3)
        + note(
            f"Over {len(ids):,} held-out characters, from places spread over all that is held out.",
            f"据 {len(ids):,} 个留出字符，取自留出部分各处。",
        )
        + _hardest(kinds, bits)
        + f'<div class="pair"><div>{heading("By place", "按位置", 4)}{places}</div>'
        + f"<div>{heading('By character', '按字符', 4)}{characters}{often_enough}</div></div>"
    )


def _hardest(kinds: Sequence[tuple[Kind, float, int]], bits: Doubles) -> str:
    """The kind of place that costs most, in a sentence."""
    often = [one for one in kinds if one[2] >= RARE]
    if not often:
        return ""
    (english, chinese), own, count = often[0]
    each, mean = own / count, bits.mean()
    return verdict(
        f"By place, this is the hardest: {english}, {each:.2f} bits each. The mean of all is {mean:.2f}.",
        f"按位置，最难的是{chinese}：每个 {each:.2f} 比特；全部平均 {mean:.2f}。",
    )


def _head(english: str, chinese: str) -> list[str]:
    return [
        both(english, chinese),
        both("bits each", "每个比特"),
        both("share of all bits", "占全部比特"),
        both("times", "次数"),
    ]


def _rows(costs: Sequence[tuple[str, float, int]], bits: Doubles) -> list[list[str]]:
    """The hardest first, each with its bits in all and its occurrences."""
    whole = bits.sum() or 1.0
    ordered = sorted(costs, key=lambda cost: -cost[1] / cost[2])
    return [[name, f"{own / count:.2f}", f"{100 * own / whole:.0f} %", f"{count:,}"] for name, own, count in ordered]


Kind = tuple[str, str]
END: Kind = ("end of the document", "篇末")
LINE_END: Kind = ("line end", "行末换行")
SPACE: Kind = ("space", "空格")
MARK: Kind = ("punctuation and signs", "标点符号")
FIRST: Kind = ("first letter of a word", "词首字母")
SECOND: Kind = ("second letter", "第二个字母")
LATER: Kind = ("later letters", "其后的字母")
UNKNOWN: Kind = ("unknown character", "未知字符")


def _kinds(run: Run, read: Read) -> list[tuple[Kind, float, int]]:
    """The kinds of places with their bits and how often they came, the hardest first."""
    bits: dict[Kind, float] = {}
    counts: Counter[Kind] = Counter()
    for ids, costs in zip(read.ids, read.bits, strict=True):
        within = 0  # how many letters, or characters of a verse, come before this one without a break
        for one, own in zip(ids.tolist(), costs.tolist(), strict=True):
            kind, within = _kind(run.vocabulary, one, within)
            bits[kind] = bits.get(kind, 0.0) + own
            counts[kind] += 1
    ordered = sorted(bits, key=lambda kind: -bits[kind] / counts[kind])
    return [(kind, bits[kind], counts[kind]) for kind in ordered]


def _kind(vocabulary: Vocabulary, one: int, within: int) -> tuple[Kind, int]:
    """The kind of a place, and how many letters now stand before the next one."""
    if one == vocabulary.boundary:
        return END, 0
    if one == vocabulary.unknown:
        return UNKNOWN, 0
    character = vocabulary.characters[one]
    if character == "\n":
        return LINE_END, 0
    if is_ideograph(character):
        place = within + 1
        if place > 7:
            return ("Chinese character after a seventh", "句中第八字以后"), place
        return (f"Chinese character {place} after a mark", f"句中第 {place} 字"), place
    if character.isspace():
        return SPACE, 0
    if not character.isalnum() and character != "'":
        return MARK, 0
    return (FIRST, SECOND, LATER)[min(2, within)], within + 1
