from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.text.points import CODE_POINTS
from charrnn.text.prompts import UNKNOWN, Prompt, read_prompts
from charrnn.text.spelling import clusters, pieces
from charrnn.text.vocab import Vocabulary

LETTERS = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Mn", "Po", "Pd", "Pi", "Pf", "Zs"]), max_size=30)
ACCENTS = st.text(st.sampled_from("éêïñçÅ한국어がプ fin"), max_size=30)
FORMS: list[Literal["NFC", "NFD", "NFKC", "NFKD"]] = ["NFC", "NFD", "NFKC", "NFKD"]


def knowing(text: str) -> Vocabulary:
    counts = np.bincount([ord(character) for character in text], minlength=CODE_POINTS)
    return Vocabulary.from_counts(counts)


def read(text: str, vocabulary: Vocabulary, **keys: Any) -> tuple[Prompt, str]:
    corpus = CorpusConfig(path="text.txt", **{k: keys.pop(k) for k in ("normalization",) if k in keys})
    (prompt,), note = read_prompts([text], vocabulary, corpus, **keys)
    return prompt, note


@given(LETTERS | ACCENTS)
def test_what_is_known_is_read_as_it_is(text: str) -> None:
    prompt, note = read(text, knowing(text), strict=True)
    assert (prompt.text, prompt.ids, note) == (text, knowing(text).encode(text), "")


@given(ACCENTS, st.sampled_from(["NFC", "NFD"]), st.sampled_from(["NFC", "NFD"]))
def test_a_prompt_in_the_other_normal_form_is_read_in_the_models_own(
    text: str, own: Literal["NFC", "NFD"], typed: Literal["NFC", "NFD"]
) -> None:
    known = unicodedata.normalize(own, text)
    prompt, note = read(unicodedata.normalize(typed, text), knowing(known))
    assert knowing(known).decode(prompt.ids) == known
    assert prompt.text == unicodedata.normalize(typed, text)
    assert bool(note) == (known != prompt.text)


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("春風,", "春風，"),
        ("春風。！", "春風｡!"),
        ("ｱｲ", "アイ"),
        ("father’s “co-t”", 'father\'s "co-t"'),
        ("it's \"so\" 'as' ever", "it’s “so” ‘as’ ever"),
        ("a—b – c", "a-b - c"),
        ("ROMEO", "romeo"),
        ("Ｅ\u0301", "é"),
        ("a\u3000b\u00a0c", "a b c"),
        ("a\rb\r\nc\n", "a\nb\nc\n"),
    ],
)
def test_other_forms_are_taken_and_named(typed: str, known: str) -> None:
    vocabulary = knowing(known)
    prompt, note = read(typed, vocabulary)
    assert vocabulary.decode(prompt.ids) == known
    assert prompt.text == typed.replace("\r\n", "\n").replace("\r", "\n")
    assert note.endswith("taken") == ("\r" not in typed) and "\n" not in note
    if note:
        with pytest.raises(CharrnnError, match=r"the model knows .*leave strict out"):
            read(typed, vocabulary, strict=True)


def test_one_form_is_named_in_a_plain_line() -> None:
    assert read("«ア»", knowing("«ｱ»"))[1] == "'ア' is not in the model's alphabet; ｱ is taken"
    look_alike = read("ê", knowing("e\u0302"))[1]
    assert look_alike == "'ê' (U+00EA) is not in the model's alphabet; e\u0302 (U+0065 U+0302) is taken"
    assert "and 2 more are taken" in read("ABCDEFG", knowing("abcdefg"))[1]


def test_simplified_and_traditional() -> None:
    pytest.importorskip("opencc")
    traditional, simplified = "春風吹頭髮，曉來發花。", "春风吹头发，晓来发花。"
    for known, typed in ((traditional, simplified), (simplified, traditional)):
        vocabulary = knowing(known)
        prompt, note = read(typed, vocabulary)
        assert vocabulary.decode(prompt.ids) == known
        assert prompt.text == typed and "taken" in note
    assert knowing("頭發").decode(read("头发", knowing("頭發"))[0].ids) == "頭發"  # 髮 is right, and not known
    with pytest.raises(CharrnnError, match=r"晓\(U\+6653; the model knows 曉\) x\(U\+0078\)"):
        read("晓x", knowing(traditional))


@given(LETTERS | ACCENTS, LETTERS | ACCENTS, st.sampled_from(UNKNOWN))
def test_every_prompt_is_read_or_refused(text: str, known: str, unknown: str) -> None:
    vocabulary = knowing(known)
    try:
        prompt, note = read(text, vocabulary, unknown=unknown)
    except CharrnnError as error:
        assert unknown == "error" and "not in the model's vocabulary" in str(error)
        return
    assert all(0 <= i <= vocabulary.unknown for i in prompt.ids)
    assert (vocabulary.unknown in prompt.ids) <= (unknown == "replace")
    if unknown in ("error", "keep"):
        assert prompt.text == text
    assert "\n" not in note
    if unknown == "skip":
        assert "\ufffd" not in prompt.text or "\ufffd" in text


