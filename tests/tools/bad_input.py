"""What strangers and slips of the pen may give to charrnn: the strategies that `tests/tools/fuzz.py` draws from.

A kind is a function that draws one input, hands it to the command as a user would, and says whether the answer was
right (True) or refused with a message (False). Anything else raises.
"""

from __future__ import annotations

import contextlib
import copy
import encodings.aliases
import hashlib
import io
import json
import math
import os
import random
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st

import charrnn
from charrnn.cli import main
from charrnn.config import EXCLUSIVE, Config
from charrnn.text import corpora
from charrnn.training.trainer import Trainer

STEPS = 2
"""Whatever length a config asks for, a training here ends after so many steps, as Ctrl-C would end it."""
TEXT = "The cat sat on the mat. The dog sat on the log.\nA bird sang in the tree, and the cat looked up.\n\n" * 12
POEMS = "\n\n".join(["床前一盞燈，\n窗外雨無聲。", "山高水又長，\n月下獨還鄉。", "春風吹綠草，\n小鳥叫得早。"] * 12)
BASE: dict[str, Any] = {
    "corpus": {"path": "text.txt"},
    "model": {"cell": "lstm", "hidden_size": 8, "embedding_size": 4},
    "training": {
        "steps": 4,
        "batch_size": 2,
        "window": 8,
        "checkpoint_every": "2 steps",
        "evaluate_characters": 50,
        "sample_every": None,
        "keep": 3,
    },
    "sampling": {"length": 5},
}
RUNS: dict[str, dict[str, Any]] = {
    "stream": {},
    "other": {"training": {"seed": 1}},
    "bytes": {"vocab": {"kind": "byte"}, "model": {"cell": "gru"}},
    "documents": {"corpus": {"path": "poems.txt", "mode": "documents"}, "model": {"cell": "mlp"}},
    "both": {"model": {"bidirectional": True}},
    "ngram": {"model": {"cell": "ngram", "order": 3}},
}

Draw = Callable[[st.SearchStrategy[Any]], Any]
tried: list[str] = []
"""What the current example has done so far, so that it can be done again."""


class Wrong(AssertionError):
    """Neither a right answer nor one clear message."""


class Outcome(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


def command(*arguments: str | Path, stdin: bytes = b"") -> Outcome:
    """Runs `charrnn` in this process, as `main` would in its own. Raises Wrong for all but exit codes 0 and 2."""
    words = ["charrnn", *map(str, arguments)]
    tried.append(" ".join(map(ascii, words[1:])))
    streams = [io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline="") for raw in (stdin, b"", b"")]
    streams[2].reconfigure(errors="backslashreplace")  # as Python's own standard error
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv, (sys.stdin, sys.stdout, sys.stderr) = words, streams
    code: Any = 0
    try:
        main()
    except SystemExit as exit:
        code = exit.code or 0
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before
    texts = []
    for stream in streams[1:]:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "backslashreplace"))
    outcome = Outcome(code, *texts)
    if code not in (0, 2) or "Traceback" in outcome.err:
        raise Wrong(f"exit code {code!r}: {outcome.err[-2000:]}")
    if code == 2:
        _clear(outcome)
    return outcome


def _clear(outcome: Outcome) -> None:
    """One message: nothing on standard output, every line of ours marked, nothing that commands a terminal."""
    lines = outcome.err.splitlines()
    ours = [line for line in lines if line.startswith("charrnn: ")]
    usage = any(line.startswith("Error: ") for line in lines)  # of the parser of options
    if outcome.out or not (ours or usage) or len(outcome.err) > 20_000:
        raise Wrong(f"not one clear message: {outcome.out[:500]!r} {outcome.err[:2000]!r}")
    if any((ord(c) < 32 and c not in "\n\t\r") or c in "\x7f\x9b" for c in outcome.err):
        raise Wrong(f"a message that commands the terminal: {outcome.err[:500]!r}")


def workshop() -> None:
    """Fills the current folder with texts and small trained runs, and makes every later training short."""
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    Path("poems.txt").write_text(POEMS, encoding="utf-8")
    for name, changes in RUNS.items():
        Path("config.yaml").write_text(yaml.safe_dump(merged(changes)), encoding="utf-8")
        if command("train", "config.yaml", "--out", name, "--quiet").code:
            raise SystemExit(f"{name}: cannot be trained")
        for suffix in ("txt",) if name != "both" else ():
            command("compress", name, f"{'poems' if name == 'documents' else 'text'}.{suffix}", "--out", f"{name}.crnn")
    learn = Trainer.learn

    def learn_and_stop(self: Trainer, *arguments: Any) -> None:
        learn(self, *arguments)
        stops = vars(self)["_steps_here"] = vars(self).get("_steps_here", 0) + 1
        if stops >= STEPS:
            self.stop()

    setattr(Trainer, "learn", learn_and_stop)  # noqa: B010 (mypy minds the plain way)


