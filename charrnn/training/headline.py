"""What a training says when it begins."""

from __future__ import annotations

import difflib
from contextlib import suppress
from pathlib import Path

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.models import LanguageModel
from charrnn.run import Run
from charrnn.store.facts import Facts
from charrnn.text.dataset import Dataset
from charrnn.text.documents import divided
from charrnn.text.fields import HEAD, looks_like
from charrnn.text.groups import unit_of
from charrnn.text.presumed import encoding_of_file
from charrnn.text.reader import find_files, passed_over, read_text


def headline(run: Run, dataset: Dataset, model: LanguageModel) -> str:
    """The network, the text and the machine in one line, and a line for all that a user may not expect of the text."""
    facts, corpus = run.facts, run.config.corpus
    documents = f" in {facts.documents:,} document{'s' * (facts.documents != 1)}" if facts.documents else ""
    still = sum(weight.numel() for weight in model.parameters() if not weight.requires_grad)
    frozen = f" ({still:,} of them frozen)" if still else ""
    rare = f"; {facts.rare}" if facts.rare else ""
    damage = f"; {facts.damage} (corpus.errors: {corpus.errors})" if facts.damage else ""
    encoding = f" in {facts.recognised or corpus.encoding}" if corpus.path and run.vocabulary.kind == "char" else ""
    lines = [] if dataset.starts is None else [dataset.groups(corpus.shared_run).told(corpus, unit_of(run.vocabulary))]
    if corpus.validation is not None and corpus.split[1]:
        lines.append("another text validates, so the validation fraction of corpus.split is learnt from too")
    if corpus.path is not None:
        files = find_files(corpus.path)
        lines.append(passed_over(corpus.path, files))
        if run.vocabulary.kind == "char":
            lines += _hints(files, corpus, facts)
    if (size := sum(facts.characters.values())) < LITTLE:
        lines.append(
            f"{size:,} characters are little to learn from: it will know them by heart, and no more; tens of thousands "
            "teach a manner of writing"
        )
    more = "".join(f"\n{line}" for line in lines if line)
    return (
        f"{run.path}: {run.config.model.cell}, {facts.parameters:,} parameters{frozen}, "
        f"{facts.characters['train']:,} characters{encoding} to learn from{documents}, an alphabet of "
        f"{facts.vocabulary:,}, on {run.device}{rare}{damage}{more}"
    )


LOOKED_AT = 2**20
"""The bytes of a text that are looked at for larger documents."""
LITTLE = 2_000
"""A text of fewer characters is little."""
NAMES = ("blank-line", "blank-lines: 2", "line", "file")
"""The separators that are names."""


def undivided(files: list[Path], corpus: CorpusConfig, documents: int | None) -> str:
    """What is said where a separator is in none of the files, each of which is one document; otherwise nothing."""
    alone = documents == 1 == len(files)
    if documents is None or documents > len(files) or corpus.field is not None:
        return ""
    if corpus.separator == "file":
        return f"{files[0]} is one document, since corpus.separator is file" if alone else ""
    each = files[0] if len(files) == 1 else "each file"
    shown = repr(corpus.separator) if corpus.separator not in NAMES else corpus.separator
    near = difflib.get_close_matches(corpus.separator, [name for name in NAMES if name != corpus.separator], 1)
    meant = f" (did you mean corpus.separator={near[0]}?)" if near and corpus.separator not in NAMES else ""
    return (
        f"{each} is one document, without any {shown} in it{meant}; `charrnn corpus show {files[0]}` counts what each "
        "corpus.separator would give"
    )


def _hints(files: list[Path], corpus: CorpusConfig, facts: Facts) -> list[str]:
    """Lines where a text is probably not read as its user means it."""
    lines, documents = [], facts.documents
    if not facts.recognised and corpus.encoding not in ("auto", "utf-8"):
        with suppress(CharrnnError):
            found = encoding_of_file(files[0], corpus.encoding)
            if found != corpus.encoding:
                lines.append(
                    f"{files[0]} is read as {corpus.encoding}, and looks like {found}: if what it writes is garbled, "
                    f"train with --set corpus.encoding={found}"
                )
    if documents is None and corpus.separator != CorpusConfig.model_fields["separator"].default:
        lines.append(
            f"corpus.separator ({corpus.separator!r}) has no effect, since the text is read as one stream; --set "
            "corpus.mode=documents divides it"
        )
    if corpus.field is None:
        head = next(read_text(files[0], corpus.encoding, block=HEAD, errors="skip"))
        if kind := looks_like(files[0], head):
            lines.append(f"{files[0]} is {kind}")
        if told := undivided(files, corpus, documents):
            lines.append(told)
        elif documents and corpus.separator == "blank-line":
            text = next(read_text(files[0], corpus.encoding, block=LOOKED_AT, errors="skip"))
            small, large = (len(divided(text, separator)) for separator in ("blank-line", "blank-lines: 2"))
            if 1 < large <= small / 1.5:
                lines.append(
                    f"several blank lines divide it into larger texts, such as songs: {large:,} instead of {small:,}, "
                    "with corpus.separator: 'blank-lines: 2'"
                )
    return lines
