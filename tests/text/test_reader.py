from __future__ import annotations

import codecs
import importlib.util
import re
import unicodedata
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.text import reader
from charrnn.text.documents import BOUNDARY
from charrnn.text.encoding import recognise
from charrnn.text.reader import find_files, normalizer, passed_over, read_bytes, read_corpus, read_text

LINE_ENDS = ["\n", "\r", "\r\n"]
TRADITIONAL = "秋夜獨坐山中聽雨聲而念故人，　。"
ANY = st.characters(exclude_categories=["Cs"])


def texts(parts: st.SearchStrategy[str], max_size: int = 30) -> st.SearchStrategy[str]:
    return st.lists(parts, max_size=max_size).map("".join)


TEXTS = {
    "utf-8": texts(ANY | st.sampled_from([*LINE_ENDS, "\ufeff", "𠮷", "é"])),
    "utf-16": texts(ANY | st.sampled_from([*LINE_ENDS, "\ufeff", "𠮷", "\u0a0d", "\u0d0a"])),
    "gb18030": texts(ANY | st.sampled_from([*LINE_ENDS, "𠮷", "é", *TRADITIONAL])),
    "big5": texts(st.sampled_from([*LINE_ENDS, *TRADITIONAL, "a", " "])),
}
ENCODED = st.sampled_from(sorted(TEXTS)).flatmap(lambda name: st.tuples(st.just(name), TEXTS[name]))
BLOCKS = st.integers(1, 7)
BLANKS = " \t\u3000"


def universal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write(data: bytes, name: str = "text.txt") -> Path:
    file = Path(name).resolve()
    file.write_bytes(data)
    return file


def small_blocks(block: int) -> AbstractContextManager[object]:
    return mock.patch.object(reader, "read_text", partial(read_text, block=block))


@given(ENCODED, BLOCKS)
def test_the_text_is_the_same_whatever_the_block(encoded: tuple[str, str], block: int) -> None:
    encoding, text = encoded
    progress: list[bytes] = []
    file = write(text.encode(encoding))
    mark = encoding == "utf-8" and text.startswith("\ufeff")
    assert "".join(read_text(file, encoding, progress.append, block)) == universal(text[mark:])
    assert b"".join(progress) == file.read_bytes()


@given(TEXTS["utf-8"], BLOCKS)
@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf8", "utf_8", "U8", "utf-8-sig", "auto"])
def test_a_byte_order_mark_is_no_part_of_the_text(encoding: str, text: str, block: int) -> None:
    file = write(codecs.BOM_UTF8 + text.replace("\0", "").encode())
    assert "".join(read_text(file, encoding, block=block)) == universal(text.replace("\0", ""))


@given(
    st.sampled_from(["utf-8", "utf-8 with mark", "utf-16", "gb18030", "big5"]),
    st.lists(st.binary(max_size=3) | st.sampled_from("春a\r\n").map(str.encode), max_size=8),
    BLOCKS,
)
@example("utf-8 with mark", [b"abc\xff"], 100)
@example("gb18030", [b"ab\x81"], 1)
def test_a_byte_that_does_not_decode_is_named(encoding: str, parts: list[bytes], block: int) -> None:
    codec, with_mark, _ = encoding.partition(" with mark")
    mark = codecs.BOM_UTF8 if with_mark else codecs.BOM_UTF16_BE if codec == "utf-16" else b""
    data = mark + b"".join(parts)
    if codec == "utf-8" and not with_mark and data.startswith(codecs.BOM_UTF8):
        data = b"a" + data
    file = write(data)
    try:
        text = data.decode(codec).removeprefix("\ufeff" if with_mark else "")
    except UnicodeDecodeError as error:
        with pytest.raises(CharrnnError) as raised:
            list(read_text(file, codec, block=block))
        assert str(raised.value).startswith(f"{file}: byte {error.start:,} ({data[error.start]:#04x}) is not {codec};")
        remedy = str(raised.value).split(f"is not {codec};")[1]
        assert "corpus.errors" in remedy or "vocab.kind: byte" in remedy
        assert f"to {codec}" not in remedy  # what is set already
    else:
        assert "".join(read_text(file, codec, block=block)) == universal(text)


def test_utf_16_without_its_mark_is_refused_with_a_remedy() -> None:
    with pytest.raises(CharrnnError, match=r"text\.txt.*corpus\.encoding"):
        list(read_text(write("山中".encode("utf-16-be")), "utf-16"))