def merged(changes: dict[str, Any]) -> dict[str, Any]:
    """The base config with some keys of its sections changed."""
    return {key: BASE.get(key, {}) | changes.get(key, {}) for key in {**BASE, **changes}}


def fresh(source: str | None = None) -> Path:
    """The folder `run`, not there or a copy of a trained one."""
    shutil.rmtree("run", ignore_errors=True)
    if source is not None:
        shutil.copytree(source, "run")
    return Path("run")


# What is drawn from: texts and values that have broken programs before.

ODD_TEXTS = [
    "",
    "\x00",
    "a\x00b",
    "\ufeff",
    "\u202eright to left",
    "שלום עולם مرحبا",
    "e\u0301\u0301\u0301\u0327",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "𠀀𪚥\U0010ffff",
    "\x1b[2J\x1b]0;owned\x07",
    "\r\n\r\x85\u2028\u2029\x0b\x0c",
    "\ufffe\uffff\ufffd",
    "../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "~nobody/x",
    "~",
    "C:\\con",
    "*",
    "[",
    "**/*" * 5,
    "%s%n{0}",
    "null",
    "nan",
    "1e999",
    "0x" + "f" * 40,
    "-",
    "--",
    "a" * 5000,
]
ANY_TEXT = st.sampled_from(ODD_TEXTS) | st.text(max_size=30)
"""Any Unicode, half surrogate pairs among it."""
ARGUMENT = st.binary(max_size=30).map(os.fsdecode) | st.text(max_size=30) | st.sampled_from(ODD_TEXTS)
ARGUMENT = ARGUMENT.map(lambda text: os.fsdecode(os.fsencode(_no_halves(text))).replace("\0", ""))
"""What a shell can pass on: no NUL, and bytes that are no UTF-8 as half surrogate pairs."""
NUMBERS = (
    st.sampled_from([0, 1, -1, 2, 3, 255, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400])
    | st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.5, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf])
    | st.integers(-5, 5)
    | st.floats()
)
SCALARS = st.none() | st.booleans() | NUMBERS | ANY_TEXT
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)


def _no_halves(text: str) -> str:
    return "".join(c for c in text if not "\ud800" <= c <= "\udfff" or "\udc80" <= c <= "\udcff")


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(document: Any) -> bytes:
    text = yaml.dump(document, Dumper=_Plain, allow_unicode=True, sort_keys=False)
    return text.encode("utf-8", "replace")


def _deep(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = {"a": inner} if levels % 2 else [inner]
    return inner


# Configs.


def _schema() -> dict[tuple[str, str], list[Any]]:
    """Every key of a config with the values that are its own: bounds and a little beyond, choices, the default."""
    schema = Config.model_json_schema()
    found = {}
    for section, reference in schema["properties"].items():
        name = (reference.get("$ref") or reference["allOf"][0]["$ref"]).split("/")[-1]
        for key, facts in schema["$defs"][name]["properties"].items():
            found[section, key] = _values(facts)
    return found


def _values(facts: Any) -> list[Any]:
    """The numbers, choices and defaults in a part of a JSON schema, and their neighbours."""
    values: list[Any] = []
    if isinstance(facts, dict):
        for word, value in facts.items():
            if word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "default"):
                near = isinstance(value, int | float) and not isinstance(value, bool)
                values += [value, value - 1, value + 1, value * 0.999, float(value)] if near else [value]
            elif word in ("enum", "const"):
                values += value if isinstance(value, list) else [value]
            else:
                values += _values(value)
    elif isinstance(facts, list):
        values = [value for one in facts for value in _values(one)]
    return values


KEYS = _schema()
TEXTS_OF_KEYS = ["500 steps", "2 minutes", "1 epoch", "10%", "1e9 %", "0 steps", "９ steps", "text.txt", "poems.txt"]


