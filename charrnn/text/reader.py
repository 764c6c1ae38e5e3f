"""Bytes to text: finds the files of a corpus, decodes them piece by piece, and marks the ends of documents."""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from itertools import pairwise, zip_longest
from pathlib import Path

from charrnn.config import CorpusConfig
from charrnn.errors import CharrnnError
from charrnn.files import Digest

BLOCK = 2**20
"""The number of bytes read at a time: the loop over blocks costs little, and a block fits the processor's cache."""

NO_ENCODINGS = ("punycode", "idna", "unicode-escape", "raw-unicode-escape")
"""Codecs of names and of source code. Python's decode long texts in the square of the time, or one block by another."""

RUN = 100
"""The number of combining marks in a row that are sorted together. No language has more than some ten."""

BOUNDARY = "\ud800"
"""The mark of the end of a document inside text. Decoders do not give lone surrogates, so no text contains it."""

Report = Callable[[int], None]
"""Is told how many bytes, or characters, have been read since the last call."""
Read = Callable[[bytes], object]
"""Is given each block of bytes when it has been read."""

_LEADING_BLANK_LINES = re.compile(r"\A(?:[ \t\u3000]*\n)+")
_BLANK_LINES = re.compile(r"\n(?:[ \t\u3000]*\n)+")


def find_files(path: str | Sequence[str], what: str = "corpus.path") -> list[Path]:
    """The absolute paths of the files that `path` names (a file, a list, a glob, a folder), in a fixed order.

    A folder stands for its *.txt files. `what` names the option in messages. Raises CharrnnError, naming the path,
    where there is no file.
    """
    files: list[Path] = []
    for entry in [path] if isinstance(path, str) else path:
        try:
            place = Path(entry).expanduser()
            is_folder = place.is_dir()
        except OSError as error:  # a name too long, a folder that may not be entered
            raise CharrnnError(f"{what}: {entry}: cannot be read: {error.strerror}") from None
        except RuntimeError:  # such as ~nobody
            raise CharrnnError(f"{what}: {entry}: there is no such user's folder") from None
        if is_folder:
            found = sorted(file for file in place.rglob("*.txt") if file.is_file())
            wanted = "a folder without *.txt files; name the files, or a glob such as"
            wanted += f' "{entry}/*.md"'
        elif place.is_file():
            found, wanted = [place], ""
        elif place.exists():
            raise CharrnnError(f"{what}: {entry}: not a regular file; copy what it gives into one")  # it may never end
        else:
            found = _glob(place)
            wanted = f"no such file, folder or glob (looked in {Path.cwd()})"
        if not found:
            raise CharrnnError(f"{what}: {entry}: {wanted}")
        files.extend(found)
    if not files:
        raise CharrnnError(f"{what}: an empty list; name at least one file")
    return [Path(file).absolute() for file in files]


def _glob(pattern: Path) -> list[Path]:
    """The files that match a pattern, sorted, without hidden ones. `**` enters no links: they may go in circles."""
    root = Path(pattern.anchor)
    wanted = pattern.relative_to(root)
    try:
        matching = [file for file in root.glob(str(wanted)) if file.is_file()]
    except (ValueError, NotImplementedError, OSError):  # no pattern at all
        return []
    named = [part for part in wanted.parts if part.startswith(".")]

    def is_hidden(part: str) -> bool:
        return part.startswith(".") and not any(fnmatch(part, one) for one in named)

    return sorted(file for file in matching if not any(map(is_hidden, file.parts)))