NO_CODECS = ["nosuch", "", "utf-8\0", "hex", "base64", "rot13", "zip", "uu", "punycode", "IDNA", "unicode_escape"]


@pytest.mark.parametrize("name", NO_CODECS)
def test_what_is_no_codec_of_texts_is_refused(name: str) -> None:
    with pytest.raises(CharrnnError, match=r"corpus\.encoding: .*gb18030"):
        list(read_text(write(b"ab"), name))


@pytest.mark.parametrize("encoding", ["utf-8", "auto"])
def test_what_cannot_be_read_is_named(tmp_path: Path, encoding: str) -> None:
    for name in (tmp_path / "nowhere.txt", tmp_path):
        with pytest.raises(CharrnnError, match=re.escape(f"{name}: cannot be read")):
            list(read_text(name, encoding))
        with pytest.raises(CharrnnError, match=re.escape(f"{name}: cannot be read")):
            list(read_bytes(name))


@given(st.binary(max_size=50), BLOCKS)
def test_raw_bytes_are_read_as_they_are(data: bytes, block: int) -> None:
    assert "".join(read_bytes(write(data), block=block)) == data.decode("latin-1")
    pieces = read_corpus([write(data)], CorpusConfig(path="text.txt"), raw=True)
    assert "".join(pieces) == data.decode("latin-1")


def documents_of(text: str, separator: str) -> list[str]:
    if separator == "file":
        found = [text]
    elif separator == "line":
        found = text.split("\n")
    else:
        found, lines = [], []
        for line in [*text.split("\n"), ""]:
            if line.strip(BLANKS):
                lines.append(line)
            elif lines:
                found.append("\n".join(lines))
                lines = []
        if found:
            found[-1] = found[-1].rstrip(BLANKS)
    return [document for document in found if document]


@given(
    st.lists(texts(st.sampled_from([*"\n\n\nab春", "\r\n", "\r", *BLANKS])), min_size=1, max_size=3),
    st.sampled_from(["blank-line", "line", "file"]),
    BLOCKS,
)
def test_documents_are_the_same_whatever_the_block(
    texts: list[str], separator: Literal["blank-line", "line", "file"], block: int
) -> None:
    files = [write(text.encode(), f"{i}.txt") for i, text in enumerate(texts)]
    config = CorpusConfig(path="*.txt", mode="documents", separator=separator)
    with small_blocks(block):
        marked = "".join(read_corpus(files, config))
    expected = [document for text in texts for document in documents_of(universal(text), separator)]
    assert [document for document in marked.split(BOUNDARY) if document] == expected
    assert marked.endswith(BOUNDARY)


@given(st.lists(st.text(st.sampled_from("ab\n春")), min_size=1, max_size=4), BLOCKS)
def test_files_of_a_stream_begin_on_a_line_of_their_own(texts: list[str], block: int) -> None:
    files = [write(text.encode(), f"{i}.txt") for i, text in enumerate(texts)]
    with small_blocks(block):
        found = "".join(read_corpus(files, CorpusConfig(path="*.txt")))
    *first, last = texts
    expected = "".join(text if text.endswith("\n") or not text else text + "\n" for text in first) + last
    assert found in (expected, expected + "\n")
    assert len(texts) > 1 or found == expected


COMBINING = ["e\u0301", "\u0301", "\u0323", "\u1100\u1161\u11a8", "ｶﾞ", "Ａ", "ﬁ", "\u212b", "\n", "\r\n", "　", "山"]


@given(texts(st.sampled_from(COMBINING)), st.sampled_from(["none", "nfc", "nfkc"]), BLOCKS)
def test_normalisation_does_not_depend_on_the_block(
    text: str, form: Literal["none", "nfc", "nfkc"], block: int
) -> None:
    config = CorpusConfig(path="text.txt", normalization=form)
    with small_blocks(block):
        found = "".join(read_corpus([write(text.encode())], config))
    whole = universal(text)
    expected = {
        "none": whole,
        "nfc": unicodedata.normalize("NFC", whole),
        "nfkc": unicodedata.normalize("NFKC", whole),
    }
    assert found == expected[form]
    assert normalizer(config)(whole) == expected[form]


