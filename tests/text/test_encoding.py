"""An encoding is recognised or refused, never taken for another one without a word."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharrnnError
from charrnn.text.encoding import LANGUAGES, recognise
from charrnn.text.reader import Damage, read_text

TEXTS = {
    "cp1252": [
        "Le garçon a mangé les pâtes à la forêt, où l’été s’était arrêté. La fenêtre est fermée.",
        "A avó não tem pão, mas há uma canção à noite. O coração também é teu, manhã.",
        "Der Bäcker wünscht schöne Grüße und hört den Fluß über den Hügel rauschen.",
        "El niño comió una piña en la montaña; después durmió. ¿Quién llamó mañana?",
        "Pojken går över ån till sjön, där gräset är högt och båten ligger.",
        "She said “no”, and the sailor’s coat was lost — nobody knew why.",
    ],
    "cp1250": [
        "Zażółć gęślą jaźń, rzekł chłopiec, a żółw wrócił późno do łóżka ciężko śpiąc.",
        "Příliš žluťoučký kůň pěl ďábelské ódy, řekla dívka a šla domů přes řeku.",
        "Árvíztűrő tükörfúrógép, mondta a fiú, és hűvös őszi erdőn sétált végig.",
    ],
    "cp1254": ["Güneş doğdu, çocuk bağırdı; şimdi ağaçların altında ılık bir rüzgâr esiyor, değil mi?"],
    "cp1251": ["Мальчик шёл домой, и снег падал на тихую улицу. Никто не знал, почему он молчит."],
    "koi8_r": ["Мальчик шёл домой, и снег падал на тихую улицу. Никто не знал, почему он молчит."],
    "cp1253": ["Το παιδί περπατούσε στο σπίτι, και το χιόνι έπεφτε στον ήσυχο δρόμο."],
    "gb18030": ["老人在山下的小村子里住了很久，他说：明天还要上山去看看那里的花。"],
    "big5": ["老人在山下的小村子裡住了很久，他說：明天還要上山去看看那裡的花。"],
    "cp932": ["老人は山の下の小さな村に長い間住んでいました。明日も花を見に行きます。"],
    "euc_jp": ["老人は山の下の小さな村に長い間住んでいました。明日も花を見に行きます。"],
    "cp949": ["노인은 산 아래의 작은 마을에서 오랫동안 살았다. 그는 내일도 꽃을 보러 간다."],
    "utf-8": ["Le garçon a mangé; 老人在山下; мальчик шёл."],
}
CASES = [(encoding, text) for encoding, texts in TEXTS.items() for text in texts]


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(data: bytes) -> Path:
        file = tmp_path / "text.txt"
        file.write_bytes(data)
        return file

    return write


@pytest.mark.parametrize(("encoding", "text"), CASES)
def test_a_sentence_is_enough(write, encoding: str, text: str) -> None:  # type: ignore[no-untyped-def]
    data = (text + "\n").encode(encoding)
    found = recognise(write(data))
    assert data.decode(found.name) == text + "\n", found
    assert found.confidence > 0.9


@pytest.mark.parametrize(("encoding", "text"), CASES)
def test_a_few_stray_bytes_change_nothing_and_are_counted(write, encoding: str, text: str) -> None:  # type: ignore[no-untyped-def]
    data = (text + "\n").encode(encoding)
    stray = {"cp932": b"\x81", "cp1251": b"\x98"}.get(encoding, b"\xff")
    if encoding in ("koi8_r", "cp1250", "cp1252", "cp1253", "cp1254"):
        return  # nearly every byte is a character there
    file = write(data * 20 + stray + b"\n" + data * 20 + stray + b"\n")
    found = recognise(file)
    assert codecs.lookup(found.name) == codecs.lookup({"big5": "big5hkscs"}.get(encoding, encoding))
    for errors, mark in (("replace", "\ufffd"), ("skip", "")):
        damage = Damage()
        got = "".join(read_text(file, found.name, block=100, errors=errors, damage=damage))  # type: ignore[arg-type]
        assert got == (text + "\n") * 20 + mark + "\n" + (text + "\n") * 20 + mark + "\n"
        assert (damage.count, damage.byte) == (2, len(data) * 20)
    with pytest.raises(CharrnnError, match=rf"byte {len(data) * 20:,} .*corpus\.errors to replace or skip"):
        list(read_text(file, found.name))


def test_what_is_set_is_never_advised(write) -> None:  # type: ignore[no-untyped-def]
    """A text that is not what its config says is told what it looks like; otherwise, what to do with its bad bytes."""
    file = write("Les fenêtres fermées ont rêvé de l'été passé.\n".encode("cp1252") * 9)
    with pytest.raises(CharrnnError, match=r"looks like cp1252: set corpus\.encoding"):
        list(read_text(file, "utf-8"))
    file = write("老人在山下。\n".encode() * 9 + b"\xff")
    with pytest.raises(CharrnnError) as raised:
        list(read_text(file, "utf-8"))
    assert "encoding" not in str(raised.value)


def test_what_stays_doubtful_is_refused_with_three_readings(write) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CharrnnError) as raised:
        recognise(write(b"in \xd6sterreich\n"))
    lines = str(raised.value).splitlines()
    assert len(lines) == 4
    for line in lines[1:]:
        name, reading = line.split(":")
        assert reading.strip() == b"in \xd6sterreich".decode(name.strip(), "replace")


@given(st.sampled_from(sorted(LANGUAGES)), st.data())
def test_utf_8_is_always_utf_8(tmp_path_factory: pytest.TempPathFactory, language: str, data: st.DataObject) -> None:
    text = data.draw(st.text(st.sampled_from(LANGUAGES[language] + " \n" + "aeinst"), min_size=1))
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text(text, encoding="utf-8")
    assert recognise(file).name == "utf-8"


@given(st.binary(max_size=300))
def test_any_bytes_are_recognised_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_bytes(data)
    try:
        found = recognise(file)
    except CharrnnError as error:
        assert str(error).startswith(str(file))
    else:
        data.decode(found.name, "replace")
        assert 0 <= found.confidence <= 1
