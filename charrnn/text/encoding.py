"""Recognises the encoding of a text: the one in which its characters are the likeliest.

A text that is UTF-8, but for a few bytes, is UTF-8. Otherwise each encoding is tried, and what it makes of the bytes
above 127 is weighed by how often a language uses those characters (the code length of Rissanen, Automatica 14, 1978).
"""

from __future__ import annotations

import codecs
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from charrnn.errors import CharrnnError

_PACKED = "packed; unpack it first: {}"
NO_TEXTS = {
    **dict.fromkeys((".docx", ".doc", ".odt", ".rtf"), "a word processor's file; save it there as plain text (UTF-8)"),
    ".pdf": "a PDF; take its text out first: pdftotext FILE.pdf FILE.txt",
    **dict.fromkeys((".epub", ".mobi"), "an e-book; convert it first: pandoc FILE.epub -t plain -o FILE.txt"),
    ".gz": _PACKED.format("gunzip FILE.gz"),
    ".zip": _PACKED.format("unzip FILE.zip"),
    ".7z": _PACKED.format("7z x FILE.7z"),
    ".xz": _PACKED.format("unxz FILE.xz"),
    ".bz2": _PACKED.format("bunzip2 FILE.bz2"),
}
"""Endings of files that hold text, but are none, with what to do."""
SAMPLE = 64 * 1024
"""The bytes that are looked at, at the beginning, in the middle and at the end of a file."""
NO_ENCODINGS = ("punycode", "idna", "unicode-escape", "raw-unicode-escape")
"""Codecs of names and of source code. Python's decode long texts in the square of the time, or one block by another."""
BLOCK = 2**20
"""The number of bytes read at a time."""
FEW = 1 / 3
"""A text is UTF-8 with damage if so many bad bytes, or fewer, come on each byte that goes on a character: no other
encoding has many such bytes at the right places."""
SURE = 6.0
"""Bits by which the best reading must be shorter than the next one that reads differently: odds of 64 to 1."""
RARE = 14.0
"""Bits of a character that the language does not use."""
COMMON = 11.0
"""Bits of an ideograph or a syllable that is common, but not among the most frequent."""
BAD = 24.0
"""Bits of a byte that does not decode, and of a control character."""
SIGN = 4.0
"""The bits of the most frequent sign, such as ’, which any language may use; each further one takes a fifth more."""
CAPITAL = 3.0
"""The bits that a capital has more than a small letter."""

LANGUAGES = {
    "French": "éèàêçùîôûâïëœ",
    "Spanish": "óáíéñúü",
    "Portuguese": "ãéáçíóõêúâôà",
    "Italian": "èàòùéì",
    "Catalan": "àéèóòíçúïü",
    "German": "üäößé",
    "Dutch": "ëéèïö",
    "Swedish": "äåöé",
    "Danish": "øåæé",
    "Icelandic": "íáðéóþæýúö",
    "Polish": "łąęóżśćńź",
    "Czech": "íáéěřčýžůšúňóťď",
    "Slovak": "áíčéšžýúľťňôďäóŕĺ",
    "Hungarian": "éáöóőíúüű",
    "Romanian": "ăîâșțşţ",
    "Croatian": "čšžćđ",
    "Turkish": "ışğüçöâî",
    "Lithuanian": "ėšžųįčąūę",
    "Latvian": "āīēšņļūžģķč",
    "Estonian": "äõüöšž",
    "Russian": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "Ukrainian": "оаинвіерстклудмпзяьбгйчхїжцшєющґфы",
    "Greek": "αοιετσνηυρπκμλωςάίγδόέχήθφύβώξζψϊϋΐ",
    "Hebrew": "יוהלאתרבשמנםדעקחפכטצגזןךסףץ",
    "Arabic": "الينمروتبةعدسفهكقحجشطصخإأزىذثضغءئظآؤ",
    "Thai": "านรอกเงมยลวดทตสปแคจพห์่้ัิีืุูไใโชขบผถธซ",
    "Chinese": "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后"
    "小么看起天心多没好事她想只都能还用无手见头面前方开日两老回把但身风山水云花月明空何相春知门长话听问"
    "。，、：；！？《》“”‘’「」『』（）—…\u3000·",
    "Chinese (traditional)": "的一是不了在人有我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家"
    "學對可裡後小麼看起天心多沒好事她想只都能還用無手見頭面前方開日兩老回把但身風山水雲花月明空何相春知門長話聽問"
    "。，、：；！？《》“”‘’「」『』（）—…\u3000·",
    "Japanese": "のいんしかたとなにてはるっうがをらもこりあすきくまれでさつちえそよどだけわめおみじゃばろせ"
    "ーンスルトリアイクラカタシレコドジフテプマロキオサバニメムエパ日一人年大本中出行見月分後前生時言上子"
    "。、「」『』！？（）…\u3000・々",
    "Korean": "이다는의가에을고지한하로기도사은인리자를나서아어시정그들수있부대일해전보라과여스것주원제장게니구만우관으"
    "성유신상모조비말오어와면마러았었없",
}
"""The characters of each language that are not ASCII, the most frequent first."""
FIRST_LEVEL = {
    "Chinese": ("gb2312", 0xD8),
    "Chinese (traditional)": ("big5", 0xC7),
    "Japanese": ("euc_jp", 0xD0),
    "Korean": ("euc_kr", 0xC9),
}
"""The standard of a language with thousands of characters, and the first byte with which its rare ones begin."""
SIGNS = "’“”–…—«»\u00a0‘„‚°€¿¡·•§©®™£´†‹›±×‰¢"
"""Signs that any language may use, the most frequent first."""
CANDIDATES = {
    **dict.fromkeys(("cp1252", "gb18030", "cp1251"), 0.0),
    **dict.fromkeys(("big5hkscs", "cp932", "euc_jp", "cp949", "cp1250"), 4.0),
    **dict.fromkeys(("cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"), 8.0),
    **dict.fromkeys(("iso8859_15", "iso8859_2", "koi8_r", "koi8_u"), 8.0),
    **dict.fromkeys(("cp866", "iso8859_5", "mac_roman", "cp850"), 12.0),
}
"""The encodings that are tried, and the bits of each: those of Windows are frequent, those of old systems are not. Of
those that read a text alike, the first is taken."""
PRESUMED = -12.0
"""The bits of an encoding that is presumed: a word or two do not show that it is another one."""
OPTION = "corpus.encoding"
"""How a training is given an encoding. Messages of other commands name their own option."""


