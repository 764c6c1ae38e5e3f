"""What strangers and slips of the pen may give to charrnn: the strategies that `tests/tools/fuzz.py` draws from.

A kind is a function that draws one input, hands it to the command as a user would, and says whether the answer was
right (True) or refused with a message (False). Anything else raises.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import encodings.aliases
import functools
import hashlib
import io
import json
import math
import os
import random
import re
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import MagicMock, patch

import requests
import typer.main
import yaml
from hypothesis import strategies as st

import charrnn
from charrnn import loading, native, terminal
from charrnn.cache import cache_folder
from charrnn.cli import main
from charrnn.config import EXCLUSIVE, Config
from charrnn.files import read_small
from charrnn.store import lock
from charrnn.text import corpora
from charrnn.text import dataset as encoding
from charrnn.training.trainer import Trainer
from charrnn.trust import is_mine

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
SHORT = {name: POEMS[:150] if name == "documents" else TEXT[:300] for name in RUNS if name != "both"}
"""What is compressed with each run, and decompressed again, a character after the other."""
NAMED = {"prose": "stream", "verse": "documents"}
"""The named corpora of `served`, and their modes."""
VICTIM = "a file of the user's, to which links of strangers point\n"

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


def command(*arguments: str | Path, stdin: bytes = b"", codes: tuple[int, ...] = (0, 2)) -> Outcome:
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
    for stream, errors in zip(streams[1:], ("surrogateescape", "backslashreplace"), strict=True):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", errors))  # a byte that is no text is one character
    outcome = Outcome(code, *texts)
    if code not in codes or "Traceback" in outcome.err:
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
    setattr(typer.main, "get_command", functools.cache(typer.main.get_command))  # noqa: B010 (most of a short command)
    setattr(loading, "read_yaml", _read_once(loading.read_yaml))  # noqa: B010
    Path("home").mkdir()
    os.environ["HOME"] = str(Path("home").absolute())  # `~` may be named too
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    Path("poems.txt").write_text(POEMS, encoding="utf-8")
    Path("victim.txt").write_text(VICTIM, encoding="utf-8")
    with patch.object(encoding, "SETTLED", -(2**62)):  # the digests of texts are kept, however new they are
        for name, changes in RUNS.items():
            _make(name, changes)
    for name, text in SHORT.items():
        Path("short.txt").write_text(text, encoding="utf-8")
        command("compress", name, "short.txt", "--out", f"{name}.crnn")
    with served(True):
        for name in NAMED:
            _make(name, {"corpus": {"path": None, "name": name}})
            command("corpus", "get", name, "--out", "known")
    shutil.copytree(_cache(), "whole")
    learn = Trainer.learn

    def learn_and_stop(self: Trainer, *arguments: Any) -> None:
        learn(self, *arguments)
        stops = vars(self)["_steps_here"] = vars(self).get("_steps_here", 0) + 1
        if stops >= STEPS:
            self.stop()

    setattr(Trainer, "learn", learn_and_stop)  # noqa: B010 (mypy minds the plain way)


def _read_once(read: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which remembers what it has read: the configs of the trained runs are read again and again."""
    known = functools.lru_cache(100)(read)
    return lambda *arguments: copy.deepcopy(known(*arguments))


def _make(name: str, changes: dict[str, Any]) -> None:
    """A run, from a config of its name."""
    Path(f"{name}.yaml").write_text(yaml.safe_dump(merged(changes)), encoding="utf-8")
    if command("train", f"{name}.yaml", "--out", name, "--quiet").code:
        raise SystemExit(f"{name}: cannot be trained")


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
        _damage(draw, run / file, [Path(name) / file for name in RUNS])
    seen = _look(draw, "run", ["sample", "fill", "resume"])
    if "sample" in seen and not seen["sample"].code and seen["sample"].out not in _texts(source):
        raise Wrong(f"a text of no whole checkpoint: {seen['sample'].out!r}")
    return all(one.code == 0 for one in seen.values())