def _train(draw: Draw, *options: str) -> bool:
    """Trains from my.yaml, and where that is taken reads the run again."""
    fresh()
    if command("train", "my.yaml", "--out", "run", "--quiet", *options).code:
        return False
    run = charrnn.load("run", "cpu")
    if json.loads(command("info", "run", "--json").out)["model"] != run.config.model.model_dump():
        raise Wrong("info: another model than the config's")
    if not run.config.model.bidirectional:
        done = command("sample", "run", "--prompt", "", "--length", "2")
        if done.code or len(done.out) > 4:
            raise Wrong(f"sample: {done}")
    return True


def yaml_document(draw: Draw) -> bool:
    """Any bytes, any YAML, or slips of the pen in a config."""
    how = draw(st.sampled_from(["bytes", "document", "sections", "slips", "slips", "slips", "deep"]))
    if how == "bytes":
        raw = draw(st.binary(max_size=200))
    elif how == "document":
        raw = _yaml(draw(DOCUMENTS))
    elif how == "deep":
        raw = draw(st.sampled_from([b"[", b"{a: ", b"- ", b"? ", b"a:\n ", b"'", b"\\", b"a: [", b"!!map {", b"&a "]))
        raw = draw(st.sampled_from([b"", b"corpus: "])) + raw * draw(st.sampled_from([9, 500, 50_000]))
    elif how == "sections":
        names = st.sampled_from([*Config.model_fields, "sweep", "Corpus", ""])
        raw = _yaml(BASE | draw(st.dictionaries(names, DOCUMENTS, max_size=2)))
    else:
        text = yaml.safe_dump(BASE)
        pieces = (
            st.sampled_from([*"&*!|>%@`\"'{}[]:,#?-\t\n", "\n  ", ": ", "- ", "!!set ", "<<: ", "---\n"]) | ANY_TEXT
        )
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(text)))
            text = text[:at] + draw(pieces) + text[at + draw(st.integers(0, 5)) :]
        raw = text.encode("utf-8", "surrogatepass")
    tried.append(f"my.yaml = {raw[:3000]!r} ({len(raw)} bytes)")
    Path("my.yaml").write_bytes(raw)
    return _train(draw)


def override(draw: Draw) -> bool:
    """`--set` with any text."""
    Path("my.yaml").write_bytes(_yaml(BASE))
    section, key = draw(st.sampled_from([*KEYS]))
    value = draw(
        ARGUMENT
        | st.sampled_from(KEYS[section, key]).map(lambda own: "" if own is None else str(own))
        | NUMBERS.map(_str)
    )
    text = draw(
        st.sampled_from([f"{section}.{key}={value}"] * 4 + [f"{section}.{value}={key}", value, f"{value}={value}"])
    )
    return _train(draw, "--set", text, *draw(st.sampled_from([(), ("--set", "vocab.kind=byte")])))


def _str(value: float) -> str:
    return "9" * 400 if value == 10**400 else str(value)


def mutated_config(draw: Draw) -> bool:
    """A whole config, every default written out, in which one to three keys have other values."""
    document = Config.model_validate(BASE).model_dump()
    for section, key in draw(st.lists(st.sampled_from([*KEYS]), min_size=1, max_size=3)):
        own = KEYS[section, key]
        value = draw(st.sampled_from(own) | DOCUMENTS | st.sampled_from(TEXTS_OF_KEYS) if own else DOCUMENTS)
        for group in EXCLUSIVE:
            if f"{section}.{key}" in group and value is not None:
                for other in group:
                    document[section][other.split(".")[1]] = None
        document[section][key] = value
        tried.append(f"{section}.{key} = {ascii(value)[:1000]}")
    Path("my.yaml").write_bytes(_yaml(document))
    return _train(draw)


# Texts.

CODECS = sorted({*encodings.aliases.aliases.values(), "auto", "utf-8-sig", "idna", "punycode", "undefined", "mbcs"})
PIECES = [
    *ODD_TEXTS,
    TEXT,
    POEMS,
    "x",
    "x" * 1_000_000,
    "\n" * 5000,
    " \u3000\t\n" * 300,
    "\ud800" * 20,
    "\udfff\ud800 halves",
    "".join(map(chr, range(1, 3000))),
    "no line end " * 50,
    "e\u0301" * 2000,
    "\u0301" * 3000,
    "ﷺ" * 300,
]


