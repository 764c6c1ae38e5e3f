"""A prompt as a person types it: read in other forms of its characters, where the model knows only those."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.text.forms import Forms, is_ideograph, look_alike, simplifies
from charrnn.text.points import codes, listed, visible
from charrnn.text.reader import normalizer
from charrnn.text.spelling import clusters, pieces
from charrnn.text.vocab import Vocabulary

Unknown = Literal["error", "replace", "skip", "keep"]
"""What happens to characters that the model knows in no form. `error` raises, `replace` makes them <unk>, and `skip`
leaves them out. `keep` shows them, and has the model read the letter without its marks, or nothing."""
UNKNOWN: tuple[Unknown, ...] = get_args(Unknown)
"""The values of `Unknown`."""
NAMED = 5
"""The most forms that a note names."""


@dataclass(frozen=True)
class Prompt:
    """A text that a model goes on from."""

    text: str
    """In the user's own characters, as it is shown."""
    ids: list[int]
    """As the model reads it."""


def check_unknown(unknown: str, strict: bool) -> None:
    """Raises CharrnnError where `unknown` has no such value, or contradicts `strict`."""
    if unknown not in UNKNOWN:
        raise CharrnnError(f"‹unknown={unknown}›: error, replace, skip or keep was expected")
    if strict and unknown != "error":
        raise CharrnnError(f"‹unknown={unknown}› takes what ‹strict› refuses; give one of them")


def read_prompts(
    given: Sequence[str | bytes],
    vocabulary: Vocabulary,
    corpus: CorpusConfig,
    unknown: Unknown = "error",
    strict: bool = False,
    remedy: str = "write the text without them",
) -> tuple[list[Prompt], str]:
    """The prompts, normalised as the corpus was, and a line that says what was taken for what and what was not read.

    A character that the model does not know is read in another form that it knows (see `Forms`). `strict` takes no
    other form, and `unknown` says what happens where there is none. Raises CharrnnError for what is refused, in all
    prompts, with the `remedy` that the caller offers.
    """
    check_unknown(unknown, strict)
    reading = _Reading(vocabulary, corpus, unknown)
    prompts = [reading.read_bytes(one) if isinstance(one, bytes) else reading.read(one) for one in given]
    if strict:
        remedy = "write what the model knows, or leave ‹strict› out"
    if reading.found and (strict or (unknown == "error" and None in reading.found.values())):
        raise CharrnnError(f"{vocabulary.lacks}: {reading.refused()}; {remedy}{reading.hint()}")
    return prompts, reading.note()


def read_characters(text: str, vocabulary: Vocabulary, corpus: CorpusConfig) -> tuple[list[Prompt], str]:
    """The characters of a text that a person types, each as it is shown and read, and the line of `read_prompts`.

    What the model knows in no form is kept, as with `unknown="keep"`.
    """
    reading = _Reading(vocabulary, corpus, "keep")
    return reading.characters(text), reading.note()