def _damage(draw: Draw, file: Path, others: list[Path]) -> None:
    """Does something to a file that disks, slips and strangers do to files."""
    raw = file.read_bytes()
    ways = ["flip", "flip", "zero", "cut", "empty", "longer", "other", "remove", "folder", "link", "pipe"]
    how = draw(st.sampled_from(ways))
    at = draw(st.integers(0, 63)) * len(raw) // 64 + draw(st.integers(0, max(0, len(raw) // 64)))
    tried.append(f"{file}: {how} at {at} of {len(raw)} bytes")
    file.unlink()
    if how == "folder":
        file.mkdir()
    elif how == "link":
        file.symlink_to(draw(st.sampled_from([Path("victim.txt").absolute(), "/dev/zero", "/", "nowhere", file.name])))
    elif how == "pipe":
        os.mkfifo(file)
    elif how != "remove":
        other = draw(st.sampled_from(others))
        width = draw(st.sampled_from([1, 1, 8, 64]))
        flipped = bytes(b ^ draw(st.integers(1, 255)) for b in raw[at : at + width])
        file.write_bytes(
            {
                "flip": raw[:at] + flipped + raw[at + width :],
                "zero": raw[:at] + bytes(len(raw[at : at + width])) + raw[at + width :],
                "cut": raw[:at],
                "longer": raw + draw(st.binary(min_size=1, max_size=20)),
                "other": other.read_bytes() if other.is_file() else b"",
            }.get(how, b"")
        )


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
            document = json.loads(read_small(manifest, 10**6))
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


def _rewrite(draw: Draw, file: Path, change: Callable[[Any], Any] | None = None) -> None:
    """Writes other JSON into a file, unless it is no longer JSON, or so large that to change it again takes long."""
    if not file.is_file() or file.is_symlink() or file.stat().st_size > 10**6:
        return
    with contextlib.suppress(ValueError, RecursionError, TypeError):
        document = json.loads(file.read_bytes())
        file.write_bytes(_json(draw, change(document) if change else _rewritten(draw, document)))
        tried.append(f"{file} = {file.read_bytes()[:1000]!r}")


def _json(draw: Draw, document: Any) -> bytes:
    """JSON, sometimes with tricks that are not in the document."""
    text = json.dumps(document)
    trick = draw(st.sampled_from(["", "", "", "", "again", "deep", "long", "digits", "half", "bom", "megabytes"]))
    made: dict[str, Callable[[], str]] = {
        "again": lambda: text[:-1] + ", " + text[1:],
        "deep": lambda: "[" * 100_000 + text,
        "long": lambda: text + " " * 100_000,
        "digits": lambda: '{"format": ' + "9" * 10_000 + "}",
        "half": lambda: text[: len(text) // 2],
        "bom": lambda: "\ufeff" + text,
        "megabytes": lambda: "[" + "[]," * 2_000_000 + "[]]",
    }
    return made.get(trick, lambda: text)().encode("utf-8")


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
UNKNOWN = st.sampled_from(["replace", "error", "skip", "keep"]) | ARGUMENT
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
        "--unknown": UNKNOWN,
        "--device": st.sampled_from(["cpu", "cpu", "cpu", "cuda", "cuda:-1", "cpu:9", "meta", "mps"]) | ARGUMENT,
    },
    "fill": {"--blank": ARGUMENT, "--unknown": UNKNOWN, "--samples": NUMBER_TEXTS, "--seed": NUMBER_TEXTS},
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
FLAGS = {"sample": ["--json", "--stream", "--strict"], "fill": ["--json", "--best", "--strict"]}
FLAGS |= {"score": ["--json", "--sort", "--color"]}
FLAGS |= {"eval": ["--json", "--dynamic"], "compare": ["--json"], "info": ["--json"], "compress": []}


def options(draw: Draw) -> bool:
    """Any prompt, any text and any value of an option."""
    Path("mine.txt").unlink(missing_ok=True)  # a folder may be named, and all texts in it are read
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
    source = draw(st.sampled_from([*SHORT]))
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
    if Path("out").read_text(encoding="utf-8") != SHORT[source]:
        raise Wrong("decompressed to another text")
    return True


def manifest(draw: Draw) -> bool:
    """A register of corpora with any names, sources and texts: nothing is written outside the cache."""

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
    with _register(file, lambda _: body):
        done = command("corpus", "get", name.lstrip("-") or "x", "--out", "data", "--overwrite")
    if _outside() != before:
        raise Wrong(f"written outside the cache: {_outside() - before}")
    return done.code == 0