def corpus(draw: Draw) -> bool:
    """A text of any bytes in any encoding, learnt from as characters or bytes, streams or documents."""
    how = draw(st.sampled_from(["text", "text", "bytes", "broken"]))
    codec = draw(st.sampled_from(["utf-8", "auto", "gb18030", "utf-16"]) | st.sampled_from(CODECS))
    text = "".join(draw(st.lists(st.sampled_from(PIECES) | st.text(max_size=200), max_size=5)))
    try:
        raw = text.encode("utf-8" if codec == "auto" else codec, draw(st.sampled_from(["surrogatepass", "ignore"])))
    except Exception:  # what a codec cannot write is no text in it
        raw = text.encode("utf-8", "surrogatepass")
    if how == "bytes":
        raw = draw(st.binary(max_size=300)) * draw(st.sampled_from([1, 1, 300]))
    elif how == "broken" and raw:
        at = draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + draw(st.binary(min_size=1, max_size=4)) + raw[at + draw(st.integers(0, 4)) :]
    changes: dict[str, dict[str, Any]] = {
        "corpus": {"path": "mine.txt", "encoding": codec, "mode": draw(st.sampled_from(["stream", "documents"]))},
        "vocab": {
            "kind": draw(st.sampled_from(["char", "char", "byte"])),
            "min_count": draw(st.sampled_from([1, 1, 3, "auto"])),
        },
        "training": {"batch_size": draw(st.sampled_from([1, 2])), "window": draw(st.sampled_from([1, 4]))},
    }
    changes["corpus"]["separator"] = draw(st.sampled_from(["blank-line", "line", "file"]))
    changes["corpus"]["normalization"] = draw(st.sampled_from(["none", "none", "nfc", "nfkc"]))
    changes["vocab"]["max_size"] = draw(st.sampled_from([None, None, 1, 5]))
    tried.append(f"mine.txt = {raw[:3000]!r} ({len(raw)} bytes), {changes}")
    Path("mine.txt").write_bytes(raw)
    Path("my.yaml").write_bytes(_yaml(merged(changes)))
    if not _train(draw):
        return False
    _same_text(raw, changes)
    for arguments in (("score", "run", "mine.txt", "--json"), ("compress", "run", "mine.txt", "--out", "mine.crnn")):
        if len(raw) < 3000 and draw(st.booleans()):
            Path("mine.crnn").unlink(missing_ok=True)
            if not command(*arguments).code and arguments[0] == "compress":
                Path("back").unlink(missing_ok=True)
                command("decompress", "run", "mine.crnn", "--out", "back")
                if Path("back").read_bytes() != raw:
                    raise Wrong("decompressed to something else")
    return True


def _same_text(raw: bytes, changes: dict[str, Any]) -> None:
    """The ids on disk are the text, as Python itself reads it."""
    how, vocab = changes["corpus"], changes["vocab"]
    dataset = charrnn.load("run", "cpu").dataset()
    if vocab["kind"] == "byte":
        if how["mode"] == "stream" and bytes(dataset.ids) != raw:
            raise Wrong("the ids are not the bytes of the text")
    elif how["mode"] == "stream" and how["normalization"] == "none" and how["encoding"] in ("utf-8", "gb18030"):
        codec = "utf-8-sig" if how["encoding"] == "utf-8" else how["encoding"]
        text = raw.decode(codec).replace("\r\n", "\n").replace("\r", "\n")
        characters = [*dataset.vocabulary.characters, "\ufffd"]
        read = "".join(characters[i] for i in dataset.ids.tolist())
        if len(read) != len(text) or any(a != b for a, b in zip(read, text, strict=True) if a != "\ufffd"):
            raise Wrong("the ids are not the characters of the text")


# Runs: what a stranger, a disk or a slip may have done to them.


def damaged_checkpoint(draw: Draw) -> bool:
    """A file of a checkpoint flipped, cut, emptied, lengthened, exchanged: the text is that of a whole checkpoint."""
    source = draw(st.sampled_from([*RUNS]))
    run = fresh(source)
    files = sorted(file.relative_to(run) for file in (run / "checkpoints").rglob("*") if file.is_file())
    most = draw(st.sampled_from([1, 1, 1, 4]))
    for file in draw(st.lists(st.sampled_from(files), min_size=1, max_size=most, unique=True)):
        raw = (run / file).read_bytes()
        how = draw(st.sampled_from(["flip", "zero", "cut", "empty", "longer", "other", "remove", "folder", "link"]))
        at = draw(st.integers(0, 63)) * len(raw) // 64 + draw(st.integers(0, max(0, len(raw) // 64)))
        tried.append(f"{source}/{file}: {how} at {at}")
        (run / file).unlink()
        if how == "folder":
            (run / file).mkdir()
        elif how == "link":
            (run / file).symlink_to(draw(st.sampled_from(["/etc/passwd", "/dev/zero", "nowhere", file.name])))
        elif how != "remove":
            other = Path(draw(st.sampled_from([*RUNS]))) / file
            width = draw(st.sampled_from([1, 1, 8, 64]))
            flipped = bytes(b ^ draw(st.integers(1, 255)) for b in raw[at : at + width])
            (run / file).write_bytes(
                {
                    "flip": raw[:at] + flipped + raw[at + width :],
                    "zero": raw[:at] + bytes(len(raw[at : at + width])) + raw[at + width :],
                    "cut": raw[:at],
                    "longer": raw + draw(st.binary(min_size=1, max_size=20)),
                    "other": other.read_bytes() if other.is_file() else b"",
                }.get(how, b"")
            )
    seen = _look(draw, "run", ["sample", "fill", "resume"])
    if "sample" in seen and not seen["sample"].code and seen["sample"].out not in _texts(source):
        raise Wrong(f"a text of no whole checkpoint: {seen['sample'].out!r}")
    return all(one.code == 0 for one in seen.values())


