"""What is known of the text that a run learnt from, and of the rights in what is exported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from charrnn.errors import CharrnnError
from charrnn.run import Run
from charrnn.text.corpora import register
from charrnn.text.forms import is_ideograph

CODES = {"Chinese": "zh", "English": "en"}
"""The codes (ISO 639-1) of the languages of the named corpora."""


@dataclass(frozen=True)
class About:
    """What is said of a model to people who have not trained it."""

    corpus: str
    """The name of a corpus, or the names of the user's files, without their folders."""
    title: str
    """What a named corpus is; nothing for the user's own text."""
    text_licence: str
    """The licence of a named corpus; nothing for the user's own text."""
    licence: str
    """The licence under which the weights are given, as the user says; `unknown` where nothing was said."""
    language: str
    """The code of the text's language; nothing where it is not known."""

    @classmethod
    def of(cls, run: Run, licence: str | None = None, language: str | None = None) -> About:
        """What is known of a run. `licence` and `language` are what the user says of it.

        Raises CharrnnError where they are not identifiers as Hugging Face writes them.
        """
        if licence is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,49}", licence):
            raise CharrnnError(
                f"‹licence={licence}›: an identifier as Hugging Face writes it was expected, in small letters: mit, "
                "apache-2.0, cc0-1.0, cc-by-sa-4.0, ..., or other"
            )
        if language is not None and not re.fullmatch(r"[a-z]{2,3}", language):
            raise CharrnnError(f"‹language={language}›: a code of two or three letters was expected, such as en or zh")
        corpus = run.config.corpus
        named = register().get(corpus.name or "")
        if named is not None:
            code = CODES.get(named.language.split()[0], "")
            told = corpus.name or "", named.title, named.licence
        else:
            code = _language_of(run.vocabulary.characters) if run.vocabulary.kind == "char" else ""
            paths = [corpus.path] if isinstance(corpus.path, str) else corpus.path or []
            told = ", ".join(Path(path).name for path in paths) or corpus.name or "", "", ""
        return cls(*told, licence or "unknown", language or code)


def _language_of(characters: list[str]) -> str:
    """The language that an alphabet belongs to, where only one is likely; nothing for all others."""
    letters = [c for c in characters if c.isalpha()]
    if any("\u3041" <= c <= "\u3096" for c in letters):
        return "ja"
    if any("\uac00" <= c <= "\ud7a3" for c in letters):
        return "ko"
    return "zh" if 2 * sum(map(is_ideograph, letters)) > len(letters) else ""