class _Reading:
    """Reads prompts, and remembers what is unknown in them."""

    def __init__(self, vocabulary: Vocabulary, corpus: CorpusConfig, unknown: Unknown) -> None:
        self._vocabulary, self._unknown = vocabulary, unknown
        self._raw = vocabulary.kind == "byte"
        self._normalize: Callable[[str], str] = str if self._raw else normalizer(corpus)
        self.found: dict[str, str | None] = {}
        """Each unknown character, and the form of it that the model knows."""

    def read_bytes(self, data: bytes) -> Prompt:
        """A prompt of bytes, as it is."""
        if not self._raw:
            raise CharrnnError("a prompt of bytes is for a model of bytes (vocab.kind: byte); give text")
        return Prompt(self._vocabulary.decode(data), list(data))

    def read(self, text: str) -> Prompt:
        """A prompt of text. Line ends are those of the corpus, in which bytes stay as they are."""
        if not self._raw:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        normal = self._normalize(text)
        known = self._knows(normal)
        if not known or (self._raw and self._vocabulary.encoding != "utf-8"):
            _check_locale(text)
        if not known:
            return self._in_pieces(text, normal)
        ids = self._vocabulary.encode(normal)
        return Prompt(self._vocabulary.decode(ids) if self._raw else text, ids)

    def characters(self, text: str) -> list[Prompt]:
        """A text of any kind, character by character."""
        if not self._raw:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        forms, at, found = Forms(self._normalize(text), self._knows), 0, []
        for own, piece in pieces(text, self._normalize):
            theirs, normal = [*clusters(own)], [*clusters(piece)]
            for one, cluster in zip(theirs if len(theirs) == len(normal) else normal, normal, strict=True):
                part, ids = self._one(cluster, at, forms)
                shown = one if part == cluster else part
                found.append(Prompt(self._vocabulary.decode(ids) if self._raw else shown, ids))
                at += len(cluster)
        return found

    def _in_pieces(self, text: str, normal: str) -> Prompt:
        forms = Forms(normal, self._knows)
        shown: list[str] = []
        ids: list[int] = []
        at = 0
        for own, piece in pieces(text, self._normalize):
            before = len(shown)
            for cluster in clusters(piece):
                part, read = self._one(cluster, at, forms)
                shown.append(part)
                ids += read
                at += len(cluster)
            if "".join(shown[before:]) == piece:
                shown[before:] = [own]
        return Prompt("".join(shown), ids)

    def _one(self, cluster: str, at: int, forms: Forms) -> tuple[str, list[int]]:
        """What is shown of a character at a place of the text, and the ids that are read."""
        vocabulary = self._vocabulary
        if self._knows(cluster):
            return cluster, vocabulary.encode(cluster)
        form = forms.find(cluster, at)
        if form is None and self._unknown == "keep":
            form = forms.nearest(cluster, at)
        if form is None or cluster not in self.found:  # what is unknown at one place is unknown
            self.found[cluster] = form
        if form is not None:
            return cluster, vocabulary.encode(form)
        if self._unknown == "replace":
            ids = vocabulary.encode(cluster, "replace")
            return vocabulary.decode(ids), ids
        shown = cluster.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be written
        return ("" if self._unknown == "skip" else shown), []

    def _knows(self, text: str) -> bool:
        return not self._vocabulary.missing(text)

    def note(self) -> str:
        """The line that says what was taken for what, and what was not read."""
        taken = {cluster: form for cluster, form in self.found.items() if form is not None}
        kept = [f"{_quoted(cluster)}({codes(cluster)})" for cluster, form in self.found.items() if form is None]
        notes = [self._taken(taken)] if taken else []
        if kept and self._unknown == "keep":
            verb = "is" if len(kept) == 1 else "are"
            notes.append(f"{listed(kept, NAMED, ', ')} {verb} shown, but not read: the model knows no form of it")
        return "; ".join(notes)

    def _taken(self, taken: dict[str, str]) -> str:
        """What was taken for what."""
        left = [f"{_quoted(cluster)}{_points(cluster, form)}" for cluster, form in taken.items()]
        right = [f"{visible(form)}{_points(form, cluster)}" for cluster, form in taken.items()]
        verb = "is" if len(taken) == 1 else "are"
        return (
            f"{listed(left, NAMED, ', ')} {verb} not in the model's alphabet; {listed(right, NAMED, ', ')} {verb} taken"
        )

    def refused(self) -> str:
        """What is unknown, with the forms that are known."""
        entries = []
        for cluster, form in self.found.items():
            if form is None:
                entries += [f"{visible(c)}({codes(c)})" for c in self._vocabulary.missing(cluster)]
            else:
                knows = f"the model knows {visible(form)}{_points(form, cluster)}"
                entries.append(f"{visible(cluster)}({codes(cluster)}; {knows})")
        return listed(entries)

    def hint(self) -> str:
        """What would help with ideographs, where OpenCC is not there."""
        nowhere = "".join(cluster for cluster, form in self.found.items() if form is None)
        if simplifies() or not any(map(is_ideograph, nowhere)):
            return ""
        return "; traditional and simplified forms are tried where OpenCC is: pip install 'charrnn[simplify]'"


def _quoted(text: str) -> str:
    """The text in quotation marks that it has not itself."""
    return f'"{text}"' if "'" in text else f"'{visible(text)}'"


def _points(text: str, other: str) -> str:
    """The code points of a text that one does not see, or that looks like the other."""
    return f" ({codes(text)})" if look_alike(text, other) or not text.strip() or not text.isprintable() else ""


def _check_locale(text: str) -> None:
    """Raises CharrnnError where Python has read the bytes of a command line in another encoding than they are in."""
    codec = sys.getfilesystemencoding()
    try:
        data = os.fsencode(text)
        meant = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if codec == "utf-8":
            raise CharrnnError(f"the prompt is not UTF-8: its byte {data[error.start]:#04x} is no text") from None
        return
    except UnicodeEncodeError:
        return
    if meant != text:
        name = next((key for key in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(key)), "LC_ALL")
        raise CharrnnError(
            f"the prompt {meant[:20]!r} was read as {codec}, since that is what the locale says "
            f"({name}={os.environ.get(name, '')}); set LC_ALL=C.UTF-8"
        )
