"""A text that a person gives to be scored: what the model reads of it, and what stands there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.text.dataset import Part, encode_text
from charrnn.text.documents import BOUNDARY
from charrnn.text.encoding import codec_of
from charrnn.text.forms import Forms
from charrnn.text.points import codes, listed, visible
from charrnn.text.presumed import encoding_of_file
from charrnn.text.reader import Damage, normalizer, read_corpus
from charrnn.text.spelling import pieces
from charrnn.text.vocab import Vocabulary

By = Literal["line", "document", "character"]
NAMED = 5
"""The most unknown characters that a note names."""


class Place(NamedTuple):
    """Where a text begins."""

    line: int
    """The line of its file, from 1; of its record, where the texts are fields of a table."""
    record: int | None = None
    """The record of the table, from 1."""


class GivenText:
    """Texts as they were given, and the ids that a model reads of them.

    A text is a document, or all of a stream. Texts for a model of bytes hold byte b as the character of code point b.
    """

    def __init__(
        self, files: Sequence[Path], corpus: CorpusConfig, vocabulary: Vocabulary, encoding: str | None = None
    ) -> None:
        """Each file is read in `encoding`; None is that of the corpus, unless the file surely is in another.

        Bytes that do not decode are unknown characters. Raises CharrnnError where the encoding stays doubtful.
        """
        self._vocabulary, self._raw = vocabulary, vocabulary.kind == "byte"
        self._normalize: Callable[[str], str] = str if self._raw else normalizer(corpus)
        self._damage = Damage()
        self._foreign: dict[str, list[Path]] = {}
        self.texts: list[str] = []
        self.places: list[Place] = []
        """Where each text begins."""
        documents = corpus.mode == "documents"
        for file in files:
            how = self._how(file, corpus, encoding)
            text = "".join(read_corpus([file], how, self._raw, damage=self._damage))
            if documents:
                self._add(file, text.split(BOUNDARY), how)
            elif len(files) > 1 and not self._raw and not text.endswith("\n"):
                self.texts.append(f"{text}\n")  # the next file starts on a line of its own
            else:
                self.texts.append(text)
        if not documents:  # the codecs that give half a surrogate pair (utf-7) must not end a text with it
            self.texts, self.places = ["".join(self.texts).replace(BOUNDARY, "\ufffd")], [Place(1)]
        end = BOUNDARY if documents else ""
        self.part: Part = encode_text((self._read(one) + end for one in self.texts), vocabulary)
        """The ids, each text as a document or as all of a stream."""

    def _how(self, file: Path, corpus: CorpusConfig, encoding: str | None) -> CorpusConfig:
        """How a file is read, but for what the model reads in the place of its characters."""
        own = corpus.encoding
        if self._raw and encoding is not None:
            raise CharrnnError(f"‹encoding={encoding}›: the model reads bytes, as they are; leave it out")
        if not self._raw:
            presumed = corpus.encoding if encoding is None else encoding
            codec_of("utf-8" if presumed == "auto" else presumed, "‹encoding›")
            given = encoding not in (None, "auto")
            own = presumed if given else encoding_of_file(file, presumed, "‹encoding›")
            if own != presumed != "auto":
                words = f"read as {own}, not as {presumed}, the encoding of the model's corpus"
                self._foreign.setdefault(words, []).append(file)
        errors = "replace" if corpus.errors == "strict" else corpus.errors
        return corpus.model_copy(update={"normalization": "none", "simplify": False, "encoding": own, "errors": errors})

    def _add(self, file: Path, documents: Sequence[str], how: CorpusConfig) -> None:
        """The documents of a file, with their places."""
        if how.field is not None and not self._raw:
            there = [(one, Place(1, record)) for record, one in enumerate(documents, 1) if one]
        else:
            whole = "".join(read_corpus([file], how.model_copy(update={"mode": "stream"}), self._raw))
            there, line, at = [], 1, 0
            for one in filter(None, documents):
                begin = max(at, whole.find(one, at))
                line += whole.count("\n", at, begin)
                there.append((one, Place(line)))
                at = begin
        self.texts += [one for one, _ in there]
        self.places += [place for _, place in there]

    @property
    def notes(self) -> list[str]:
        """What a person should know of the text beside any figure about it: a line each."""
        notes = [f"{listed([*map(str, files)], 1)}: {words}" for words, files in self._foreign.items()]
        if self._damage.count:
            notes.append(f"{self._damage}; what does not decode counts as unknown")
        unknown = 0 if self._raw else int((self.part.ids == self._vocabulary.unknown).sum())
        if unknown:
            total = len(self.part.ids)
            there = dict.fromkeys(chain.from_iterable(set(self._read(one)) for one in self.texts))
            missing = self._vocabulary.missing("".join(sorted(there)))
            forms = Forms("".join(missing), lambda form: not self._vocabulary.missing(form))
            named = []
            for at, character in enumerate(missing[:NAMED]):
                form = forms.find(character, at)
                known = "" if form is None else f"; the model knows {visible(form)}({codes(form)})"
                named.append(f"{visible(character)}({codes(character)}{known})")
            named += missing[NAMED:]
            verb = (
                "is not in the model's alphabet, and counts"
                if unknown == 1
                else ("are not in the model's alphabet, and count")
            )
            notes.append(
                f"{unknown:,} of {total:,} characters ({100 * unknown / total:.2g} %) {verb} as <unk>: "
                f"{listed(named, NAMED)}"
            )
        return notes

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
