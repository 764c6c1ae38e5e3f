"""A text that is given to a model is read in its own encoding, or refused; what the model does not know is told."""

from __future__ import annotations

import codecs
import contextlib
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.text.given import GivenText
from charrnn.text.presumed import encoding_of_file
from charrnn.text.vocab import Vocabulary

SENTENCES = {
    "French": "Un garçon attendait à l’école; la fenêtre était fermée.",
    "Russian": "Ещё вчера старик молчал, и снег падал на улицу.",
    "Chinese": "老人在山下 的小村子里 住了很久，他说： 明天还要上山。",
    "Greek": "Το παιδί περπατούσε στο σπίτι, και το χιόνι έπεφτε.",
    "Polish": "Zażółć gęślą jaźń, rzekł chłopiec, a żółw wrócił późno.",
}
ENCODINGS = {
    "French": ("utf-8", "cp1252", "utf-16", "mac_roman"),
    "Russian": ("utf-8", "koi8_r", "cp1251", "cp866", "utf-16"),
    "Chinese": ("utf-8", "gb18030", "utf-16"),
    "Greek": ("utf-8", "cp1253"),
    "Polish": ("utf-8", "cp1250", "iso8859_2"),
}
OF_RUNS = ("utf-8", "gb18030", "big5", "cp1252", "latin-1", "koi8_r", "cp1251", "utf-16", "utf-16-le", "cp932", "auto")
CASES = [(language, encoding) for language, names in ENCODINGS.items() for encoding in names]


def written(text: str, encoding: str) -> Path:
    file = Path("given.txt")
    file.write_bytes(text.replace("’", "'").encode(encoding) if encoding == "iso8859_2" else text.encode(encoding))
    return file


@pytest.mark.parametrize(("language", "encoding"), CASES)
@pytest.mark.parametrize("presumed", OF_RUNS)
def test_no_text_is_read_as_another(language: str, encoding: str, presumed: str) -> None:
    text = SENTENCES[language] + "\n"
    file = written(text, encoding)
    try:
        found = encoding_of_file(file, presumed, "‹encoding›")
    except CharrnnError as error:
        assert "--encoding" in error.for_command and "corpus.encoding" not in error.for_command
    else:
        got = file.read_bytes().decode(found)
        assert codecs.lookup(found) == codecs.lookup(presumed) if presumed == encoding else got == text, found


@pytest.mark.parametrize(("language", "encoding"), [case for case in CASES if case[1] != "utf-16"])
@given(data=st.data())
def test_a_text_in_the_encoding_of_the_corpus_is_never_taken_for_another(
    language: str, encoding: str, data: st.DataObject
) -> None:
    """A few words are enough. What happens to be UTF-8 is read as UTF-8."""
    words = SENTENCES[language].split()
    text = " ".join(data.draw(st.lists(st.sampled_from(words), min_size=3, max_size=6, unique=True)))
    file = written(text, encoding)
    assume(encoding == "utf-8" or not text.isascii())
    with contextlib.suppress(UnicodeDecodeError):
        file.read_bytes().decode("utf-8")
        assume(encoding == "utf-8")
    assert encoding_of_file(file, encoding) == encoding


@pytest.mark.parametrize("presumed", [name for name in OF_RUNS if name != "auto" and not name.startswith("utf-16")])
def test_ascii_says_nothing_of_an_encoding(presumed: str) -> None:
    assert encoding_of_file(written("Plain text.\n", "ascii"), presumed) == presumed


def known(text: str, corpus: str = "utf-8", encoding: str | None = None, vocabulary: str = "") -> GivenText:
    alphabet = Vocabulary("char", sorted(set(vocabulary or text)))
    return GivenText([Path("given.txt")], CorpusConfig(path="a", mode="stream", encoding=corpus), alphabet, encoding)


@pytest.mark.parametrize(("language", "encoding"), CASES)
def test_an_encoding_that_is_given_is_taken_without_a_word(language: str, encoding: str) -> None:
    text = SENTENCES[language].replace("’", "'") + "\n"
    written(text, encoding)
    one = known(text, corpus="cp1251", encoding=encoding)
    assert one.texts == [text] and one.notes == []
    with pytest.raises(CharrnnError, match="no codec is called 'nope'"):
        known(text, encoding="nope")


def test_another_encoding_is_named() -> None:
    text = SENTENCES["Russian"]
    written(text, "utf-8")
    one = known(text, corpus="koi8_r")
    assert one.texts == [text]
    (note,) = one.notes
    assert "given.txt: read as utf-8, not as koi8_r" in note


@given(st.text("ab山é獨", max_size=40), st.binary(max_size=3))
def test_unknown_characters_are_counted_once(text: str, rest: bytes) -> None:
    Path("given.txt").write_bytes(f"a{text}\n山山山".encode() + rest.replace(b"\n", b"").replace(b"\r", b""))
    try:
        one = known("", vocabulary="ab獨\n")
    except CharrnnError:
        return
    unknown = sum(character not in "ab獨\n" for character in one.texts[0])
    assert unknown >= 3
    assert sum(note.startswith(f"{unknown:,} of {len(one.texts[0]):,} characters") for note in one.notes) == 1
    if "\ufffd" in one.texts[0]:
        assert "not decode" in one.notes[0]