def test_what_is_kept_is_read_as_the_nearest_letter_or_not_at_all() -> None:
    vocabulary = knowing("Jose. ")
    prompt, note = read("José 秋. ", vocabulary, unknown="keep")
    assert (prompt.text, vocabulary.decode(prompt.ids)) == ("José 秋. ", "Jose . ")
    assert note.startswith("'é' is not in the model's alphabet; e is taken; '秋'(U+79CB) is shown, but not read")
    assert read("\n\u0301", knowing("\n"), unknown="keep")[1].count("\n") == 0
    assert read("a\ud800", knowing("a"), unknown="keep")[0] == Prompt("a?", [0])
    assert read("José 秋.", vocabulary, unknown="skip")[0].text == "Jos ."
    assert read("José 秋.", vocabulary, unknown="replace")[0].text == "Jos\ufffd \ufffd."


@given(ACCENTS | LETTERS, st.sampled_from(["nfc", "nfkc"]))
def test_a_prompt_is_normalised_as_the_corpus_was_and_shown_as_it_is(text: str, normalization: Any) -> None:
    known = unicodedata.normalize(normalization.upper(), text)
    prompt, note = read(text, knowing(known), normalization=normalization)
    assert (prompt.text, knowing(known).decode(prompt.ids), note) == (text, known, "")
    kept, _ = read("秋" + text, knowing(known), normalization=normalization, unknown="replace")
    if "秋" not in known:
        assert kept.text == "\ufffd" + text


@given(LETTERS | ACCENTS | st.text(max_size=30), st.sampled_from(FORMS))
def test_pieces_are_the_text_and_its_normal_form(text: str, form: Any) -> None:
    def normalize(text: str) -> str:
        return unicodedata.normalize(form, text)

    assert "".join(clusters(text)) == text
    found = pieces(text, normalize)
    assert "".join(own for own, _ in found) == text
    assert "".join(normal for _, normal in found) == normalize(text)


def test_a_syllable_and_a_letter_with_its_marks_are_one_piece() -> None:
    text = unicodedata.normalize("NFD", "한é국ガ") + "ｶﾞa"
    assert [unicodedata.normalize("NFKC", cluster) for cluster in clusters(text)] == [*"한é국ガガa"]


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "latin-1", "big5", "cp932", "utf-16", "utf-8-sig", "auto"])
@given(st.text(max_size=20) | st.text("山上的老人，é’ab\n\r", max_size=20))
def test_bytes_are_those_of_the_corpus(encoding: str, text: str) -> None:
    vocabulary = Vocabulary("byte").in_encoding(encoding)
    known = "".join(c for c in text if c in vocabulary)
    prompt, note = read(known, vocabulary)
    assert note == ""
    plain = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8", "auto": "utf-8"}.get(encoding, encoding)
    assert bytes(prompt.ids) == known.encode(plain)
    (raw,), _ = read_prompts([known.encode(plain)], vocabulary, CorpusConfig(path="text.txt"))
    assert raw == prompt


@given(st.binary(max_size=40))
def test_every_prompt_of_bytes_is_read_as_it_is(data: bytes) -> None:
    for encoding in ("utf-8", "gbk", "latin-1"):
        vocabulary = Vocabulary("byte").in_encoding(encoding)
        (prompt,), _ = read_prompts([data], vocabulary, CorpusConfig(path="text.txt"))
        assert bytes(prompt.ids) == data
        text = vocabulary.text_of(data)
        assert text is None or prompt.text == text
        decoder = vocabulary.decoder("backslashreplace")
        shown = "".join(map(decoder.add, data)) + decoder.end()
        assert shown == data.decode(encoding, "backslashreplace")


def test_what_an_encoding_does_not_hold_is_named_or_taken_in_another_form() -> None:
    latin = Vocabulary("byte").in_encoding("latin-1")
    assert bytes(read("l’été", latin)[0].ids) == "l'été".encode("latin-1")
    with pytest.raises(CharrnnError, match=r"not in iso8859-1, the encoding of the model's corpus: 秋\(U\+79CB\)"):
        read("秋", latin)
    for encoding in ("hex", "punycode", "nothing", "a\0b", ""):
        with pytest.raises(CharrnnError, match=r"corpus\.encoding: no codec"):
            Vocabulary("byte").in_encoding(encoding)
    with pytest.raises(CharrnnError, match="model of bytes"):
        read_prompts([b"a"], knowing("a"), CorpusConfig(path="text.txt"))


def test_contradictions_are_refused() -> None:
    for keys in ({"unknown": "ignore"}, {"unknown": "keep", "strict": True}):
        with pytest.raises(CharrnnError, match="unknown="):
            read("a", knowing("a"), **keys)


def test_a_locale_is_named_where_it_is_the_cause() -> None:
    program = (
        "import sys\nfrom charrnn.config import CorpusConfig\nfrom charrnn.text.prompts import read_prompts\n"
        "from charrnn.text.vocab import Vocabulary\n"
        "read_prompts(sys.argv[1:], Vocabulary('char', 'a'), CorpusConfig(path='text.txt'))"
    )
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", program, "春"], env=environment, capture_output=True, check=False)
    assert b"(LC_ALL=C); set LC_ALL=C.UTF-8" in done.stderr
    done = subprocess.run([sys.executable, "-c", program, "a"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    with pytest.raises(CharrnnError, match="not UTF-8: its byte 0xb4"):
        read("a\udcb4", knowing("a"))
