"""What a training says when it begins."""

from __future__ import annotations

from pathlib import Path

from charrnn.config import CorpusConfig
from charrnn.models import LanguageModel
from charrnn.run import Run
from charrnn.text.dataset import Dataset
from charrnn.text.documents import divided
from charrnn.text.fields import HEAD, looks_like
from charrnn.text.reader import find_files, read_text


def headline(run: Run, dataset: Dataset, model: LanguageModel) -> str:
    """The network, the text and the machine in one line, and a line for all that a user may not expect of the text."""
    facts, corpus = run.facts, run.config.corpus
    documents = f" in {facts.documents:,} document{'s' * (facts.documents != 1)}" if facts.documents else ""
    still = sum(weight.numel() for weight in model.parameters() if not weight.requires_grad)
    frozen = f" ({still:,} of them frozen)" if still else ""
    rare = f"; {facts.rare}" if facts.rare else ""
    damage = f"; {facts.damage} (corpus.errors: {corpus.errors})" if facts.damage else ""
    encoding = f" in {facts.recognised or corpus.encoding}" if corpus.path and run.vocabulary.kind == "char" else ""
    lines = [] if dataset.starts is None else [dataset.groups(corpus.shared_run).told(corpus)]
    if corpus.validation is not None and corpus.split[1]:
        lines.append("another text validates, so the validation fraction of corpus.split is learnt from too")
    if corpus.path is not None and run.vocabulary.kind == "char":
        lines += _hints(find_files(corpus.path), corpus, facts.documents)
    more = "".join(f"\n{line}" for line in lines if line)
    return (
        f"{run.path}: {run.config.model.cell}, {facts.parameters:,} parameters{frozen}, "
        f"{facts.characters['train']:,} characters{encoding} to learn from{documents}, an alphabet of "
        f"{facts.vocabulary:,}, on {run.device}{rare}{damage}{more}"
    )


LOOKED_AT = 2**20
"""The bytes of a text that are looked at for larger documents."""


def _hints(files: list[Path], corpus: CorpusConfig, documents: int | None) -> list[str]:
    """Lines where a text is probably not read as its user means it."""
    lines = []
    if corpus.field is None:
        head = next(read_text(files[0], corpus.encoding, block=HEAD, errors="skip"))
        if kind := looks_like(files[0], head):
            lines.append(f"{files[0]} is {kind}")
        if documents == len(files) and corpus.separator != "file":
            each = files[0] if documents == 1 else "each file"
            lines.append(
                f"{each} is one document, without any {corpus.separator} in it; `charrnn corpus show {files[0]}` "
                "counts what each corpus.separator would give"
            )
        elif documents and corpus.separator == "blank-line":
            text = next(read_text(files[0], corpus.encoding, block=LOOKED_AT, errors="skip"))
            small, large = (len(divided(text, separator)) for separator in ("blank-line", "blank-lines: 2"))
            if 1 < large <= small / 1.5:
                lines.append(
                    f"several blank lines divide it into larger texts, such as songs: {large:,} instead of {small:,}, "
                    "with corpus.separator: 'blank-lines: 2'"
                )
    return lines
