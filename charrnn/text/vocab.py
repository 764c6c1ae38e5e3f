"""The alphabet of a model: characters (or bytes) to ids and back."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.files import Count, Fraction, Record, read_json
from charrnn.text.encoding import codec_of
from charrnn.text.points import CODE_POINTS, codes, listed, visible

MAX_BYTES = 16_000_000
"""The most bytes of a vocabulary's file; one with all characters of Unicode is smaller."""

MARKED = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}
"""Codecs that begin a text with a byte order mark, and those without it: a prompt may stand anywhere in a text."""

SHORT = 100_000
"""With `min_count: auto`, a text of fewer characters loses none of them."""


class Rare(Record):
    """The characters of a text that became <unk>."""

    kinds: Count
    """How many different ones."""
    of: Count
    """The number of different characters in the text."""
    most: Count
    """The most occurrences of one of them."""
    share: Fraction
    """Their share of the text."""

    def __str__(self) -> str:
        """In words."""
        return (
            f"{self.kinds:,} of {self.of:,} characters occur less than {self.most + 1:,} times and become <unk>: "
            f"{100 * self.share:.2g} % of the text"
        )


class Vocabulary:
    """The alphabet of n characters. Ids 0 to n-1 are the characters by code point, n is <unk>, n+1 is the boundary.

    A model reads the boundary before the first character of a text, and predicts it where a document ends. With
    `kind="byte"` the characters are the 256 byte values, which are text in an encoding.
    """

    def __init__(self, kind: Literal["char", "byte"], characters: Sequence[str] = (), encoding: str = "utf-8") -> None:
        self.kind, self.encoding = kind, encoding
        self.characters = [chr(i) for i in range(256)] if kind == "byte" else list(characters)
        self.unknown = len(self.characters)
        self.boundary = len(self.characters) + 1
        self._ids = {character: i for i, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters) + 2

    def __contains__(self, character: str) -> bool:
        if self.kind == "char":
            return character in self._ids
        try:
            character.encode(self.encoding, "surrogateescape")
        except UnicodeError:
            return False
        return True

    def in_encoding(self, encoding: str) -> Vocabulary:
        """The same alphabet, whose bytes are text in `encoding`, a value of corpus.encoding. `auto` stands for UTF-8.

        Raises CharrnnError where bytes are read, and there is no such encoding.
        """
        if self.kind == "char":
            return self
        codec = codec_of("utf-8" if encoding == "auto" else encoding)
        return Vocabulary("byte", encoding=MARKED.get(codec, codec))

    @classmethod
    def from_counts(
        cls, counts: npt.NDArray[np.int64], min_count: int | Literal["auto"] = 1, max_size: int | None = None
    ) -> Vocabulary:
        """The vocabulary of the characters that occur at least `min_count` times, the `max_size` most frequent ones.

        `auto` is 1 for a short text, otherwise 2. `counts[c]` is the number of occurrences of code point c. Of equally
        frequent characters the lower one stays.
        """
        if min_count == "auto":
            min_count = 1 if counts.sum() < SHORT else 2
        present = np.flatnonzero(counts >= min_count)
        if max_size is not None and len(present) > max_size:
            present = np.sort(present[np.argsort(-counts[present], kind="stable")[:max_size]])
        return cls("char", [chr(point) for point in present])

    def rare(self, counts: npt.NDArray[np.int64]) -> Rare | None:
        """The characters that are in the text of these counts, but not in the vocabulary; None if there are none."""
        present = np.flatnonzero(counts)
        left = counts[np.setdiff1d(present, [ord(character) for character in self.characters])]
        if not len(left):
            return None
        share = float(left.sum() / counts.sum())
        return Rare(kinds=len(left), of=len(present), most=int(left.max()), share=share)

    def table(self) -> npt.NDArray[np.uint32]:
        """The id of every code point, `[0x110000]`; <unk> for one that is not in the vocabulary."""
        table = np.full(CODE_POINTS, self.unknown, np.uint32)
        table[[ord(character) for character in self.characters]] = np.arange(len(self.characters))
        return table

    def missing(self, text: str) -> list[str]:
        """The characters of `text` that are not in the vocabulary, each once, in the order of the text."""
        return [character for character in dict.fromkeys(text) if character not in self]

    def encode(
        self,
        text: str,
        unknown: Literal["error", "replace"] = "error",
        remedy: str = "write the text without them",
    ) -> list[int]:
        """The ids of a text. A byte vocabulary encodes it as the corpus was, and bytes that are no text stay (PEP 383).

        Raises CharrnnError, which lists the characters outside the vocabulary and gives the `remedy`; `replace` makes
        them <unk>, or a byte vocabulary `?`, instead.
        """
        if unknown == "error" and (missing := self.missing(text)):
            shown = listed([f"{visible(character)}({codes(character)})" for character in missing])
            raise CharrnnError(f"{self.lacks}: {shown}; {remedy}")
        if self.kind == "byte":
            return list(text.encode(self.encoding, "surrogateescape" if unknown == "error" else "replace"))
        return [self._ids.get(character, self.unknown) for character in text]

    @property
    def lacks(self) -> str:
        """The beginning of a message about characters that are outside."""
        if self.kind == "byte":
            return f"not in {self.encoding}, the encoding of the model's corpus"
        return f"not in the model's vocabulary of {len(self.characters):,} characters"

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids. <unk> and bytes that are no text become U+FFFD; the boundary becomes nothing."""
        decoder = self.decoder()
        return "".join(decoder.add(i) for i in ids) + decoder.end()

    def decoder(self, errors: Literal["replace", "backslashreplace"] = "replace") -> Decoder:
        """A decoder that takes one id at a time. `backslashreplace` shows what is no text as `\\xff`."""
        return Decoder(self, errors)

    def text_of(self, data: bytes) -> str | None:
        """The text of some bytes; None where not all of them are text."""
        try:
            return data.decode(self.encoding)
        except UnicodeError:
            return None

    def save(self, file: Path) -> None:
        """Writes the vocabulary as JSON."""
        document = {"kind": self.kind, "characters": self.characters if self.kind == "char" else []}
        file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Vocabulary:
        """The vocabulary that `save` wrote. Raises CharrnnError for anything else."""
        try:
            return cls.from_json(read_json(file, most=MAX_BYTES))
        except ValueError as error:
            raise CharrnnError(f"{file}: not a vocabulary: {error}") from None

    @classmethod
    def from_json(cls, document: Any) -> Vocabulary:
        """The vocabulary of a JSON document. Raises ValueError where the document holds none."""
        if not isinstance(document, dict) or document.get("kind") not in ("char", "byte"):
            raise ValueError('an object with "kind": "char" or "byte" was expected')
        characters = document.get("characters")
        if not isinstance(characters, list) or not all(isinstance(c, str) and len(c) == 1 for c in characters):
            raise ValueError('"characters": a list of single characters was expected')
        if any("\ud800" <= character <= "\udfff" for character in characters):
            raise ValueError('"characters": half a surrogate pair is no character')
        if len(set(characters)) != len(characters):
            raise ValueError('"characters": a character is listed twice')
        return cls(document["kind"], characters)


class Decoder:
    """Turns ids into text, one at a time. A character of several bytes appears with its last byte."""

    def __init__(self, vocabulary: Vocabulary, errors: str) -> None:
        self._vocabulary = vocabulary
        self._bytes = codecs.getincrementaldecoder(vocabulary.encoding)(errors)

    def add(self, i: int) -> str:
        """The text that id `i` completes."""
        vocabulary = self._vocabulary
        if i == vocabulary.boundary:
            return ""
        if vocabulary.kind == "byte":
            return "\ufffd" if i == vocabulary.unknown else self._bytes.decode(bytes([i]))
        return "\ufffd" if i == vocabulary.unknown else vocabulary.characters[i]

    def end(self) -> str:
        """The text for the bytes of an unfinished character: U+FFFD, or nothing if there are none."""
        return self._bytes.decode(b"", final=True)