def detect_encoding(file: Path) -> str:
    """The encoding of a file, which charset-normalizer recognises from its first and middle parts.

    Raises CharrnnError where no encoding fits.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(256 * 1024)
            stream.seek(file.stat().st_size // 2)
            middle = stream.read(64 * 1024)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if _is_utf8(head):
        return "utf-8"
    if (wide := _utf16_without_mark(head)) is not None:
        return wide
    from charset_normalizer import from_bytes

    # The parts are cut at line ends: a part that begins inside a two-byte character looks like another encoding.
    lines = head[: head.rfind(b"\n") + 1] or head
    best = from_bytes(lines + b"\n" + middle[middle.find(b"\n") + 1 : middle.rfind(b"\n") + 1]).best()
    if best is None:
        raise CharrnnError(
            f"{file}: no text encoding was recognised; give it as corpus.encoding (gb18030, big5, shift_jis, utf-16, "
            "...), or read raw bytes with vocab.kind: byte"
        )
    # The larger encoding of each family: GB18030 contains GBK and GB2312, CP932 Shift-JIS, and Big5-HKSCS Big5.
    return {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "big5": "big5hkscs"}.get(
        best.encoding, best.encoding
    )


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a character may be cut at the end
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


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


def normalizer(config: CorpusConfig) -> Callable[[str], str]:
    """The function that normalises a text of the corpus, or a prompt, as the config says.

    Raises CharrnnError where OpenCC is needed and missing.
    """
    steps: list[Callable[[str], str]] = []
    if config.normalization != "none":
        form = config.normalization.upper()
        steps.append(lambda text: _normalized(form, text))
    if config.simplify:
        try:
            from opencc import OpenCC
        except ImportError:
            raise CharrnnError("corpus.simplify: needs OpenCC: pip install 'charrnn[simplify]'") from None
        steps.append(OpenCC("t2s").convert)

    def normalize(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return normalize


def _normalized(form: str, text: str) -> str:
    """The text in a Unicode form. A run of combining marks longer than any language has is cut into pieces.

    The marks of a run are sorted, which takes the square of their number.
    """
    cuts = [end for end in range(RUN, len(text), RUN) if all(map(_is_mark, text[end - RUN : end]))]
    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    return "".join(unicodedata.normalize(form, piece) for piece in pieces)  # type: ignore[arg-type]


def _is_mark(character: str) -> bool:
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


def read_text(
    file: Path, encoding: str = "utf-8", progress: Read = lambda _: None, block: int = BLOCK
) -> Iterator[str]:
    """The text of a file in pieces of about `block` bytes, without a byte order mark, and with \\n as line end.

    Raises CharrnnError, with the file, the byte offset and a remedy, where a byte does not decode.
    """
    if encoding == "auto":
        encoding = detect_encoding(file)
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)  # refuses codecs that do not encode text, such as hex
        codec = codecs.lookup(encoding).name
        if codec in NO_ENCODINGS:
            raise LookupError
        decoder = codecs.getincrementaldecoder("utf-8-sig" if codec == "utf-8" else codec)()
    except (LookupError, ValueError):  # ValueError: a name with a null character
        raise CharrnnError(
            f"corpus.encoding: no codec is called {encoding!r}; try utf-8, gb18030, big5, shift_jis or auto"
        ) from None
    lines = io.IncrementalNewlineDecoder(None, translate=True)
    done, data = 0, b""
    try:
        with file.open("rb") as stream:
            while data := stream.read(block):
                yield lines.decode(decoder.decode(data))
                done += len(data)
                progress(data)
            yield lines.decode(decoder.decode(b"", final=True), final=True)
    except UnicodeDecodeError as error:
        at = done + len(data) - len(error.object) + error.start  # the decoded bytes end where the read ones do
        raise CharrnnError(
            f"{file}: byte {at:,} ({error.object[error.start]:#04x}) is not {encoding}; set corpus.encoding to the "
            "file's own (Chinese novels are often gb18030), to auto, or read raw bytes with vocab.kind: byte"
        ) from None
    except UnicodeError as error:  # such as UTF-16 without its mark
        raise CharrnnError(
            f"{file}: not {encoding}: {error}; set corpus.encoding to the file's own, or to auto"
        ) from None
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None


def read_bytes(file: Path, progress: Read = lambda _: None, block: int = BLOCK) -> Iterator[str]:
    """The bytes of a file as text, byte b as the character of code point b, in pieces. Raises CharrnnError."""
    try:
        with file.open("rb") as stream:
            while data := stream.read(block):
                yield data.decode("latin-1")
                progress(data)
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None


def read_corpus(
    files: Sequence[Path],
    config: CorpusConfig,
    raw: bool = False,
    progress: Report = lambda _: None,
    digests: Sequence[Digest] = (),
    at_end: Callable[[], None] = lambda: None,
) -> Iterator[str]:
    """The text of a corpus in pieces; in documents mode with BOUNDARY after each document.

    `raw` reads bytes as they are (see `read_bytes`): no decoding, no line ends, no normalisation. `digests`, one for
    each file, are given its bytes as they were read, and `at_end` is called after each. Raises CharrnnError as
    `read_text` does.
    """
    documents = config.mode == "documents"
    normalize = normalizer(config)
    for file, digest in zip_longest(files, digests):

        def see(data: bytes, digest: Digest | None = digest) -> None:
            if digest is not None:
                digest.update(data)
            progress(len(data))

        pieces = read_bytes(file, see) if raw else read_text(file, config.encoding, see)
        if not raw and (config.normalization != "none" or config.simplify):
            pieces = (normalize(piece) for piece in _at_line_ends(pieces))
        last = "\n"
        for piece in _mark_documents(pieces, config.separator) if documents else pieces:
            if piece:
                last = piece[-1]
                yield piece
        if documents:
            yield BOUNDARY
        elif last != "\n" and len(files) > 1 and not raw:
            yield "\n"  # the next file starts on a line of its own
        at_end()


def _at_line_ends(pieces: Iterator[str]) -> Iterator[str]:
    """The same text, cut only after line ends, so that characters which are composed together stay together.

    A line of more than 4 million characters is cut anywhere.
    """
    rest = ""
    for piece in pieces:
        text = rest + piece
        cut = text.rfind("\n") + 1
        if not cut and len(text) > 4 * BLOCK:
            cut = len(text)
        rest = text[cut:]
        yield text[:cut]
    yield rest


def _mark_documents(pieces: Iterator[str], separator: str) -> Iterator[str]:
    """The text with BOUNDARY instead of each separator. The encoder removes empty documents."""
    if separator == "file":
        yield from pieces
    elif separator == "line":
        for piece in pieces:
            yield piece.replace("\n", BOUNDARY)
    else:
        rest, begun = "", False
        for piece in pieces:
            text = rest + piece
            # White space at the end may begin a separator, and waits for the next piece.
            cut = len(text.rstrip(" \t\u3000\n"))
            rest, text = text[cut:], text[:cut]
            if not begun:
                text = _LEADING_BLANK_LINES.sub("", text)
            begun = begun or cut > 0
            yield _BLANK_LINES.sub(BOUNDARY, text)
        # The rest is white space after the last document, and belongs to none.