_known: dict[str, set[str]] = {}


def _texts(source: str) -> set[str]:
    """What each whole checkpoint of a run writes."""
    if source not in _known:
        _known[source] = set()
        for last in sorted((Path(source) / "checkpoints").glob("step-*")):
            for other in (fresh(source) / "checkpoints").iterdir():
                if other.name != last.name and other.is_dir():
                    shutil.rmtree(other)
            _known[source].add(command("sample", "run", *SAMPLE).out)
    return _known[source]


SAMPLE = ("--prompt", "", "--length", "40", "--seed", "3")


def _look(draw: Draw, run: str, ways: list[str]) -> dict[str, Outcome]:
    """Does one or two of the things that can be done with a run."""
    arguments: dict[str, tuple[str, ...]] = {
        "sample": ("sample", run, *SAMPLE),
        "fill": ("fill", run, "＿__"),
        "resume": ("train", "--resume", run, "--set", "training.steps=1000", "--quiet"),
        "info": ("info", run),
        "info --json": ("info", run, "--json"),
        "eval": ("eval", run),
        "eval --text": ("eval", run, "--text", "text.txt", "--dynamic"),
        "score": ("score", run, "poems.txt"),
        "compare": ("compare", run, "other", "--json"),
        "decompress": ("decompress", run, "stream.crnn", "--out", "out"),
    }
    Path("out").unlink(missing_ok=True)
    chosen = draw(st.lists(st.sampled_from(ways), min_size=1, max_size=2, unique=True))
    return {way: command(*arguments[way]) for way in chosen}


def tampered_run(draw: Draw) -> bool:
    """A run whose JSON, YAML or safetensors a stranger rewrote, its checksums with them."""
    source = draw(st.sampled_from([*RUNS]))
    run = fresh(source)
    files = sorted(file.relative_to(run) for file in run.rglob("*") if file.is_file() and file.name != "samples.txt")
    for file in [run / name for name in draw(st.lists(st.sampled_from(files), min_size=1, max_size=2, unique=True))]:
        raw = file.read_bytes()
        if file.suffix == ".safetensors":
            raw = _rewritten_tensors(draw, raw)
        elif file.suffix == ".yaml":
            raw = _yaml(_rewritten(draw, yaml.safe_load(raw)))
        elif file.suffix == ".jsonl":
            lines = raw.splitlines()
            at = draw(st.integers(0, len(lines) - 1))
            lines[at] = _json(draw, _rewritten(draw, json.loads(lines[at])))
            raw = b"\n".join(lines)
        else:
            raw = _json(draw, _rewritten(draw, json.loads(raw)))
        file.write_bytes(raw)
        tried.append(f"{source}: {file} = {raw[:1500]!r} ({len(raw)} bytes)")
    if draw(st.integers(0, 4)):
        _sign(run)
    seen = _look(
        draw, "run", ["sample", "fill", "resume", "info", "info --json", "eval", "eval --text", "score", "compare"]
    )
    return all(one.code == 0 for one in seen.values())