@contextlib.contextmanager
def _register(file: Path, body: Callable[[str], bytes | None]) -> Iterator[None]:
    """Another register, and a network that gives a body for each address, or nothing."""

    def answer(address: str, **_: Any) -> Any:
        content = body(address)
        if content is None:
            raise requests.ConnectionError
        response = MagicMock(is_redirect=False, headers={})
        response.__enter__.return_value = response
        response.raw.stream.return_value = [content]
        return response

    # pooch waits between its tries
    with patch.object(corpora, "REGISTER", file), patch("requests.get", answer), patch("time.sleep"):
        corpora.register.cache_clear()
        try:
            yield
        finally:
            corpora.register.cache_clear()


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
    found = {str(path) for path in Path("/tmp").glob("owned*")}
    for folder, folders, files in os.walk(Path.cwd().parent):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in own]  # noqa: PTH118
        found.update(os.path.join(folder, name) for name in [*folders, *files])  # noqa: PTH118
    return found


# Bytes that are read, filled and compressed.


def any_bytes(draw: Draw) -> bool:
    """Any file to `score`, `fill`, `compress` and `decompress`: the figures of `eval`, and the same bytes again."""
    source = draw(st.sampled_from([*RUNS]))
    pieces = st.binary(max_size=60) | st.text("The cat\n＿_", max_size=60).map(str.encode)
    pieces |= (ANY_TEXT | st.sampled_from(["\r\n", "\r", "\n\n", "床前一盞燈，\n\n"])).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
    raw = b"".join(draw(st.lists(pieces, max_size=4)))[:600]
    tried.append(f"any.bin = {raw!r}")
    Path("any.bin").write_bytes(raw)
    done = [
        {"score": _score, "fill": _fill, "compress": _compress, "decompress": _decompress}[way](draw, source, raw)
        for way in draw(st.lists(st.sampled_from(["score", "fill", "compress", "decompress"]), min_size=1, max_size=2))
    ]
    return all(done)


def _score(draw: Draw, source: str, raw: bytes) -> bool:
    by = draw(st.sampled_from(["line", "document", "character"]))
    done, whole = (
        command("score", source, "any.bin", "--by", by, "--json"),
        command("eval", source, "--text", "any.bin", "--json"),
    )
    if done.code != whole.code:
        raise Wrong(f"score and eval are not of one mind: {done.err}{whole.err}")
    if done.code:
        return False
    rows = [json.loads(line, parse_constant=_no_constant) for line in done.out.split("\n")[:-1]]
    count = sum(row["characters"] for row in rows)
    bits = sum(row["bits_per_char"] * row["characters"] for row in rows)
    of_eval = json.loads(whole.out, parse_constant=_no_constant)
    if count != of_eval["characters"] or not math.isclose(bits / count, of_eval["bits_per_char"], rel_tol=1e-5):
        raise Wrong(f"score: {count} characters, {bits} bits; eval: {of_eval}")
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:  # text with some damage, or in another encoding that was recognised
        if "not decode" not in done.err and "encoding" not in done.err:
            raise Wrong(f"score reads what is not UTF-8 without a word: {done.err!r}") from None
        return True
    if source == "stream":
        read = "".join(row["text"] for row in rows)
        if len(read) != len(text) or any(a not in (b, "\ufffd") for a, b in zip(read, text, strict=True)):
            raise Wrong(f"score read another text: {read!r}")
    return True


def _fill(draw: Draw, source: str, raw: bytes) -> bool:
    text = os.fsdecode(raw[:60].replace(b"\0", b""))
    done = command("fill", source, "--json", "--samples", draw(st.sampled_from(["1", "3"])), "--", text)
    if done.code:
        return False
    for row in json.loads(done.out, parse_constant=_no_constant):
        filled, at = row["text"], 0
        if source != "bytes" and len(filled) != len(text):
            raise Wrong(f"fill changed the length: {filled!r}")
        for given in re.split("[＿_]", text):
            if source != "bytes" or given.isprintable():  # bytes that are no characters cannot be printed as such
                at = filled.find(given, at) + len(given)
                if at < len(given):
                    raise Wrong(f"fill changed what was given: {filled!r}")
    return True


def _compress(draw: Draw, source: str, raw: bytes) -> bool:
    for name in ("any.crnn", "back"):
        Path(name).unlink(missing_ok=True)
    done = command("compress", source, "any.bin", "--out", "any.crnn")
    with contextlib.suppress(UnicodeDecodeError):
        if source != "both" and done.code and (source == "bytes" or raw.decode() is not None):
            raise Wrong(f"refused: {done.err}")
    if done.code:
        return False
    if command("decompress", source, "any.crnn", "--out", "back").code or Path("back").read_bytes() != raw:
        raise Wrong("decompressed to something else")
    return True


