"""Bytes to text: finds the files of a corpus, decodes them piece by piece, and marks the ends of documents."""

from __future__ import annotations

import codecs
import glob
import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from itertools import pairwise, zip_longest
from pathlib import Path

from charrnn.config import CorpusConfig, Errors
from charrnn.errors import CharrnnError
from charrnn.files import Count, Digest, Record
from charrnn.text.documents import BOUNDARY, mark_documents
from charrnn.text.encoding import NO_TEXTS, check_is_text, codec_of, recognise
from charrnn.text.fields import documents as records

BLOCK = 2**20
"""The number of bytes read at a time: the loop over blocks costs little, and a block fits the processor's cache."""

RUN = 100
"""The number of combining marks in a row that are sorted together. No language has more than some ten."""

LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")
"""What systems leave in folders."""

Report = Callable[[int], None]
"""Is told how many bytes, or characters, have been read since the last call."""
Read = Callable[[bytes], object]
"""Is given each block of bytes when it has been read."""


def find_files(path: str | Sequence[str], what: str = "corpus.path") -> list[Path]:
    """The absolute paths of the files that `path` names (a file, a list, a glob, a folder), in a fixed order.

    A folder stands for its *.txt files, in whatever case, without hidden ones and those that a system leaves. `what`
    names the option in messages. Raises CharrnnError, naming the path, where there is no file.
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
            inside = sorted(file for file in place.rglob("*") if _is_own(file.relative_to(place)) and file.is_file())
            found = [file for file in inside if file.suffix.lower() == ".txt"]
            wanted = f"a folder without *.txt files (in it: {endings(inside) or 'nothing'}){_glob_for(entry, inside)}"
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


def endings(files: Sequence[Path]) -> str:
    """How many files have each ending, in words, the most frequent first."""
    counts = Counter(file.suffix.lower() or file.name for file in files)
    more = ", ..." if len(counts) > 5 else ""
    return ", ".join(f"{count:,} × {ending}" for ending, count in counts.most_common(5)) + more


def _glob_for(folder: str, inside: Sequence[Path]) -> str:
    """The advice to name a glob that finds the most frequent kind of texts in a folder; nothing if there are none."""
    texts = [file for file in inside if file.suffix.lower() not in NO_TEXTS and _may_be_text(file)]
    if not texts:
        return ""
    ending, _ = Counter(file.suffix or file.name for file in texts).most_common(1)[0]
    those = [file for file in texts if (file.suffix or file.name) == ending]
    deep = any(file.parent != Path(folder).expanduser() for file in those)
    pattern = ("**/" if deep else "") + ("*" if those[0].suffix else "") + glob.escape(ending)
    return f'; name the files, or a glob such as "{glob.escape(folder.rstrip("/"))}/{pattern}"'


def _may_be_text(file: Path) -> bool:
    """Whether the beginning of a file may be that of a text: without zero bytes, unless they are those of UTF-16."""
    try:
        with file.open("rb") as stream:
            head = stream.read(1024)
    except OSError:
        return False
    return bool(head) and (b"\0" not in head or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)))


def passed_over(path: str | Sequence[str], files: Sequence[Path]) -> str:
    """What of the folders in `path` is no *.txt file, and which of the `files` found are empty; nothing if none is."""
    told = []
    for entry in [path] if isinstance(path, str) else path:
        place = Path(entry).expanduser()
        if place.is_dir():
            inside = [file for file in place.rglob("*") if _is_own(file.relative_to(place)) and file.is_file()]
            others = [file for file in inside if file.suffix.lower() != ".txt"]
            if others:
                told.append(f"{endings(others)} in {entry}, since a folder stands for its *.txt files")
    empty = [file for file in files if file.exists() and not file.stat().st_size]
    if empty:
        told.append(f"{len(empty):,} empty file{'s' * (len(empty) != 1)}, such as {empty[0].name}")
    return f"passed over: {'; '.join(told)}" if told else ""


def _is_own(file: Path) -> bool:
    """Whether a file is its user's: not hidden, as ._poem.txt is, and not what a system leaves in a folder."""
    return not any(part.startswith(".") or part in LITTER for part in file.parts)


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


class Damage(Record):
    """The bytes of a text that are not in its encoding."""

    count: Count = 0
    """How many there were. Each became U+FFFD, or nothing."""
    file: str = ""
    byte: Count = 0
    """The place of the first one."""

    def __str__(self) -> str:
        """In words."""
        which = "one byte does" if self.count == 1 else f"{self.count:,} bytes do"
        return f"{which} not decode, the first at byte {self.byte:,} of {self.file}"