@dataclass(frozen=True)
class Recognised:
    """What was recognised."""

    name: str
    confidence: float
    """The probability that the encoding is the right one, from 0 to 1."""

    def __str__(self) -> str:
        """In words."""
        return self.name if self.confidence > 0.995 else f"{self.name} ({100 * self.confidence:.0f} % sure)"


def codec_of(encoding: str, option: str = OPTION) -> str:
    """The name that Python has for an encoding of text. Raises CharrnnError where there is no such encoding."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)  # refuses codecs that do not encode text, such as hex
        codec = codecs.lookup(encoding).name
        if codec not in NO_ENCODINGS:
            return codec
    except (LookupError, ValueError):  # ValueError: a name with a null character
        pass
    raise CharrnnError(f"{option}: no codec is called {encoding[:60]!r}; try utf-8, gb18030, big5, shift_jis or auto")


def check_is_text(file: Path) -> None:
    """Raises CharrnnError where the name says that a file holds text and is none."""
    if advice := NO_TEXTS.get(file.suffix.lower()):
        raise CharrnnError(f"{file}: {advice.replace('FILE', str(file.with_suffix('')))}")


def recognise(file: Path, option: str = OPTION) -> Recognised:
    """The encoding of a file, all of which is read. `option` is how messages say that one may be given.

    Raises CharrnnError where none fits, and where it stays doubtful, with three readings of a line to choose from.
    """
    check_is_text(file)
    try:
        with file.open("rb") as stream:
            return recognise_stream(stream, str(file), option=option)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None


def recognise_stream(stream: BinaryIO, name: str, presumed: str | None = None, option: str = OPTION) -> Recognised:
    """The encoding of a stream that messages call `name`. The one that is `presumed` is the likeliest beforehand.

    Raises CharrnnError as `recognise` does, and OSError.
    """
    stream.seek(0)
    head = stream.read(SAMPLE)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Recognised("utf-16", 1.0)
    if (wide := _utf16_without_mark(head)) is not None:
        return Recognised(wide, 1.0)
    stream.seek(0)
    characters, bad = 0, 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := stream.read(BLOCK):
        if data.isascii():
            continue
        text = decoder.decode(data)
        bad += text.count("\ufffd")
        characters += len(text.encode()) - len(text)  # bytes beyond the first, of which a character has 1 to 3
    bad += len(decoder.decode(b"", final=True))  # of a character that is cut
    if not bad or (presumed in (None, "utf-8") and bad <= FEW * characters):
        return Recognised("utf-8", 1.0)
    size = stream.tell()
    parts = [head]
    for place in (size // 2, max(0, size - SAMPLE)):
        stream.seek(place)
        parts.append(_whole_lines(stream.read(SAMPLE)))
    if b"\0" in head:
        remedy = "; raw bytes are read with vocab.kind: byte" if option == OPTION else ""
        raise CharrnnError(f"{name}: holds zero bytes, and is no text{remedy}")
    lines = [line for part in parts for line in part.splitlines() if not line.isascii()]
    candidates = CANDIDATES if presumed is None else {presumed: 0.0, "utf-8": 0.0} | CANDIDATES | {presumed: PRESUMED}
    return _likeliest(name, lines, candidates, option)


def common(found: Sequence[Recognised]) -> Recognised:
    """The encoding that all files have, with the least confidence of them, or `auto`, because they differ."""
    names = {one.name for one in found}
    return Recognised(names.pop() if len(names) == 1 else "auto", min(one.confidence for one in found))


def told(found: Sequence[Recognised]) -> str:
    """The encodings of several files in words, the most frequent first."""
    counts = Counter(one.name for one in found)
    if len(counts) == 1:
        return str(common(found))
    return " and ".join(f"{name} ({count:,} file{'s' * (count != 1)})" for name, count in counts.most_common())


def _whole_lines(data: bytes) -> bytes:
    """The data from its first line end on: a part that begins inside a two-byte character looks like another text."""
    return data[data.find(b"\n") + 1 :]


def _likeliest(file: str, lines: list[bytes], candidates: Mapping[str, float], option: str) -> Recognised:
    """The encoding in which lines with bytes above 127 are the shortest in bits."""
    data = b"\n".join(lines)[: 3 * SAMPLE]
    readings: dict[str, tuple[float, str]] = {}  # of encodings that read alike, the first
    for name, bits in candidates.items():
        text = data.decode(name, "replace")
        if text not in readings:
            readings[text] = bits + _bits(text), name
    ranked = sorted(readings.items(), key=lambda item: item[1][0])
    best, after = ranked[0][1], ranked[1][1]
    if best[0] > BAD / 2 * sum(byte > 127 for byte in data):
        remedy = ", or read raw bytes with vocab.kind: byte" if option == OPTION else ""
        raise CharrnnError(
            f"{file}: no text encoding was recognised; give it as {option} (gb18030, big5, shift_jis, cp1252, "
            f"...){remedy}"
        )
    margin = after[0] - best[0]
    if margin < SURE:
        names = [name for _, (_, name) in ranked[:3]]
        line = next(line for line in lines if line.decode(names[0], "replace") != line.decode(names[1], "replace"))
        shown = "".join(f"\n  {name}: {_around(line.decode(name, 'replace'))}" for name in names)
        raise CharrnnError(f"{file}: which encoding it is in stays doubtful; give one as {option}:{shown}")
    return Recognised(best[1], 1 / (1 + 2.0 ** -min(margin, 50)))


def _around(line: str) -> str:
    """The part of a line around its first character that is not ASCII."""
    first = next((i for i, character in enumerate(line) if not character.isascii()), 0)
    return line[max(0, first - 20) : first + 40].strip()


def _bits(text: str) -> float:
    """The bits of the characters of a text that are not ASCII, in the language in which they are fewest."""
    counts = Counter(character for character in text if character > "\x7f")
    return min(sum(count * _cost(character, language) for character, count in counts.items()) for language in LANGUAGES)


@cache
def _cost(character: str, language: str) -> float:
    """The bits of a character. Those that a language uses follow Zipf's law."""
    if character == "\ufffd" or "\x80" <= character < "\xa0" or "\ue000" <= character <= "\uf8ff":
        return BAD
    letters = LANGUAGES[language]
    place = letters.find(character)
    if place >= 0:
        return math.log2((place + 1) * (math.log(len(letters)) + 1)) + 1
    small = character.lower()
    if small != character and len(small) == 1:
        return _cost(small, language) + CAPITAL
    if character in SIGNS:
        return SIGN + SIGNS.index(character) / 5
    return COMMON if _is_common(character, language) else RARE


def _is_common(character: str, language: str) -> bool:
    """Whether the standard of a language with thousands of characters has this one in its first, common level."""
    standard, end = FIRST_LEVEL.get(language, ("ascii", 0))
    try:
        code = character.encode(standard)
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and code[0] < end


def _utf16_without_mark(head: bytes) -> str | None:
    """The name of UTF-16 without a byte order mark, if the bytes hold enough spaces, line ends and punctuation in it.

    In any other encoding, those would be bytes (0 to 2, or 12 after 255) that no text contains.
    """
    found = {}
    for name in ("utf-16-le", "utf-16-be"):
        text = head[: len(head) // 2 * 2].decode(name, "replace")
        found[name] = sum(text.count(character) for character in "\n \u3000、。，")
    best = max(found, key=lambda name: found[name])
    return best if found[best] > len(head) // 400 else None