def _decompress(draw: Draw, source: str, raw: bytes) -> bool:
    Path("back").unlink(missing_ok=True)
    if draw(st.booleans()) and source in SHORT:
        raw = Path(f"{source}.crnn").read_bytes()[: draw(st.sampled_from([8, 24, 40, 56]))] + raw
    Path("any.crnn").write_bytes(raw)
    if not command("decompress", source, "any.crnn", "--out", "back").code or Path("back").exists():
        raise Wrong("bytes that nobody compressed were decompressed")
    return False


# The small files of a run.

MEASURED = ["metrics.jsonl", "samples.txt", "lock"]
"""They change no answer."""
PLANTED = ["metrics.jsonl", "samples.txt", ".metrics.jsonl.tmp", ".config.yaml.tmp", ".run.json.tmp"]
"""What a stranger may have made a link, so that it is written to."""
LINES = DOCUMENTS | st.fixed_dictionaries(
    dict.fromkeys(("step", "minutes", "epochs"), NUMBERS | SCALARS),
    optional=dict.fromkeys(("val_loss", "val_bits_per_char", "loss", ""), NUMBERS | SCALARS),
)
LOCKS = st.binary(max_size=200) | st.sampled_from(
    ["", "1", "1 ", "0", "-1", "4194304 7", f"{2**31} 1", f"{2**63}", "9" * 90, "9" * 5000, "١", "1\n", "1 x y", "+1"]
).map(str.encode)


def damaged_run(draw: Draw) -> bool:
    """History, samples, facts, config, alphabet and lock of a run damaged, or links of a stranger among them."""
    source = draw(st.sampled_from([*RUNS]))
    ways = ["sample", "info", "info --json", "eval", "resume", "again"]
    chosen = draw(st.lists(st.sampled_from(ways), min_size=1, max_size=2, unique=True))
    known = {way: _answer(way, source) for way in chosen}
    run = fresh(source)
    (run / "lock").write_text("4194304 7", encoding="ascii")
    (run / "samples.txt").write_text("=== step 2\nx\n\n", encoding="utf-8")
    harmless = draw(st.booleans())
    files = MEASURED if harmless else [*MEASURED, "run.json", "config.yaml", "vocab.json"]
    for file in [run / name for name in draw(st.lists(st.sampled_from(files), min_size=1, max_size=2, unique=True))]:
        if file.name == "lock" and draw(st.booleans()):
            living = f"{os.getpid()} {lock._birth(os.getpid())}".encode()
            file.write_bytes(draw(LOCKS | st.sampled_from([living, living[:-1], living.split()[0]])))
        elif file.name == "metrics.jsonl" and draw(st.booleans()):
            lines = [json.dumps(line).encode() for line in draw(st.lists(LINES, min_size=1, max_size=3))]
            file.write_bytes(draw(st.sampled_from([b"\n", b"\r", b"", b"\0"])).join(lines))
        else:
            _damage(draw, file, [Path(other) / file.name for other in RUNS])
        if file.is_file() and not file.is_symlink():
            tried.append(f"{file} = {file.read_bytes()[:500]!r}")
    for file in [run / name for name in draw(st.lists(st.sampled_from(PLANTED), max_size=1))]:
        _gone(file)
        file.symlink_to(Path("victim.txt").absolute())
        tried.append(f"{file} is a link to victim.txt")
    codes = []
    for way in chosen:
        code, answer = _ask(way, source)
        codes.append(code)
        if Path("victim.txt").read_text(encoding="utf-8") != VICTIM:
            Path("victim.txt").write_text(VICTIM, encoding="utf-8")
            raise Wrong(f"{way}: a file of the user's was written to through a link in the run")
        if harmless and not code and not way.startswith("info") and answer != known[way]:
            raise Wrong(f"{way}: {answer!r} instead of {known[way]!r}")
        if way in ("resume", "again"):
            break  # it is another run now
    return not any(codes)


def _cache(part: str = "") -> Path:
    """A part of the cache, whatever has become of it."""
    return Path(os.environ["CHARRNN_CACHE"], part)