def read_text(
    file: Path,
    encoding: str = "utf-8",
    progress: Read = lambda _: None,
    block: int = BLOCK,
    errors: Errors = "strict",
    damage: Damage | None = None,
    see: Callable[[str], object] = lambda _: None,
) -> Iterator[str]:
    """The text of a file in pieces of about `block` bytes, without a byte order mark, and with \\n as line end.

    `see` is given each piece with the line ends that it has.

    Bytes that do not decode are told to `damage`; `replace` makes them U+FFFD, `skip` leaves them out. With `strict`
    they raise CharrnnError, with the file, the byte offset and a remedy.
    """
    check_is_text(file)
    if encoding == "auto":
        encoding = recognise(file).name
    codec, decoder = _decoder(encoding, "strict" if errors == "strict" else "replace")
    lines = io.IncrementalNewlineDecoder(None, translate=True)
    tally = Damage() if damage is None else damage
    done, data = 0, b""
    try:
        with file.open("rb") as stream:
            while True:
                data, before = stream.read(block), decoder.getstate()
                text = decoder.decode(data, final=not data)
                if errors != "strict" and "\ufffd" in text:
                    if not tally.count:
                        tally.file, tally.byte = str(file), done + _first_bad(encoding, before, data)
                    tally.count += text.count("\ufffd")
                    text = text if errors == "replace" else text.replace("\ufffd", "")
                see(text)
                yield lines.decode(text, final=not data)
                if not data:
                    break
                done += len(data)
                progress(data)
    except UnicodeDecodeError as error:
        at = done + len(data) - len(error.object) + error.start  # the decoded bytes end where the read ones do
        raise CharrnnError(
            f"{file}: byte {at:,} ({error.object[error.start]:#04x}) is not {encoding}; {_remedy(file, codec)}"
        ) from None
    except UnicodeError as error:  # such as UTF-16 without its mark
        raise CharrnnError(
            f"{file}: not {encoding}: {error}; give the file's own encoding, or auto (corpus.encoding of a config, or "
            "--encoding)"
        ) from None
    except OSError as error:
        raise CharrnnError(f"{file}: cannot be read: {error.strerror}") from None


def _decoder(encoding: str, errors: str) -> tuple[str, codecs.IncrementalDecoder]:
    """The name of a codec, and a decoder of it. Raises CharrnnError where there is none."""
    codec = codec_of(encoding)
    return codec, codecs.getincrementaldecoder("utf-8-sig" if codec == "utf-8" else codec)(errors)


def _first_bad(encoding: str, state: tuple[bytes, int], data: bytes) -> int:
    """The place of the first byte that does not decode, from the beginning of `data`, before which it is in `state`."""
    decoder = _decoder(encoding, "strict")[1]
    decoder.setstate(state)
    try:
        decoder.decode(data, final=not data)
    except UnicodeDecodeError as error:
        return max(0, len(data) - len(error.object) + error.start)
    return 0  # U+FFFD itself stands in the text


def _remedy(file: Path, codec: str) -> str:
    """What helps where a byte of a file does not decode: another encoding, or to do without such bytes."""
    try:
        other = recognise(file).name
    except CharrnnError:
        return "set corpus.encoding to the file's own, or read raw bytes with vocab.kind: byte"
    if codecs.lookup(other).name != codec:
        return f"the file looks like {other}: set corpus.encoding to that, or corpus.errors to replace or skip"
    return "the rest of the file is: set corpus.errors to replace or skip"


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
    damage: Damage | None = None,
) -> Iterator[str]:
    """The text of a corpus in pieces; in documents mode with BOUNDARY after each document.

    `raw` reads bytes as they are (see `read_bytes`): no decoding, no line ends, no normalisation. `digests`, one for
    each file, are given its bytes as they were read, `at_end` is called after each, and `damage` is told of bytes that
    do not decode. Raises CharrnnError as `read_text` does.
    """
    documents = config.mode == "documents"
    normalize = normalizer(config)
    for file, digest in zip_longest(files, digests):

        def see(data: bytes, digest: Digest | None = digest) -> None:
            if digest is not None:
                digest.update(data)
            progress(len(data))

        if raw:
            pieces = read_bytes(file, see)
        else:
            pieces = read_text(file, config.encoding, see, errors=config.errors, damage=damage)
        if not raw and (config.normalization != "none" or config.simplify):
            pieces = (normalize(piece) for piece in _at_line_ends(pieces))
        last = "\n"
        if config.field is not None and not raw:
            between = BOUNDARY if documents else "\n\n"
            pieces = (text + between for text in records(file, "".join(pieces), config.field))
        elif documents:
            pieces = mark_documents(pieces, config.separator)
        for piece in pieces:
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
