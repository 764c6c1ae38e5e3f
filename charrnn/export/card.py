"""The model card of an exported folder: a README.md whose first lines, in YAML, are what Hugging Face reads."""

from __future__ import annotations

import json
import math
import shlex
from typing import Any

import yaml

from charrnn.export.about import About
from charrnn.generation.sampler import Sample
from charrnn.run import Run
from charrnn.store.history import read_history
from charrnn.terminal import printable

LONGEST = 400
"""The most characters of the sample in a card."""
SEED = 1


def card(run: Run, about: About, sample: Sample | None) -> str:
    """The text of README.md for a folder that holds `run`. `sample` is one of its texts, if it can write."""
    parts = [
        f"---\n{yaml.safe_dump(_front(run, about), sort_keys=False, allow_unicode=True)}---",
        f"# {_inline(run.path.name)}",
        _opening(run, about),
        _use(run, sample),
        _sample(run, sample),
        f"## Figures\n\n{_figures(run)}",
        _rights(about),
        _limits(run),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def evaluation(run: Run) -> dict[str, Any] | None:
    """The evaluation of the checkpoint that is taken, a line of metrics.jsonl; None where it was not evaluated."""
    step = run.checkpoint.step
    return next((line for line in read_history(run.metrics, "val_bits_per_char") if line["step"] == step), None)


def _front(run: Run, about: About) -> dict[str, Any]:
    """The YAML of the card. Its keys and identifiers are those of Hugging Face."""
    model = run.config.model
    writes = not model.bidirectional
    tags = ["char-rnn", "character-level", model.cell, *(["n-gram"] if model.ngram else [])]
    front: dict[str, Any] = {"license": about.licence}
    if about.licence == "other":
        front["license_name"] = "other"
    front |= {"language": [about.language]} if about.language else {}
    front |= {
        "library_name": "charrnn",
        "pipeline_tag": "text-generation" if writes else "fill-mask",
        "tags": list(dict.fromkeys(tags)),
    }
    if (measured := evaluation(run)) is not None and writes:
        bits = {"type": "bits_per_character", "value": measured["val_bits_per_char"], "name": "bits per character"}
        corpus = about.corpus or "text"
        front["model-index"] = [
            {
                "name": run.path.name,
                "results": [
                    {
                        "task": {"type": "text-generation"},
                        "dataset": {"name": corpus, "type": corpus},
                        "metrics": [bits],
                    }
                ],
            }
        ]
    return front


def _opening(run: Run, about: About) -> str:
    model, version = _inline(run.config.model.describe()), _inline(run.facts.charrnn)
    corpus = _inline(about.corpus + (f" ({about.title})" if about.title else ""))
    return f"A language model of {_units(run)}: {model}. charrnn {version} trained it on {corpus}."


def _use(run: Run, sample: Sample | None) -> str:
    name, plugin = run.path.name, run.facts.plugin
    own = f" --plugin {shlex.quote(plugin)}" if plugin else ""
    prompt = run.config.sampling.prompt
    typed = prompt.replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t")
    given = f" --prompt {shlex.quote(typed)}" if prompt else ""
    if sample is None:
        lines = [f'charrnn fill {shlex.quote(name)} "a text with a blank ＿"{own}']
        python = [f"run = charrnn.load({json.dumps(name, ensure_ascii=False)})", 'run.fill("a text with a blank ＿")']
    else:
        lines = [f"charrnn sample {shlex.quote(name)}{given} --seed {SEED}{own}"]
        python = [
            f"run = charrnn.load({json.dumps(name, ensure_ascii=False)})",
            f"print(run.sample({json.dumps(prompt, ensure_ascii=False)}, seed={SEED})[0].text)",
        ]
    told = (
        "The folder is a run of charrnn. All its commands read it, except that a training cannot be resumed from it: "
    )
    told += "`charrnn train CONFIG --init-from FOLDER` begins a new one with its weights."
    if plugin:
        told += f" The cell is not charrnn's own: it also needs the file {_inline(plugin)}."
    return "\n".join(
        ["## Use", "", *_fenced(lines, "sh"), "", *_fenced(["import charrnn", "", *python], "python"), "", told]
    )


def _sample(run: Run, sample: Sample | None) -> str:
    if sample is None:
        return ""
    sampling = run.config.sampling
    text = printable(sample.text).strip("\n")
    told = f"With seed {SEED} and temperature {sampling.temperature:g}, not chosen from several:"
    return "\n".join(["## A sample", "", told, "", *_fenced(text.split("\n"), "text")])


def _figures(run: Run) -> str:
    facts, last = run.facts, run.checkpoints.summary(run.checkpoint.step)
    sizes, line, measured = facts.characters, evaluation(run), "not measured"
    if line is not None:
        bits, nats = line["val_bits_per_char"], line["val_loss"]
        error = f" ± {line['val_error'] / math.log(2):.4f}" if "val_error" in line else ""
        measured = f"{bits:.4f}{error} bits per character = {nats:.4f} nats, perplexity {math.exp(nats):.3f}"
    machine = f" on {_inline(facts.machine.processor)}" if facts.machine and facts.machine.processor else ""
    rows = [
        ("held-out text", measured + (" (a pseudo-likelihood)" if run.config.model.bidirectional else "")),
        ("parameters", f"{facts.parameters:,}"),
        ("alphabet", f"{facts.vocabulary:,} {_units(run)}"),
        ("learnt from", f"{sizes['train']:,} {_units(run)}; {sizes['val']:,} were held out"),
        ("trained", f"{last.step:,} steps in {last.seconds / 60:.1f} minutes{machine}"),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _rights(about: About) -> str:
    text = _inline(about.text_licence) or "not stated"
    weights = "not stated" if about.licence == "unknown" else about.licence
    return f"## Licences\n\n- The text it learnt from: {text}.\n- These weights: {weights}."


def _limits(run: Run) -> str:
    lines = [
        "It writes what is likely after its text, and knows nothing else. What it writes may be found in the text it "
        "learnt from, word for word.",
        "It reads no characters but those of its alphabet (`vocab.json`).",
    ]
    model = run.config.model
    if model.ngram is not None or model.cell == "ngram":
        order = model.order if model.ngram is None else model.ngram.order_for(len(run.vocabulary))
        lines.append(
            f"Its tables hold the runs of up to {order} characters of the text it learnt from, which can be read from "
            "them."
        )
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _units(run: Run) -> str:
    return "bytes" if run.vocabulary.kind == "byte" else "characters"


def _fenced(lines: list[str], language: str) -> list[str]:
    """A block of code. Its fence is longer than any in it."""
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return [fence + language, *lines, fence]


def _inline(text: str) -> str:
    """A text in a line of Markdown that cannot become anything else."""
    return "".join(f"\\{c}" if c in r"\`*_[]<>|#" else c for c in printable(text).replace("\n", " "))
