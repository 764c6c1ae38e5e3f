"""A text as a person gave it beside the same text as a model reads it, character by character."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

from charrnn.text.reader import RUN


def clusters(text: str) -> Iterator[str]:
    """The characters of a text as a reader sees them: a letter with its marks, or a syllable of its parts, is one."""
    cluster = ""
    for character in text:
        if cluster and not _joins(cluster, character):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def _joins(cluster: str, character: str) -> bool:
    """Whether a character is a mark on those before it, or normalisation makes one of them."""
    if character.isascii() or len(cluster) >= RUN:
        return False
    if unicodedata.combining(character):
        return True
    apart = len(_nfkc(cluster)) + len(_nfkc(character))
    return len(_nfkc(cluster + character)) < apart


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def pieces(text: str, normalize: Callable[[str], str]) -> list[tuple[str, str]]:
    """The text in pieces, each as it is and normalised, which together are the normalised text.

    A piece is one character as a reader sees it. It is the whole text where normalisation looks beyond characters, as
    OpenCC does for words of several characters.
    """
    found = [(cluster, normalize(cluster)) for cluster in clusters(text)]
    whole = normalize(text)
    return found if "".join(normal for _, normal in found) == whole else [(text, whole)]
