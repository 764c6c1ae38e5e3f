"""A text that a person gives to be scored: what the model reads of it, and what stands there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from charrnn.config import CorpusConfig
from charrnn.text.dataset import Part, encode_text
from charrnn.text.documents import BOUNDARY
from charrnn.text.reader import normalizer, read_corpus
from charrnn.text.spelling import pieces
from charrnn.text.vocab import Vocabulary

By = Literal["line", "document", "character"]


class GivenText:
    """Texts as they were given, and the ids that a model reads of them.

    A text is a document, or all of a stream. Texts for a model of bytes hold byte b as the character of code point b.
    """

    def __init__(self, files: Sequence[Path], corpus: CorpusConfig, vocabulary: Vocabulary) -> None:
        self._vocabulary, self._raw = vocabulary, vocabulary.kind == "byte"
        self._normalize: Callable[[str], str] = str if self._raw else normalizer(corpus)
        plain = corpus.model_copy(update={"normalization": "none", "simplify": False})
        text = "".join(read_corpus(files, plain, self._raw))
        documents = corpus.mode == "documents"
        # The codecs that give half a surrogate pair (utf-7) must not end a text with it.
        self.texts = [one for one in text.split(BOUNDARY) if one] if documents else [text.replace(BOUNDARY, "\ufffd")]
        end = BOUNDARY if documents else ""
        self.part: Part = encode_text((self._read(one) + end for one in self.texts), vocabulary)
        """The ids, each text as a document or as all of a stream."""

    def units(self, text: str, by: By) -> Iterator[tuple[str, int]]:
        """The text, its lines or its characters, each with the number of its ids."""
        if by == "document":
            yield text, len(self._read(text))
            return
        for line in _lines(text):
            if by == "line":
                yield line, len(self._read(line))
            elif self._raw:
                yield from self._characters(line)
            else:
                yield from ((own, len(normal)) for own, normal in pieces(line, self._normalize))

    def shown(self, own: str) -> str:
        """A part of a text as a person reads it. Bytes that are no text are escaped."""
        if not self._raw:
            return own
        decoder = self._vocabulary.decoder("backslashreplace")
        return "".join(map(decoder.add, own.encode("latin-1"))) + decoder.end()

    def _read(self, text: str) -> str:
        """The text as the model reads it. Normalisation goes line by line, as that of the corpus."""
        return text if self._raw else "".join(map(self._normalize, _lines(text)))

    def _characters(self, line: str) -> Iterator[tuple[str, int]]:
        """The characters that some bytes are, and how many each is."""
        decoder, start = self._vocabulary.decoder("backslashreplace"), 0
        for end, byte in enumerate(line.encode("latin-1"), 1):
            if decoder.add(byte):
                yield line[start:end], end - start
                start = end
        if start < len(line):
            yield line[start:], len(line) - start


def _lines(text: str) -> list[str]:
    """The lines of a text with their ends."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])