@pytest.mark.parametrize("mark", ["\u0301", "\u0301\u0323", "\u0f73", "\uff9e"])
@pytest.mark.parametrize("form", ["nfc", "nfkc"])
def test_a_run_of_marks_that_no_language_has_is_not_sorted_as_one(mark: str, form: Literal["nfc", "nfkc"]) -> None:
    longest = 0

    def normalize(form: str, text: str) -> str:
        nonlocal longest
        longest = max(longest, len(text))
        return text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.text.reader.unicodedata.normalize", normalize)
        patch.setattr("charrnn.text.reader.unicodedata.combining", lambda character: character in mark)
        text = "a" + mark * 10_000 + "b"
        assert normalizer(CorpusConfig(path="text.txt", normalization=form))(text) == text
    assert longest < 300


def test_simplified_characters_need_opencc() -> None:
    config = CorpusConfig(path="text.txt", simplify=True)
    if importlib.util.find_spec("opencc"):
        assert normalizer(config)("漢語") == "汉语"
    else:
        with pytest.raises(CharrnnError, match=re.escape("pip install 'charrnn[simplify]'")):
            normalizer(config)


SIMPLIFIED_PROSE = (
    "　　天还没有亮，老人就起来了。他推开木门，看见院子里落了一层薄薄的霜，便回屋里找出那件旧棉袄。\n"
    "　　“你又要去河边吗？”妻子在灶台后面问他，“今天的风很大，还是等一等吧。”\n"
    "　　他没有回答，只是把竹篓背在肩上，慢慢地走下山坡。村子里一个人也没有，只有一条黄狗跟着他。\n"
    "　　河水比昨天涨了许多，渡船停在对岸。他坐在石头上等着，心里想着一件很久以前的事情：那时候他们都还年轻。\n\n"
)
TRADITIONAL_PROSE = (
    "　　天還沒有亮，老人就起來了。他推開木門，看見院子裡落了一層薄薄的霜，便回屋裡找出那件舊棉襖。\n"
    "　　「你又要去河邊嗎？」妻子在灶臺後面問他，「今天的風很大，還是等一等吧。」\n"
    "　　他沒有回答，只是把竹簍背在肩上，慢慢地走下山坡。村子裡一個人也沒有，只有一條黃狗跟著他。\n"
    "　　河水比昨天漲了許多，渡船停在對岸。他坐在石頭上等著，心裡想著一件很久以前的事情：那時候他們都還年輕。\n\n"
)
JAPANESE_PROSE = (
    "　夜が明ける前に、祖父はもう起きていた。戸を開けると、庭にはうっすらと霜が降りている。\n"
    "「また川へ行くのですか」と祖母が台所から声をかけた。「今日は風が強いから、もう少し待ったらどうですか」\n"
    "　祖父は何も答えず、籠を背負ってゆっくりと坂を下りて行った。村には誰もいない。犬が一匹ついて来るだけだった。\n"
    "　川の水は昨日よりも増えていて、渡し船は向こう岸に止まっていた。祖父は石に腰をかけ、昔のことを思い出していた。\n\n"
)
ENGLISH_PROSE = (
    "Before it was light the old man had risen. “Are you off to the river again?” asked his wife. He did not say.\n"
)
PROSES = {
    "simplified": SIMPLIFIED_PROSE,
    "traditional": TRADITIONAL_PROSE,
    "japanese": JAPANESE_PROSE,
    "english": ENGLISH_PROSE,
}


