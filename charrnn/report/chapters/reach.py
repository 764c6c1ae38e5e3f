"""How far back a model looks."""

from __future__ import annotations

import math
from collections.abc import Callable

from charrnn.report.chapters.parts import command, heading, note, table, verdict
from charrnn.report.memory import TARGETS, TOLERANCE, Memory, memory, part_of, targets_of
from charrnn.report.page import both
from charrnn.report.svg import Curve, chart
from charrnn.run import Run

SAMPLE = TARGETS // 2
"""The number of held-out characters that are predicted. `charrnn inspect memory` predicts `TARGETS`."""


def reach(run: Run, progress: Callable[[int], None]) -> str:
    """The bits per character when only the last k characters are known, and the span. Raises CharrnnError."""
    found = memory(run, targets_of(part_of([run])[0], SAMPLE), progress=progress)
    places = [math.log2(k) for k in found.known]
    curves = [
        Curve(both("the last k characters known", "只知前 k 字"), list(zip(places, found.bits, strict=True))),
        Curve(both("everything known", "前文全知"), [(0.0, found.everything)], 1, "level"),
    ]
    drawn = chart(
        curves,
        both("k, the number of known characters", "所知的字数 k"),
        both("bits per character", "每字比特"),
        marks=[] if found.span is None else [math.log2(found.span)],
        ticks={math.log2(k): str(k) for k in found.known},
    )
    rows = [
        [str(k), f"{bits:.3f}", f"{bits - found.everything:+.3f}", f"{error:.3f}"]
        for k, bits, error in zip(found.known, found.bits, found.errors, strict=True)
    ]
    head = [
        "k",
        both("bits per character", "每字比特"),
        both("above everything", "比全知多"),
        both("± error", "± 误差"),
    ]
    return (
        heading("How far back does it look?", "它往回看多远？", 3)
        + _span(found)
        + drawn
        + f"<details><summary>{both('Figures', '数字')}</summary>{table(head, rows, (0, 1, 2, 3))}</details>"
        + note(
            f"{found.targets:,} held-out characters, each predicted from nothing but the last k before it, and again "
            f"from all that stands before. The span is the smallest k from which on at most {TOLERANCE:g} bits are "
            "lost. ± is one standard error: on other text of this kind, the figure rarely differs by more than twice "
            "that. What would refute it: predictions that get better beyond the span, on more text or on another one. "
            f"The whole: {command(run, 'memory')}",
            f"预测 {found.targets:,} 个留出字符：先只给前 k 字，再给全部前文。跨度是最小的 k，自它起损失不超过 "
            f"{TOLERANCE:g} 比特。± 是一倍标准误：换一段同类文字，相差很少超过它的两倍。"
            "反证：在更多或别的文本上，超出跨度仍有进步。"
            f"完整测量：{command(run, 'memory')}",
        )
    )


def _span(found: Memory) -> str:
    """How far back it looks, in a sentence."""
    if found.span is None:
        most, lost = found.known[-1], found.bits[-1] - found.everything
        return verdict(
            f"It looks back further than {most} characters: with these alone, it still loses {lost:.3f} bits each.",
            f"它往回看不止 {most} 字：只知这些，每字仍多 {lost:.3f} 比特。",
        )
    place = found.known.index(found.span)
    near = found.known[place - 1] if place else 0
    lost, error = (found.bits[place - 1] - found.everything, found.errors[place - 1]) if place else (0.0, 0.0)
    is_sure = lost - 2 * error > TOLERANCE
    english = f"It looks back {f'more than {near} and ' if is_sure else ''}at most {found.span} "
    english += (
        f"character{'s' if found.span > 1 else ''} (only powers of two are tried): with these {found.span} alone, "
    )
    english += f"it predicts within {TOLERANCE:g} bits as well as with everything."
    chinese = (
        f"它往回看{f'超过 {near} 字、' if is_sure else ''}至多 {found.span} 字（只试 2 的幂）：只知这 {found.span} 字，"
    )
    chinese += f"与全知相差不到每字 {TOLERANCE:g} 比特。"
    if place:
        english += f" With the last {near} alone, it loses {lost:.3f} ± {error:.3f} bits per character"
        chinese += f"只知前 {near} 字，每字多 {lost:.3f} ± {error:.3f} 比特"
        english += "." if is_sure else f": on another text, {near} may do."
        chinese += "。" if is_sure else f"：换一段文字，{near} 字也许就够。"
    return verdict(english, chinese)