def _gone(path: Path) -> None:
    """Removes whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _ask(way: str, source: str) -> tuple[int, Any]:
    """The exit code and the answer of a command to `run`, which is a copy of a trained run, or becomes one like it."""
    arguments: dict[str, tuple[str, ...]] = {
        "sample": ("sample", "run", *SAMPLE),
        "info": ("info", "run"),
        "info --json": ("info", "run", "--json"),
        "eval": ("eval", "run", "--json"),
        "eval train": ("eval", "run", "--json", "--split", "train"),
        "resume": ("train", "--resume", "run", "--quiet", *RESUMED),
        "train": ("train", f"{source}.yaml", "--out", "run", "--quiet"),
        "again": ("train", f"{source}.yaml", "--out", "run", "--quiet", "--overwrite"),
        "get": ("corpus", "get", source),
        "show": ("corpus", "show", source),
    }
    if way == "train":
        fresh()
    shutil.rmtree("data", ignore_errors=True)
    done = command(*arguments[way])
    if way.endswith("--json") and not done.code:
        json.loads(done.out, parse_constant=_no_constant)
    if done.code:
        return done.code, None
    if way == "get":
        return 0, Path(f"data/{source}.txt").read_bytes()
    return 0, _trained() if way in ("resume", "train", "again") else done.out


RESUMED = ("--set", "training.steps=1000", "--set", "training.sample_every=1 steps")


def _trained() -> Any:
    """All of a run but its id and its times."""
    facts = json.loads(Path("run/run.json").read_bytes())
    del facts["id"]
    checkpoints = {
        folder.name: (
            hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
            json.loads((folder / "state.json").read_bytes())["best"],
        )
        for folder in Path("run/checkpoints").glob("step-*")
    }
    return facts, checkpoints


_answers: dict[tuple[str, str], Any] = {}


def _answer(way: str, source: str) -> Any:
    """The answer where nothing is damaged."""
    if (way, source) not in _answers:
        _whole_cache()
        fresh(source)
        with served(True):
            _answers[way, source] = _ask(way, source)[1]
    return _answers[way, source]


# The cache.


def _whole_cache() -> None:
    """Makes the cache what it was when nothing was damaged, but for compiled libraries."""
    for name in ("ids", "digests", "corpora", "downloads"):
        _gone(_cache(name))
        shutil.copytree(Path("whole") / name, _cache(name))


def damaged_library(draw: Draw) -> bool:
    """A library, its manifest or its folder damaged: what is loaded is byte for byte what was compiled."""
    place = Path("libraries").absolute()
    compiled = b"no library at all, so that nothing could load it\n" * 50

    def compile_again(_: object, __: object, ___: object, library: Path) -> None:
        made = library.with_suffix(".made")
        made.write_bytes(compiled)
        manifest = library.with_suffix(".new")
        manifest.write_text(json.dumps(native.facts_of(made)), encoding="ascii")
        manifest.replace(library.with_suffix(".json"))
        made.replace(library)

    def opened(path: str, *_: object, **__: object) -> Any:
        if Path(path).read_bytes() != compiled:
            raise Wrong(f"{path}: a damaged library is loaded")
        return MagicMock()

    _gone(place)
    (place / "home").mkdir(parents=True)
    said = io.StringIO()
    with (
        patch.dict(os.environ, {"CHARRNN_CACHE": str(place / "cache"), "XDG_CACHE_HOME": str(place / "home")}),
        patch.object(native, "_compile", compile_again),
        patch.object(native, "_processor", str),  # it takes longer than all else
        patch.object(ctypes, "CDLL", opened),
        contextlib.redirect_stderr(said),
    ):
        library = native._library(native.SOURCES / "sampling.c", "")
        harms = st.sampled_from(["library", "manifest", "manifest", "JSON", "JSON", "mode", "owner", "folder"])
        for harm in draw(st.lists(harms, min_size=1, max_size=2, unique=True)):
            _harm_library(draw, harm, library)
        if library.is_file() and library.read_bytes() != compiled and native.fault(library) is None:
            raise Wrong("no fault is seen in a damaged library")
        if draw(st.integers(0, 3)) == 0:
            command("cache", "verify", codes=(0, 1, 2))
            mine = (
                one for one in cache_folder("native").glob("*.so") if is_mine(one.lstat())
            )  # others' are left alone
            if any(map(native.fault, mine)):
                raise Wrong("a damaged library is left by `cache verify`")
        terminal.warn_once.cache_clear()
        loaded = native.load.__wrapped__("sampling")
    if loaded is None and "without C" not in said.getvalue():
        raise Wrong("no library, and nobody is told")
    return loaded is not None


def _harm_library(draw: Draw, harm: str, library: Path) -> None:
    file = draw(st.sampled_from([library, library.with_suffix(".json")]))
    manifest = library.with_suffix(".json")
    if harm == "JSON":
        _rewrite(draw, manifest)
    elif harm in ("library", "manifest") and (library if harm == "library" else manifest).is_file():
        _damage(draw, library if harm == "library" else manifest, [library, manifest])
    elif harm == "mode" and file.exists() and not file.is_symlink():  # never what a link leads to
        file.chmod(draw(st.sampled_from([0o666, 0o622, 0o777, 0o1777, 0o000, 0o700])))
    elif harm == "owner" and hasattr(os, "geteuid") and os.geteuid() == 0:
        if not file.is_symlink() and file.exists():
            os.chown(draw(st.sampled_from([file, library.parent])), 65534, 65534)
    elif harm == "folder":
        library.parent.chmod(draw(st.sampled_from([0o777, 0o1777, 0o770])))
    tried.append(f"{harm} {file.name}")


def damaged_entry(draw: Draw) -> bool:
    """Encoded texts in the cache damaged, swapped, added to: figures and weights are those of whole ones."""
    source = draw(st.sampled_from([*RUNS]))
    ways = ["eval", "eval train", "info --json", "train", "resume", "list", "verify", "verify", "clear", "older"]
    chosen, known = _questions(draw, ways, source)
    touched: set[str] = set()
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        touched |= _harm_entry(draw)
    return _as_if_whole(chosen, source, known, touched)


def _questions(draw: Draw, ways: list[str], source: str) -> tuple[list[str], dict[str, Any]]:
    """What will be asked, and the answers of a whole cache, which is then there."""
    chosen = draw(st.lists(st.sampled_from(ways), min_size=1, max_size=3, unique=True))
    known = {way: _answer(way, source) for way in chosen if way not in ABOUT_CACHE}
    _whole_cache()
    return chosen, known


ABOUT_CACHE = ("list", "verify", "clear", "older")


def _as_if_whole(chosen: list[str], source: str, known: dict[str, Any], touched: set[str]) -> bool:
    """Asks this and that of a damaged cache: the answers are those of a whole one, or refusals."""
    codes, cleared = [], False
    fresh(source)
    for way in chosen:
        if way in ABOUT_CACHE:
            codes.append(_about_cache(way))
            cleared |= way == "clear"
        else:
            code, answer = _ask(way, source)
            codes.append(code)
            if not code and answer != known[way]:
                raise Wrong(f"{way}: {answer!r} instead of {known[way]!r}")
            if way in ("resume", "train"):
                fresh(source)
        for entry in Path("whole/ids").iterdir():
            own = _cache("ids") / entry.name
            if entry.name not in touched and not (cleared or "ids" in touched) and not _same(entry, own):
                raise Wrong(f"{way}: {own} was whole, and is gone or changed")
    return not any(codes)


def _same(one: Path, other: Path) -> bool:
    """Whether two folders have the same files."""
    return all((other / f.name).is_file() and (other / f.name).read_bytes() == f.read_bytes() for f in one.iterdir())


def _about_cache(way: str) -> int:
    """`charrnn cache list`, `verify` or `clear`: what they say is so."""
    if way == "verify":
        done = command("cache", "verify", codes=(0, 1, 2))
        if done.code < 2 and command("cache", "verify", codes=(0, 1, 2)).code:
            raise Wrong(f"what is damaged was not removed: {done.out}")
        for entry in _cache("ids").glob("*") if done.code < 2 else ():
            whole = Path("whole/ids") / entry.name
            if whole.exists() and not all(_alike(file, entry / file.name) for file in whole.iterdir()):
                raise Wrong(f"{entry}: damaged, and not found")
        return done.code
    if way == "clear":
        return max(command("cache", "clear").code, 2 * (json.loads(command("cache", "list", "--json").out) != []))
    before = command("cache", "list", "--json")
    if way == "older":
        command("cache", "clear", "--older", "30d")
        after = command("cache", "list", "--json")
        if [one["name"] for one in json.loads(before.out)] != [one["name"] for one in json.loads(after.out)]:
            raise Wrong("something new was removed as old")
    rows = {one["name"]: one["bytes"] for one in json.loads(before.out) if one["kind"] == "text"}
    here = _cache("ids")
    for name, size in rows.items():
        files = [here / name, *(here / name).rglob("*")] if not (here / name).is_symlink() else []
        plain = all(not file.is_symlink() for file in files)
        if files and plain and size != sum(file.stat().st_size for file in files if file.is_file()):
            raise Wrong(f"{name}: has another size than {size} bytes")
    return before.code


def _alike(whole: Path, file: Path) -> bool:
    """Whether a file is the whole one; a manifest may differ, where what it says of the others is right."""
    return (whole.suffix == ".json" and whole.stem == "dataset") or file.read_bytes() == whole.read_bytes()


def _harm_entry(draw: Draw) -> set[str]:
    """Damages something among the encoded texts, and gives the names of the entries that are no longer whole."""
    folder = _cache("ids")
    names = sorted(entry.name for entry in Path("whole/ids").iterdir())
    name, second = draw(st.permutations(names))[:2]
    entry, other = folder / name, folder / second
    ways = ["file", "file", "file", "files", "manifest", "manifest", "version", "extra", "extra"]
    how = draw(st.sampled_from([*ways, "entry", "swapped", "renamed", "digest", "digests", "folder", "left"]))
    tried.append(f"{name}: {how} (or {second})")
    if how in ("digest", "digests"):
        _harm_digest(draw, how)
        return set()
    if how == "folder":
        _gone(folder)
        _not_a_folder(draw, folder, ["nowhere"])
        return {"ids"}
    if how == "left":
        _leave(draw, folder)
        return set()
    if not (entry.is_dir() and other.is_dir()) or entry.is_symlink() or other.is_symlink():
        return {name}
    if how in ("file", "files"):
        files = sorted(file for file in entry.iterdir() if file.is_file() and not file.is_symlink())
        few = st.lists(st.sampled_from(files), min_size=1, max_size=1 if how == "file" else 3, unique=True)
        for file in draw(few) if files else []:
            _damage(draw, file, [one / file.name for one in folder.iterdir()])
    elif how == "manifest":
        _rewrite(draw, entry / "dataset.json")
    elif how == "version":
        changes = [{"format": 2}, {"files": {}}, {"version": "9"}, {"fingerprint": name}, {"dtype": "uint16"}]
        change = draw(st.sampled_from(changes))
        _rewrite(draw, entry / "dataset.json", lambda document: document | change)
    elif how == "extra":
        file = entry / draw(st.sampled_from(["starts.bin", "starts.bin", "x", ".x", "ids.bin.tmp", "秋", "ids.bin"]))
        size = (entry / "ids.bin").stat().st_size if (entry / "ids.bin").is_file() else 0
        contents = [b"", bytes(8), struct.pack("<qq", 0, size), struct.pack("<qqq", 0, size // 2, size), b"x"]
        if not os.path.lexists(file):
            file.write_bytes(draw(st.sampled_from(contents)))
            tried.append(f"{file} = {file.read_bytes()!r}")
    elif how == "entry":
        _gone(entry)
        _not_a_folder(draw, entry, [str(other), "nowhere", "/", "..", name, str(Path("whole/ids").absolute())])
    elif how == "swapped":
        entry.rename(folder / "between")
        other.rename(entry)
        (folder / "between").rename(other)
    else:
        new = draw(st.sampled_from(["x", name[:-1], name[::-1], f".building-{name}", f".gone-{name}-1", "秋\x1b[2J"]))
        entry.rename(folder / new)
    return {name, second} if how == "swapped" else {name}


def _not_a_folder(draw: Draw, path: Path, links: list[str]) -> None:
    """Puts something else where a folder was."""
    how = draw(st.sampled_from(["file", "link", "link", "pipe", "empty", "missing"]))
    if how == "file":
        path.write_bytes(draw(st.binary(max_size=20)))
    elif how == "link":
        path.symlink_to(draw(st.sampled_from(links)))
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "empty":
        path.mkdir()
    tried.append(f"{path}: {how} {path.readlink() if path.is_symlink() else ''}")


def _leave(draw: Draw, folder: Path) -> None:
    """What a process that died left beside the entries: a folder, a file or a link, long ago or just now."""
    if not folder.is_dir():
        return
    left = folder / draw(st.sampled_from([".building-x", ".gone-x-1", ".building-", "building"]))
    if not os.path.lexists(left):
        _not_a_folder(draw, left, [str(Path.cwd()), "nowhere", str(Path("victim.txt").absolute())])
    if os.path.lexists(left) and draw(st.booleans()):
        os.utime(left, (0, 0), follow_symlinks=False)


def _harm_digest(draw: Draw, how: str) -> None:
    """Damages what is known of the text files, so that they need not be read again."""
    folder = _cache("digests")
    if how == "digests":
        _gone(folder)
        _not_a_folder(draw, folder, ["nowhere"])
        return
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if draw(st.booleans()) and file.is_file() and not file.is_symlink():
            if draw(st.booleans()):
                _damage(draw, file, sorted(folder.iterdir()))
            else:
                _rewrite(draw, file)


# Named corpora.

BODIES = {
    "prose.txt": TEXT.encode(),
    "verse.json": json.dumps([{"paragraphs": poem.split("\n")} for poem in POEMS.split("\n\n")]).encode(),
}
"""What the network gives."""


def served(network: bool) -> contextlib.AbstractContextManager[None]:
    """Two named corpora, and a network that has them, or none."""
    file = Path("named.yaml")
    common = {"title": "x", "language": "x", "characters": "1", "licence": "x", "base": "https://example.org/"}
    document = {}
    for (name, mode), source, form in zip(NAMED.items(), BODIES, ["text", "chinese-poetry"], strict=True):
        sources = {source: hashlib.sha256(BODIES[source]).hexdigest()}
        document[name] = common | {"mode": mode, "format": form, "sources": sources, "limit": 10**6}
    file.write_text(json.dumps(document), encoding="utf-8")
    return _register(file, lambda address: BODIES[address.split("/")[-1]] if network else None)


def damaged_corpus(draw: Draw) -> bool:
    """A named corpus, its sources, or what was encoded of it damaged: it is made again, or refused."""
    name = draw(st.sampled_from([*NAMED]))
    ways = ["get", "get", "show", "train", "train", "eval", "resume", "list", "verify", "clear"]
    chosen, known = _questions(draw, ways, name)
    touched: set[str] = set()
    if draw(st.integers(0, 2)):
        shutil.rmtree(_cache("ids"))  # so that the text must be read
        touched.add("ids")
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        touched |= _harm_corpus(draw, name)
    with served(draw(st.booleans())):
        return _as_if_whole(chosen, name, known, touched)


def _harm_corpus(draw: Draw, name: str) -> set[str]:
    """Damages something of a named corpus; gives the names of the entries that are no longer whole."""
    corpus, downloads = _cache("corpora"), _cache("downloads")
    how = draw(st.sampled_from(["text", "text", "manifest", "JSON", "both", "source", "folder", "entry", "left"]))
    tried.append(f"{name}: {how}")
    texts = sorted(corpus.glob(f"{name}-*.txt"))
    manifests = sorted(corpus.glob(f"{name}-*.json"))
    sources = sorted(file for file in downloads.rglob("*") if not file.is_dir())
    chosen = {"text": texts, "manifest": manifests, "both": texts + manifests, "source": sources}.get(how, [])
    for file in chosen:
        if file.is_file() and not file.is_symlink():
            _damage(draw, file, [*texts, *manifests, *sources])
    if how == "JSON" and manifests:
        _rewrite(draw, manifests[0])
    elif how == "folder":
        folder = draw(st.sampled_from([corpus, downloads, *downloads.glob("*")]))
        _gone(folder)
        _not_a_folder(draw, folder, ["nowhere"])
    elif how == "left" and corpus.is_dir():
        (corpus / draw(st.sampled_from(["tmpabc", "x.txt", "x.json", ".x", "秋.txt"]))).write_bytes(b"left")
    elif how == "entry" and _cache("ids").is_dir():
        return _harm_entry(draw)
    return set()


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
    "bytes to score, fill, compress": any_bytes,
    "history, facts and lock of a run": damaged_run,
    "a manifest of a compiled library": damaged_library,
    "a damaged entry of the cache": damaged_entry,
    "a named corpus in the cache": damaged_corpus,
}
