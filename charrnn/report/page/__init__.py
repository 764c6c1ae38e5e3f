"""The page in which a model runs: one file, in plain JavaScript, which asks nobody for anything.

packing.py    a model as text
network.js    the operations in JavaScript
random.js     NumPy's random numbers
drawing.js    temperature and the other filters, and the draw
alphabet.js   characters to ids and back
verse.js      line lengths and acrostics
reader.js     reads with all of these, and writes on
worker.js     answers the page, in a worker
try.html      what a person sees of it; column.js (one model) and try.js (what all share) bring it to life
page.html     the frame of every page, with page.js (language, light and dark) and style.css
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from charrnn.report.page.packing import Precision, model_of, plan_of
from charrnn.run import Run
from charrnn.version import __version__

LIMIT = 2_500_000
"""The bytes of a page from which weights are rounded to float16, unless a precision is asked for."""
ROOM = 400_000
"""Those of them that are kept for the rest of a page."""
ENGINE = ("network", "random", "drawing", "alphabet", "verse", "reader")
"""The scripts that run without a document, in a worker."""


def page(run: Run, precision: Precision | None = None) -> str:
    """A page with a run's model alone: something to send to a friend.

    Weights are float32 where the page stays under `LIMIT` bytes, and float16 otherwise; `precision` decides it.
    Raises CharrnnError for a model that cannot run in a page.
    """
    models = page_models([run], precision)
    name = escape(run.path.resolve().name)
    head = f"<h1>{name}</h1>\n<p>{both(*map(escape, models[0]['about']))}</p>"
    return framed(name, head, models)


def page_models(runs: Sequence[Run], precision: Precision | None = None) -> list[dict[str, Any]]:
    """The models of runs for `framed`. Raises CharrnnError where one cannot run in a page."""
    plans = [plan_of(run) for run in runs]
    if precision is None:
        made = page_models(runs, "float32")
        fits = sum(len(model["plan"]["weights"]) for model in made) <= LIMIT - ROOM
        return made if fits else page_models(runs, "float16")
    return [model_of(run, plan, precision) | _described(run) for run, plan in zip(runs, plans, strict=True)]


def _described(run: Run) -> dict[str, Any]:
    """What a page says of a model."""
    config, bits = run.config.model, run.best_bits
    shape, count = config.shape, run.facts.parameters
    about = [f"{shape}, {count:,} parameters", f"{shape}，{count:,} 个参数"]
    if bits is not None:
        about = [f"{about[0]}, {bits:.3f} bits per character held out", f"{about[1]}，留出文本每字 {bits:.3f} 比特"]
    if config.ngram is not None:
        about[0] += ". The n-gram beside it is not in this page, so the network writes alone, a little worse"
        about[1] += "。与它搭配的 n-gram 不在本页，这里只有网络单独写作，略逊一筹"
    return {
        "name": run.path.resolve().name,
        "path": str(run.path) if not run.path.is_absolute() else run.path.name,
        "step": None if run.checkpoint.is_best else run.checkpoint.step,
        "mixture": config.ngram is not None,
        "about": about,
    }


def both(english: str, chinese: str) -> str:
    """HTML in both languages, of which the page shows one."""
    return f'<span lang="en">{english}</span><span lang="zh">{chinese}</span>'


def framed(
    title: str, head: str, models: Sequence[dict[str, Any]], before: str = "", after: str = "", foot: str = ""
) -> str:
    """A whole page. Everything but the models is HTML, in which texts are escaped already.

    Only our own scripts run in it, which the policy names by their hashes, and nothing is loaded from anywhere.
    """
    ours = [scripts("page"), scripts("column", "try") if models else ""]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in ours]
    made = both(f"Made by charrnn {__version__}.", f"由 charrnn {__version__} 生成。")
    parts = {
        "policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; worker-src blob:; script-src blob: "
        + " ".join(f"'sha256-{digest}'" for digest in digests),
        "version": __version__,
        "title": title,
        "style": _part("style.css"),
        "head": head,
        "before": before,
        "try": _part("try.html") if models else "",
        "after": after,
        "foot": f"<p>{made}</p>{foot}",
        "models": data(list(models)),
        "engine": scripts(*ENGINE),
        "worker": scripts("worker"),
        "page_script": ours[0],
        "try_script": ours[1],
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _part("page.html"))


def data(document: Any) -> str:
    """JSON within a script element, which it cannot end."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")


def scripts(*names: str) -> str:
    """Some of our scripts, one after the other."""
    return "\n".join(_part(f"{name}.js") for name in names)


def _part(name: str) -> str:
    return (files("charrnn.report.page") / name).read_text(encoding="utf-8")
