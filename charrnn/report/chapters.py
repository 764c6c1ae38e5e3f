"""The chapters of a report, as HTML in both languages.

Whatever comes from a run, from its text or its name, is escaped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.errors import CharrnnError
from charrnn.loading import dump
from charrnn.report.measures import Read
from charrnn.report.page import both
from charrnn.report.svg import Curve, chart
from charrnn.run import Run
from charrnn.store.checkpoint import WEIGHTS
from charrnn.store.history import read_history
from charrnn.store.weights import load_arrays
from charrnn.text.forms import is_ideograph
from charrnn.text.vocab import Vocabulary
from charrnn.training.closing import verdict_of

HISTORY = 20_000_000
"""The most bytes of metrics.jsonl that are read, the last ones."""
SAMPLES, SAMPLE = 1_000_000, 600
"""The most bytes of samples.txt that are read, and the most characters of a sample that are shown."""
OVER_TIME = 6
"""The most samples of the training that are shown."""
TEMPERATURES = (0.3, 0.6, 0.9, 1.2)
WRITTEN = 300
"""The most characters of a sample at each temperature."""
LEVELS = 9
"""The number of colours for surprise, as in style.css and try.js."""
RARE = 8
"""The fewest occurrences of a character whose mean says something."""
HARDEST, NEIGHBOURS, NEAREST = 12, 16, 5


def heading(english: str, chinese: str, level: int = 2) -> str:
    """A heading in both languages."""
    return f"<h{level}>{both(english, chinese)}</h{level}>"


def note(english: str, chinese: str) -> str:
    """A line in small letters."""
    return f'<p class="hint">{both(english, chinese)}</p>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of HTML; `numbers` are the columns that are set to the right."""

    def cell(kind: str, column: int, text: str) -> str:
        return f"<{kind}{' class=number' if column in numbers else ''}>{text}</{kind}>"

    lines = [f"<tr>{''.join(cell('th', i, text) for i, text in enumerate(head))}</tr>"] if head else []
    lines += [f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>" for row in rows]
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


# ---- the training


def verdict(run: Run) -> str:
    """When the training stopped improving, in a sentence."""
    judged = verdict_of(run)
    if run.config.model.cell == "ngram":
        return _verdict("An n-gram counts once: it has learnt all that it can.", "n-gram 只数一遍，能学的都已学到。")
    if judged is None:
        return _verdict("Nothing is held out to evaluate on, or no evaluation was made.", "没有留出文本，或尚未评估。")
    best, last = judged.best, judged.last
    bits, end = _bits(best.nats), _bits(last.nats)
    minutes = {line["step"]: line["minutes"] for line in read_history(run.metrics, "val_loss", HISTORY)}
    at = f"step {best.step:,} of {last.step:,}", f"第 {best.step:,} 步（共 {last.step:,} 步）"
    if best.step in minutes:
        at = f"{at[0]} ({minutes[best.step]:.1f} minutes)", f"{at[1]}，{minutes[best.step]:.1f} 分钟"
    close = _bits(judged.tolerance)
    said = {
        "once": (f"It was evaluated once: {bits} bits per character.", f"只评估过一次：每字 {bits} 比特。"),
        "falling": (
            f"It had not stopped improving: best at {at[0]}, {bits} bits per character. More time should help.",
            f"训练结束时仍在进步：最好在{at[1]}，每字 {bits} 比特。延长训练应当更好。",
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
        network, ngram = _bits(last.network), _bits(last.ngram)
        english += f" The network alone is {last.level if last.level != 'equal' else 'as good'} "
        english += f"{'as' if last.level == 'equal' else 'than'} counting ({network}, the n-gram {ngram})."
        how = {"worse": "不如", "equal": "相当于", "better": "胜过"}[last.level]
        chinese += f"网络单独{how}计数（{network}，n-gram {ngram}）。"
    return _verdict(english, chinese)


def _verdict(english: str, chinese: str) -> str:
    return f'<p class="verdict">{both(english, chinese)}</p>'


def curves(runs: Sequence[Run]) -> str:
    """The loss, the learning rate and the gradient's norm of some trainings."""
    loss: list[Curve] = []
    rates: list[Curve] = []
    norms: list[Curve] = []
    marks: list[float] = []
    for i, run in enumerate(runs):
        lines = list(read_history(run.metrics, last=HISTORY))
        name = f"{escape(_name(run))}: " if len(runs) > 1 else ""
        steps = [line for line in lines if "loss" in line]
        evaluated = [line for line in lines if "val_bits_per_char" in line]
        held_out = _points(evaluated, "val_bits_per_char")
        if run.config.model.cell == "ngram":
            loss.append(Curve(name + both("n-gram", "n-gram"), held_out[-1:], i, "level"))
            continue
        if len(runs) == 1:
            loss.append(Curve(both("on its own text", "训练文本"), _points(steps, "bits_per_char"), i + 1, "faint"))
        loss.append(Curve(name + both("on held-out text", "留出文本"), held_out, i))
        if evaluated and "aside_ngram" in evaluated[-1]:
            level = [(0.0, evaluated[-1]["aside_ngram"] / math.log(2))]
            words = both("the n-gram alone (on a piece set aside)", "只用 n-gram（在另留的一段上）")
            loss.append(Curve(name + words, level, i + 2, "level"))
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
    more = chart(rates, minutes, both("learning rate", "学习率"), 170)
    more += chart(
        norms, minutes, both("norm of the gradient, on a logarithmic axis", "梯度范数（对数轴）"), 200, log=True
    )
    hint = note(
        "Lower is better. Bits say how well the next character is predicted: one bit less halves the number of "
        "characters among which the network hesitates." + (" The dotted line is the best step." if marks else ""),
        "越低越好。比特数表示预测下一个字的把握：少一比特，犹豫的范围就减半。"
        + ("虚线是最好的一步。" if marks else ""),
    )
    return heading("The training", "训练过程") + hint + made + more


def _points(lines: Sequence[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(line["minutes"], line[key]) for line in lines if key in line]


def standings(runs: Sequence[Run]) -> str:
    """A table of several runs."""
    rows = []
    for run in runs:
        bits = run.best_bits
        shown = "–" if bits is None else f"{bits:.3f}"
        corpus = escape(_corpus(run))
        rows.append(
            [escape(_name(run)), escape(run.config.model.describe()), f"{run.facts.parameters:,}", corpus, shown]
        )
    head = [both("run", "运行"), both("model", "模型"), both("parameters", "参数"), both("corpus", "语料")]
    texts = {run.facts.fingerprint for run in runs}
    warned = (
        note("Runs on different texts must not be ranked together.", "语料不同，分数不可相比。")
        if len(texts) > 1
        else ""
    )
    return table([*head, both("best bits per character", "最好的每字比特")], rows, (2, 4)) + warned


# ---- what it writes


def over_time(run: Run) -> str:
    """The samples that the model wrote during its training."""
    found = _samples(run.path / "samples.txt")
    if not found:
        return ""
    if len(found) > OVER_TIME:
        found = [found[i * (len(found) - 1) // (OVER_TIME - 1)] for i in range(OVER_TIME)]
    shown = [
        f"<div><h4>{both(f'step {step:,}', f'第 {step:,} 步')}</h4><pre>{escape(_cut(text))}</pre></div>"
        for step, text in found
    ]
    return (
        heading("What it wrote as it learnt", "边学边写", 3)
        + note("Samples from one prompt, in the order of the training.", "同一开头，按训练先后。")
        + f'<div class="samples">{"".join(shown)}</div>'
    )


def _samples(file: Path) -> list[tuple[int, str]]:
    try:
        with file.open("rb") as stream:
            text = stream.read(SAMPLES).decode("utf-8", "replace")
    except OSError:
        return []
    parts = re.split(r"^=== step (\d{1,15})\n", text, flags=re.MULTILINE)[1:]
    return [(int(step), own.strip("\n")) for step, own in zip(parts[::2], parts[1::2], strict=True)]


def by_temperature(run: Run) -> str:
    """The same seed at several temperatures. Raises CharrnnError where the model does not write."""
    shown = []
    length = min(WRITTEN, run.config.sampling.length)
    for temperature in TEMPERATURES:
        text = run.sample(temperature=temperature, length=length, seed=0, unknown="skip")[0].text
        shown.append(f"<div><h4>{temperature}</h4><pre>{escape(_cut(text))}</pre></div>")
    return (
        heading("By temperature", "温度的影响", 3)
        + note(
            "The same random numbers at each temperature: low is careful and repeats itself, high is bold and errs.",
            "随机数相同，只变温度：低则谨慎、重复，高则大胆、出错。",
        )
        + f'<div class="samples">{"".join(shown)}</div>'
    )


# ---- what it finds hard


def surprise(run: Run, read: Read) -> str:
    """A passage of held-out text, coloured by surprise."""
    passage = read.passage()
    most = 1.2 * math.log2(len(run.vocabulary))
    pieces: list[str] = []
    before = ""
    for text, bits in _pieces(run.vocabulary, passage):
        own = f"h{max(0, min(LEVELS, round(LEVELS * bits / most)))}"
        shown = escape("↵\n" if text == "\n" else text)
        if own == before:
            pieces[-1] += shown
        else:
            pieces.append(f'</i><i class="{own}">{shown}' if before else f'<i class="{own}">{shown}')
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
    often = np.flatnonzero(counts >= RARE)
    order = often[np.argsort(-(sums[often] / counts[often]), kind="stable")][:HARDEST]
    rows = [
        [f"<b>{_shown(run.vocabulary, one)}</b>", f"{sums[one] / counts[one]:.2f}", f"{counts[one]:,}"]
        for one in order.tolist()
    ]
    head = [both("character", "字符"), both("bits each", "每个比特"), both("times", "次数")]
    often_enough = note(f"The hardest of those that came at least {RARE} times.", f"出现至少 {RARE} 次者中最难的几个。")
    kinds = table(
        [
            both("place", "位置"),
            both("bits each", "每个比特"),
            both("share of all bits", "占全部比特"),
            both("times", "次数"),
        ],
        _kinds(run, read),
        (1, 2, 3),
    )
    return (
        heading("What it finds hard", "什么最难", 3)
        + note(
            f"Over {len(ids):,} held-out characters, each text read from a fresh state.",
            f"据 {len(ids):,} 个留出字符，每段从头读起。",
        )
        + f'<div class="pair"><div>{heading("By place", "按位置", 4)}{kinds}</div>'
        + f"<div>{heading('By character', '按字符', 4)}{table(head, rows, (1, 2))}{often_enough}</div></div>"
    )


Kind = tuple[str, str]
END: Kind = ("end of the document", "篇末")
LINE_END: Kind = ("line end", "行末换行")
SPACE: Kind = ("space", "空格")
MARK: Kind = ("punctuation and signs", "标点符号")
FIRST: Kind = ("first letter of a word", "词首字母")
SECOND: Kind = ("second letter", "第二个字母")
LATER: Kind = ("later letters", "其后的字母")
UNKNOWN: Kind = ("unknown character", "未知字符")


def _kinds(run: Run, read: Read) -> list[list[str]]:
    """The kinds of places with their bits, those with most of all bits first."""
    totals: dict[Kind, list[float]] = {}
    for ids, bits in zip(read.ids, read.bits, strict=True):
        within = 0  # how many letters, or characters of a verse, come before this one without a break
        for one, own in zip(ids.tolist(), bits.tolist(), strict=True):
            kind, within = _kind(run.vocabulary, one, within)
            total = totals.setdefault(kind, [0.0, 0])
            total[0] += own
            total[1] += 1
    all_bits = sum(own for own, _ in totals.values()) or 1.0
    ordered = sorted(totals.items(), key=lambda item: -item[1][0])
    return [
        [both(*kind), f"{own / count:.2f}", f"{100 * own / all_bits:.0f} %", f"{int(count):,}"]
        for kind, (own, count) in ordered
    ]


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


# ---- what it holds alike


def neighbours(run: Run, read: Read | None) -> str:
    """The characters whose vectors in the embedding are nearest; nothing for a model without one."""
    weights = load_arrays(run.checkpoint.folder / WEIGHTS)
    vectors = weights.get("embedding.weight", weights.get("network.embedding.weight"))
    if vectors is None or vectors.shape[1] < 2:
        return ""
    vocabulary, count = run.vocabulary, len(run.vocabulary.characters)
    unit = vectors[:count].astype(np.float64)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    order = np.arange(count)
    if read is not None:
        order = np.argsort(-np.bincount(read.all_ids, minlength=count)[:count], kind="stable")
    letters = [i for i in order.tolist() if vocabulary.characters[i].isalnum()] or order.tolist()
    rows = []
    for one in letters[:NEIGHBOURS]:
        alike = unit @ unit[one]
        alike[one] = -np.inf
        nearest = np.argsort(-alike, kind="stable")[: min(NEAREST, count - 1)]
        near = " &ensp;".join(f"<b>{_shown(vocabulary, i)}</b> <small>{alike[i]:.2f}</small>" for i in nearest.tolist())
        rows.append([f"<b>{_shown(vocabulary, one)}</b>", near])
    return (
        heading("What it holds to be alike", "它以为相近的字", 3)
        + note(
            "The most frequent letters, and those with the nearest vectors in the embedding (cosine).",
            "最常见的字，与嵌入向量最接近的几个（余弦）。",
        )
        + table([both("character", "字符"), both("nearest", "最接近")], rows)
    )


# ---- what it is


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
        [both("corpus", "语料"), escape(_corpus(run))],
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


def _corpus(run: Run) -> str:
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


# ---- small things


def _name(run: Run) -> str:
    return run.path.resolve().name


def _bits(nats: float) -> str:
    return f"{nats / math.log(2):.3f}"


def _cut(text: str) -> str:
    return text if len(text) <= SAMPLE else text[:SAMPLE] + " …"


def _shown(vocabulary: Vocabulary, one: int) -> str:
    """A character as one sees it, in HTML."""
    if one >= vocabulary.unknown:
        return both("end", "结束") if one == vocabulary.boundary else "&lt;unk&gt;"
    character = vocabulary.characters[one]
    if vocabulary.kind == "byte" and not 32 < one < 127:
        return f"\\x{one:02x}"
    named = {"\n": "↵", " ": "␣", "\t": "⇥", "\u3000": "□"}
    return named.get(character) or (escape(character) if character.isprintable() else f"U+{ord(character):04X}")


def chapter(made: Callable[[], str]) -> str:
    """A chapter; where something for it is missing, a line that says what."""
    try:
        return made()
    except CharrnnError as error:
        why = escape(error.message.replace("‹", "").replace("›", ""))
        return note(f"Left out: {why}", f"略去：{why}")