def _sign(run: Path) -> None:
    """Makes the manifests fit what the files are now."""
    for manifest in run.glob("checkpoints/step-*/manifest.json"):
        with contextlib.suppress(Exception):  # the manifest itself was rewritten
            document = json.loads(manifest.read_bytes())
            for name in document["files"]:
                raw = (manifest.parent / name).read_bytes()
                document["files"][name] |= {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
            manifest.write_text(json.dumps(document))


def _rewritten(draw: Draw, document: Any) -> Any:
    """A document with a part of it changed, gone, or doubled."""
    paths = [path for path, _ in _walk(document, ())]
    path = draw(st.sampled_from(paths))
    if not path:
        return draw(DOCUMENTS)
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    how = draw(st.sampled_from(["value", "value", "value", "gone", "added", "doubled", "deep", "many"]))
    if how == "gone":
        del holder[path[-1]]
    elif how == "added" and isinstance(holder, dict):
        holder[draw(ANY_TEXT)] = draw(DOCUMENTS)
    elif how == "doubled" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[path[-1]]))
    elif how == "deep":
        holder[path[-1]] = _deep(draw(st.sampled_from([5, 200])), 1)
    elif how == "many":
        holder[path[-1]] = [draw(SCALARS)] * 3000
    else:
        old = holder[path[-1]]
        near = [old + 1, -old, old * 2, float(old)] if isinstance(old, int) else [old]
        holder[path[-1]] = draw(st.sampled_from(near) | DOCUMENTS)
    return document


def _walk(document: Any, path: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], Any]]:
    found = [(path, document)]
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        found += _walk(value, (*path, key))
    return found