@pytest.mark.parametrize("times", [3, 40, 3000])
@pytest.mark.parametrize(
    ("prose", "encoding"),
    [
        ("simplified", "gb18030"),
        ("simplified", "gbk"),
        ("traditional", "gb18030"),
        ("traditional", "big5"),
        ("japanese", "shift_jis"),
        ("english", "cp1252"),
        *((prose, encoding) for prose in PROSES for encoding in ("utf-8", "utf-8-sig")),
        *((prose, encoding) for prose in PROSES for encoding in ("utf-16", "utf-16-le", "utf-16-be")),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_an_encoding_is_recognised(prose: str, encoding: str, times: int, line_end: str) -> None:
    text = PROSES[prose] * times
    file = write(text.replace("\n", line_end).encode(encoding))
    assert "".join(read_text(file, "auto")) == text, recognise(file)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("prose", ["simplified", "traditional", "japanese"])
def test_utf_16_is_recognised_in_one_long_paragraph(prose: str, encoding: str) -> None:
    text = PROSES[prose].replace("\n", "") * 50
    assert "".join(read_text(write(text.encode(encoding)), "auto")) == text


def test_an_ascii_file_and_an_empty_one_are_utf_8() -> None:
    assert recognise(write(b"plain text\n")).name == "utf-8"
    assert recognise(write(b"")).name == "utf-8"


def test_a_character_cut_at_the_end_of_the_sample_does_not_mislead() -> None:
    for shift in range(3):
        assert recognise(write(b"a" * shift + "山".encode() * 100_000)).name == "utf-8"


def test_what_is_no_text_is_refused_with_a_remedy() -> None:
    noise = bytes(range(256)) * 200
    with pytest.raises(CharrnnError, match=r"no text.*vocab\.kind: byte"):
        recognise(write(noise))


def test_files_folders_lists_and_globs(tmp_path: Path) -> None:
    (tmp_path / "songs" / "old").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "notes.md", "old/c.txt"):
        (tmp_path / "songs" / name).write_text(name)

    def names(path: str | list[str]) -> list[str]:
        found = find_files(path)
        assert all(file.is_absolute() and file.is_file() for file in found)
        return [file.relative_to(tmp_path.resolve() / "songs").as_posix() for file in found]

    assert names("songs") == ["a.txt", "b.txt", "old/c.txt"]
    assert names("songs/*.txt") == ["a.txt", "b.txt"]
    assert names("songs/**/*.txt") == ["a.txt", "b.txt", "old/c.txt"]
    assert names("songs/notes.md") == ["notes.md"]
    assert names(["songs/old", "songs/b.txt"]) == ["old/c.txt", "b.txt"]
    assert names(str(tmp_path / "songs" / "[ab].txt")) == ["a.txt", "b.txt"]


def test_a_file_may_be_called_like_a_glob() -> None:
    file = write(b"a", "[1].txt")
    assert find_files("[1].txt") == [file]


@pytest.mark.parametrize("path", ["nowhere.txt", "*.nothing", "~no-such-user/a.txt", "a" * 300, "empty", "a\0b"])
def test_no_file_is_told_with_its_name(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CharrnnError, match=re.escape(path[:20])):
        find_files(path)
    with pytest.raises(CharrnnError, match="--text: "):
        find_files(path, "--text")


def test_an_empty_list_is_no_corpus() -> None:
    with pytest.raises(CharrnnError, match=r"corpus\.path: an empty list"):
        find_files([])


def test_a_device_that_never_ends_is_not_read() -> None:
    with pytest.raises(CharrnnError, match="/dev/zero: not a regular file"):
        find_files("/dev/zero")


def test_a_glob_enters_no_circle_of_links_and_passes_hidden_files_by(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("a.txt", "b.md", ".hidden.txt"):
        (folder / name).write_text("x")
    (folder / "again").symlink_to(folder)
    (folder / "and_again").symlink_to(tmp_path)
    for pattern in (f"{folder}/**/*.txt", "texts/**/*.txt", "texts/*.txt"):
        assert [file.name for file in find_files(pattern)] == ["a.txt"]
    assert [file.name for file in find_files("texts/.*.txt")] == [".hidden.txt"]
    assert [file.name for file in find_files("texts/[ab].*")] == ["a.txt", "b.md"]
    with pytest.raises(CharrnnError, match="no such file, folder or glob"):
        find_files("texts/**x/*.txt")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "a", "b/c", "[x]"]),
            st.sampled_from(["1", "2"]),
            st.sampled_from([".py", ".PY", ".md", ".pdf", "", ".m[d"]),
        ),
        min_size=1,
        max_size=9,
        unique=True,
    ),
    st.sampled_from(["plain", "with [brackets]*"]),
)
def test_the_glob_that_is_offered_finds_files(inside: list[tuple[str, str, str]], name: str) -> None:
    with TemporaryDirectory() as above:
        folder = Path(above, name)
        for place, stem, ending in inside:
            (folder / place).mkdir(parents=True, exist_ok=True)
            (folder / place / f"{stem}{ending}").write_text("text", encoding="utf-8")
        with pytest.raises(CharrnnError) as raised:
            find_files(str(folder))
        offered = re.search('such as "(.*)"', str(raised.value))
        assert (offered is None) == all(ending == ".pdf" for _, _, ending in inside)
        if offered is not None:
            assert find_files(offered[1])


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, text in (("a.txt", "a"), ("b.TXT", ""), ("sub/c.md", "c"), ("sub/d.md", ""), (".hidden", "x")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    told = passed_over(str(tmp_path), find_files(str(tmp_path)))
    assert "2 × .md" in told and "1 empty file" in told and "hidden" not in told
    assert passed_over(str(tmp_path / "a.txt"), find_files(str(tmp_path / "a.txt"))) == ""