def _json(draw: Draw, document: Any) -> bytes:
    """JSON, sometimes with tricks that are not in the document."""
    text = json.dumps(document)
    trick = draw(st.sampled_from(["", "", "", "", "again", "deep", "long", "digits", "half", "bom", "megabytes"]))
    return {
        "again": text[:-1] + ", " + text[1:],
        "deep": "[" * 100_000 + text,
        "long": text + " " * 100_000,
        "digits": '{"format": ' + "9" * 10_000 + "}",
        "half": text[: len(text) // 2],
        "bom": "\ufeff" + text,
        "megabytes": "[" + "[]," * 2_000_000 + "[]]",
    }.get(trick, text).encode("utf-8")


def _rewritten_tensors(draw: Draw, raw: bytes) -> bytes:
    """A safetensors file with another header, or other numbers."""
    (size,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    how = draw(st.sampled_from(["size", "header", "header", "dtype", "shape", "numbers", "grown", "more", "data"]))
    names = [name for name in header if name != "__metadata__"]
    one = header[draw(st.sampled_from(names))] if names else {"shape": [], "data_offsets": [0, 0]}
    if how == "size":
        claimed = draw(st.sampled_from([0, 1, 2**20, 10**8, 10**8 + 1, 2**40, 2**63, 2**64 - 1]))
        return struct.pack("<Q", claimed) + raw[8:]
    if how == "dtype":
        one["dtype"] = draw(st.sampled_from(["F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "X", ""]))
    elif how == "shape":
        one["shape"] = draw(
            st.sampled_from([one["shape"][::-1], [], [2**32, 2**32], [10**12], [-1], [0], [1, *one["shape"]]])
        )
    elif how == "numbers":
        begin, end = one["data_offsets"]
        number = draw(
            st.sampled_from([b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f", b"\xff\xff\xff\xff"])
        )
        data = data[:begin] + (number * len(data))[: end - begin] + data[end:]
    elif how == "grown":
        begin, end = one["data_offsets"]
        header["zzz"] = {"dtype": "U8", "shape": [10**6], "data_offsets": [len(data), len(data) + 10**6]}
        data += bytes(10**6)
    elif how == "more":
        header |= {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(5000)}
    elif how == "data":
        generator = random.Random(draw(st.integers(0, 2**32)))
        data = generator.randbytes(len(data))
    else:
        header = _rewritten(draw, header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


# Options.

USUAL = st.sampled_from(["1", "2", "0.5", "3"])
NUMBER_TEXTS = USUAL | USUAL | USUAL | NUMBERS.map(_str) | ARGUMENT
OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "sample": {
        "--prompt": st.text("The cat\n", max_size=40) | ARGUMENT | st.text(max_size=2000).map(_no_halves),
        "--stop": ARGUMENT,
        "--temperature": NUMBER_TEXTS,
        "--top-k": NUMBER_TEXTS,
        "--top-p": NUMBER_TEXTS,
        "--repetition-penalty": NUMBER_TEXTS,
        "--seed": NUMBER_TEXTS,
        "--samples": NUMBER_TEXTS,
        "--prompt-file": st.sampled_from(["prompt.txt", "-", "stream", "/dev/null", "nothing"]) | ARGUMENT,
        "--unknown": st.sampled_from(["replace", "error"]) | ARGUMENT,
        "--device": st.sampled_from(["cpu", "cpu", "cpu", "cuda", "cuda:-1", "cpu:9", "meta", "mps"]) | ARGUMENT,
    },
    "fill": {"--blank": ARGUMENT, "--samples": NUMBER_TEXTS, "--seed": NUMBER_TEXTS},
    "score": {"--by": st.sampled_from(["line", "document", "character", "x", ""])},
    "eval": {
        "--split": st.sampled_from(["train", "val", "test", "x", "", "秋"]),
        "--text": st.sampled_from(["prompt.txt", "poems.txt", "stream", "/dev/null", "/dev/zero"]) | ARGUMENT,
        "--protocol": st.sampled_from(["blocks", "carried", "x"]),
        "--block": NUMBER_TEXTS,
        "--dynamic-rate": NUMBER_TEXTS,
    },
    "compare": {},
    "info": {},
    "compress": {},
}
CHECKPOINTS = st.sampled_from(["best", "last", "0", "3", "6"]) | NUMBER_TEXTS
for name in ("sample", "fill", "score", "eval", "info", "compress"):
    OPTIONS[name]["--checkpoint"] = CHECKPOINTS
FLAGS = {"sample": ["--json", "--stream"], "fill": ["--json", "--best"], "score": ["--json", "--sort", "--color"]}
FLAGS |= {"eval": ["--json", "--dynamic"], "compare": ["--json"], "info": ["--json"], "compress": []}


def options(draw: Draw) -> bool:
    """Any prompt, any text and any value of an option."""
    name = draw(st.sampled_from(["sample", "sample", *OPTIONS]))
    arguments = [name, draw(st.sampled_from([*RUNS] * 5 + ODD_TEXTS[:-1]).filter(lambda run: "\0" not in run))]
    prompt = draw(
        st.binary(max_size=60)
        | ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
        | st.text("The cat\n", max_size=40).map(str.encode)
    )
    Path("prompt.txt").write_bytes(prompt)
    if name == "fill":
        arguments.append(draw(st.text("_＿Thecat", max_size=12) | ARGUMENT | st.text("_秋\x1b", max_size=12)))
    elif name in ("score", "compare", "compress"):
        arguments.append(draw(st.sampled_from(["prompt.txt", "prompt.txt", "stream"]) | ARGUMENT))
    for option in draw(st.lists(st.sampled_from([*OPTIONS[name]]), max_size=3, unique=True)) if OPTIONS[name] else []:
        arguments += [option, draw(OPTIONS[name][option])]
    arguments += draw(st.lists(st.sampled_from(FLAGS[name]), max_size=1)) if FLAGS[name] else []
    if name == "sample":
        arguments += ["--length", draw(st.sampled_from(["3", "3", "3", "3", "40", "0", "x"]))]
    if name == "compress":
        Path("out").unlink(missing_ok=True)
        arguments += ["--out", "out"]
    tried.append(f"prompt.txt and standard input = {prompt!r}")
    done = command(*arguments, stdin=prompt)
    if done.code == 0 and name == "compress" and arguments[2] == "prompt.txt":
        Path("back").unlink(missing_ok=True)
        if command("decompress", arguments[1], "out", "--out", "back").code or Path("back").read_bytes() != prompt:
            raise Wrong("decompressed to something else")
    if done.code == 0 and "--json" in arguments and name != "score":
        json.loads(done.out, parse_constant=_no_constant)
    return done.code == 0


def _no_constant(word: str) -> None:
    raise Wrong(f"{word} is not JSON")


def compressed(draw: Draw) -> bool:
    """What `compress` wrote, damaged: the text itself or a refusal."""
    source = draw(st.sampled_from([name for name in RUNS if name != "both"]))
    raw = Path(f"{source}.crnn").read_bytes()
    how = draw(
        st.sampled_from(["flip", "flip", "header", "header", "cut", "longer", "payload", "any", "none", "other"])
    )
    at = draw(st.integers(0, len(raw) - 1))
    if how == "flip":
        raw = raw[:at] + bytes([raw[at] ^ draw(st.integers(1, 255))]) + raw[at + 1 :]
    elif how == "header":
        number = draw(st.sampled_from([0, 1, 2, 100, 10**5, 10**8, 2**40, 2**63, 2**64 - 1]))
        place = draw(st.sampled_from([40, 48]))
        raw = raw[:place] + struct.pack("<Q", number) + raw[place + 8 :]
        if draw(st.booleans()):
            raw = raw[:40] + struct.pack("<Q", number) + raw[48:]
    elif how == "cut":
        raw = raw[:at]
    elif how == "longer":
        raw += draw(st.binary(max_size=12))
    elif how == "payload":
        raw = raw[:56] + draw(st.binary(max_size=40))
    elif how == "any":
        raw = draw(st.binary(max_size=80))
    elif how == "other":
        raw = Path(f"{draw(st.sampled_from(['stream', 'ngram', 'other']))}.crnn").read_bytes()
    tried.append(f"{source}: in.crnn = {raw!r}")
    Path("in.crnn").write_bytes(raw)
    Path("out").unlink(missing_ok=True)
    if command("decompress", source, "in.crnn", "--out", "out").code:
        if Path("out").exists():
            raise Wrong("a file was written although the answer was a refusal")
        return False
    if Path("out").read_text(encoding="utf-8") != (POEMS if source == "documents" else TEXT):
        raise Wrong("decompressed to another text")
    return True


def manifest(draw: Draw) -> bool:
    """A register of corpora with any names, sources and texts: nothing is written outside the cache."""
    from unittest.mock import MagicMock, patch

    def entry(name: str, body: bytes) -> Any:
        return {
            "title": draw(ANY_TEXT),
            "language": "x",
            "characters": "1",
            "licence": "x",
            "mode": draw(st.sampled_from(["stream", "documents"])),
            "limit": draw(st.sampled_from([10**6, 10**6, 10**6, 10, 0])),
            "format": draw(st.sampled_from(["text", "chinese-poetry"])),
            "base": draw(
                st.sampled_from(["https://example.org/a/"] * 6 + ["http://example.org/", "file:///etc/", "x"])
            ),
            "sources": {draw(NAMES): draw(st.sampled_from([hashlib.sha256(body).hexdigest()] * 6 + ["0" * 64, "x"]))},
        }

    body = draw(
        st.sampled_from(
            [TEXT.encode(), b'[{"paragraphs": ["a", "b"]}]', b"[" * 100_000, b"\xff\xfe", b"", b'[{"x": 1}]']
        )
        | DOCUMENTS.map(lambda document: json.dumps(document).encode())
    )
    name = draw(NAMES)
    document = {name: entry(name, body)}
    if draw(st.integers(0, 3)) == 0:
        document[name] = _rewritten(draw, document[name])
    tried.append(f"register = {ascii(document)[:2000]}, every source is {body[:500]!r}")
    file = Path("register.yaml")
    file.write_bytes(json.dumps(document, ensure_ascii=draw(st.integers(0, 4)) == 0).encode("utf-8", "surrogatepass"))
    before = _outside()

    def answer(*_: Any, **__: Any) -> Any:
        response = MagicMock(is_redirect=False)
        response.__enter__.return_value = response
        response.iter_content.return_value = [body]
        return response

    with (
        patch.object(corpora, "REGISTER", file),
        patch("requests.get", answer),
    ):
        corpora.register.cache_clear()
        try:
            done = command("corpus", "get", name.lstrip("-") or "x", "--out", "data", "--overwrite")
        finally:
            corpora.register.cache_clear()
    if _outside() != before:
        raise Wrong(f"written outside the cache: {_outside() - before}")
    return done.code == 0


NAMES = st.sampled_from(
    [
        "ok",
        "poem.txt",
        "a/b.txt",
        "春.txt",
        "ok",
        "poem.txt",
        "a/b.txt",
        "春.txt",
        "ok",
        "poem.txt",
        "a/b.txt",
        "../x",
        "../../../../../../tmp/owned",
        "/tmp/owned",
        "a/../../b",
        "..",
        ".",
        "",
        "a\\..\\b",
        *ODD_TEXTS,
    ]
)


def _outside() -> set[str]:
    """All files but those in the cache and the corpus that was asked for."""
    own = (os.environ["CHARRNN_CACHE"], str(Path("data").absolute()))
    here = {str(path) for path in Path.cwd().parent.rglob("*") if not str(path).startswith(own)}
    return here | {str(path) for path in Path("/tmp").glob("owned*")}


KINDS: dict[str, Callable[[Draw], bool]] = {
    "YAML as a config": yaml_document,
    "--set": override,
    "a config with keys changed": mutated_config,
    "a text to learn from": corpus,
    "a damaged checkpoint": damaged_checkpoint,
    "a run rewritten by a stranger": tampered_run,
    "prompts and options": options,
    "a damaged compressed file": compressed,
    "a register of corpora": manifest,
}
